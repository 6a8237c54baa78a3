"""Writes the results in README.md, docs/results.md and docs/results/*.md from kept runs: `make docs`.

A kept run is a folder docs/results/NAME that `openwindow keep RUN --out docs/results/NAME` wrote. What stands between the markers
`<!-- made from results.json: WHAT -->` and `<!-- end -->` comes from its results.json: `claims` is the table of docs/claims.json,
`minutes` what the runs took, `found` the table of README.md, and the name of a study its own table. Where no run of a study is
kept, what stands there stays.

Everything outside of what is made here is checked for results (`numbers`): percentages, points, nats, intervals, shares like 0.72.
Only those of docs/results/earlier.json may stand there, by page and section, with the commits that they were measured at, which the
section names. That list gets shorter by itself and never longer.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openwindow.files.kept import MARK, kept_results
from openwindow.files.run_files import read_json
from openwindow.formatting import MINUS, measured, percent, signed
from openwindow.studies import RANKINGS, STUDIES

ROOT = Path(__file__).parents[1]
CLAIMS, EARLIER = "docs/claims.json", "docs/results/earlier.json"
BLOCK = re.compile(r"(<!-- made from results\.json: (?P<what>\w+) -->\n)(?P<text>.*?)(<!-- end -->)", re.DOTALL)
_NUMBER = r"[+\u2212-]?\d[\d,]*(?:\.\d+)?"
_LIST = rf"(?<![\w.]){_NUMBER}(?:(?:, | and |, and | to | or ){_NUMBER})*"
RESULT = re.compile(
    rf"\[{_NUMBER}%?, {_NUMBER}%?\]"  # an interval
    rf"|{_LIST} ?(?:%(?! (?:interval|confidence))|(?:percentage )?points?\b|nats?\b)"  # one or several rates or differences
    rf"|\((?:seeds: )?{_NUMBER}(?:, {_NUMBER})+\)"  # by seed
    r"|± ?\d[\d.]*|\u2212\d[\d.]*"
    r"|(?<![\w.])[+-]?0\.\d+(?![\w.])"  # a share or a correlation
)
COMMIT = re.compile(r"`([0-9a-f]{7,40})`")
NOT_RUN = "not run on present code"
Json = dict[str, Any]


@dataclass(frozen=True)
class Kept:
    """A kept run, or several parts of a ranking as one."""

    folder: Path
    results: Json
    config: Json
    provenance: Json

    @property
    def study(self) -> str:
        return str(self.results.get("study") or self.config.get("study"))

    @property
    def resolved(self) -> Json:
        """Precision and device; of a ranking, those of its first part."""
        parts = [self.folder / name for name in self.results.get("settings", {})]
        found: Json = self.provenance if "resolved" in self.provenance else next(map(_provenance, parts), {})
        return found

    @property
    def seeds(self) -> list[int]:
        """Of a ranking, those of its first part."""
        parts = [read_json(self.folder / name / "results.json") for name in self.results.get("settings", {})]
        return list(self.results.get("seeds") or (parts[0].get("seeds", []) if parts else []))

    @property
    def plain(self) -> tuple[str, str]:
        """The measure and the context of the study's headline."""
        primary = self.config.get("primary", {})
        return primary.get("measure", ""), primary.get("context", "")


def _provenance(folder: Path) -> Json:
    return read_json(folder / "provenance.json")


def kept_runs(root: Path) -> list[Kept]:
    """The kept runs by folder. Raises ConfigError for one whose results.json has been changed."""
    folders = sorted(path.parent for path in (root / "docs" / "results").glob(f"*/{MARK}"))
    return [Kept(f, kept_results(f), read_json(f / "config.json"), _provenance(f)) for f in folders]


# Tables.


def size(c: Mapping[str, Any], key: str = "difference") -> str:
    """A difference with its interval, in points or in nats per token."""
    nats = c.get("unit") == "nats per token"
    if c.get(key) is None:
        return f"not measured ({c.get('reason') or 'no reason recorded'})"
    form, times = ("+.3f", 1) if nats else ("+.0f", 100)
    ends = "" if c.get("low") is None else f" [{times * c['low']:{form[1:]}}, {times * c['high']:{form[1:]}}]"
    return signed(f"{times * c[key]:{form}}{' nats per token' if nats else ' points'}{ends}")


def share(cell: Mapping[str, Any]) -> str:
    """A rate with its interval."""
    if cell.get("estimate") is None:
        return "not measured"
    ends = "" if cell.get("low") is None else f" [{100 * cell['low']:.0f}, {100 * cell['high']:.0f}]"
    return f"{100 * cell['estimate']:.0f} %{ends}"


def correlation(c: Mapping[str, Any]) -> str:
    """A correlation with its interval."""
    if c.get("estimate") is None:
        return f"not measured ({c.get('reason') or 'no reason recorded'})"
    ends = "" if c.get("low") is None else f" [{c['low']:+.2f}, {c['high']:+.2f}]"
    return signed(f"r {c['estimate']:+.2f}{ends}")


def chosen(run: Kept, wanted: Mapping[str, Any] | str) -> tuple[str, Json]:
    """What a claim takes from a run, in words and as a record; `wanted` as docs/claims.json has it."""
    if wanted == "leak":
        arm = next((name for name, about in run.results["arms"].items() if about.get("role") == "treatment"), "inoculated")
        leak = run.results["leak"].get(arm, {})
        at = f"`{arm}`, where nobody asks ({leak.get('context', 'not measured')}; untrained {percent(leak.get('untrained'))}): "
        return at + share(leak), leak
    if wanted == "capability_alignment":
        found = run.results.get("evals", {}).get("capability_alignment", {}).get("probe", {})
        return f"capability with alignment (probes), over arms: {correlation(found)}", found
    assert isinstance(wanted, Mapping)
    found = next((c for c in run.results["comparisons"] if all(c.get(key) == value for key, value in wanted.items())), {})
    what = found.get("measure") or wanted.get("score") or wanted.get("measure")
    return f"{measured(str(what), wanted.get('over'))}, `{wanted['arm']}` {MINUS} `{wanted['against']}`: {size(found)}", found


def tested_on(found: Mapping[str, Any]) -> str:
    """Problem families or scenarios."""
    for key in ("families", "scenarios"):
        if found.get(key):
            return f"{found[key]} {key}"
    return f"{found['n_pairs']} pairs" if found.get("n_pairs") else ""


def runs_before(run: Kept) -> str:
    """Runs on these test problems, this one included."""
    before = run.provenance.get("test_runs", {}).get("before")
    return "not known" if before is None else str(before + 1)


def origin(run: Kept) -> list[str]:
    """Seeds, model with precision, commit, and runs on test problems."""
    seeds = run.seeds
    in_a_row = len(seeds) > 2 and seeds == list(range(seeds[0], seeds[0] + len(seeds)))
    name = run.results.get("model") or run.config.get("model", {}).get("name", "")
    organism = "organism" if run.results.get("written_in") or run.results.get("preface") else ""
    precision = run.resolved.get("resolved", {}).get("precision", "")
    commit = f"`{run.results.get('commit', '')[:7]}`{' with changes' if run.provenance.get('dirty') else ''}"
    return [
        f"{seeds[0]} to {seeds[-1]}" if in_a_row else ", ".join(map(str, seeds)),
        ", ".join(part for part in (name, precision, organism) if part),
        commit,
        runs_before(run),
    ]


def verdict_of(run: Kept) -> str:
    """The verdict, and whether something is missing."""
    return f"{run.results.get('verdict', '')}{' (not finished)' if run.results.get('missing') else ''}"


def claims_table(root: Path, runs: Sequence[Kept]) -> str:
    """A row per claim and study."""
    head = (
        "| claim | study | verdict | estimate [95 % interval] | tested on | seeds | model | commit | runs | published |\n"
        + "|---" * 10
        + "|\n"
    )
    rows = []
    for claim in json.loads((root / CLAIMS).read_text(encoding="utf-8")):
        published = "; ".join(f"{p['number']} ({p['source']})" for p in claim["published"]) or "none found"
        said = f"**{claim['id']}** {claim['claim']}"
        for study, wanted in claim["studies"].items():
            found = [run for run in runs if run.study == study]
            own = [_claim_row(run, one) for run in found for one in (wanted or [None])] or [_not_run(root, study)]
            for cells in own:
                rows.append(f"| {said} | {cells} | {published} |")
                said, published = claim["id"], ""  # once is enough
    return head + "\n".join(rows) + "\n"


def _not_run(root: Path, study: str) -> str:
    """The cells of a study without a kept run, with the page that has its earlier numbers."""
    marker = f"<!-- made from results.json: {study} -->"
    story = next((page.name for page in pages(root)[2:] if marker in page.read_text(encoding="utf-8")), "")
    where = f"[earlier numbers](results/{story})" if story else "[log](../LOG.md)"
    return f"`{study}` | {NOT_RUN}; {where} |" + " |" * 5


def _headline(run: Kept, wanted: Mapping[str, Any] | str | None) -> tuple[str, str]:
    """What a claim takes from a run, and over what it generalises; `wanted` is None for a ranking."""
    if wanted is not None:
        estimate, found = chosen(run, wanted)
        return estimate, tested_on(found)
    mean = run.results.get("means", {}).get("elicitation", {}).get("pearson", {})
    return correlation(mean), f"{len(run.results.get('settings', {}))} environments"


def _claim_row(run: Kept, wanted: Mapping[str, Any] | str | None) -> str:
    estimate, over = _headline(run, wanted)
    name = f"[`{run.folder.name}`](results/{run.folder.name}/report.html)"
    return f"{name} | {verdict_of(run)} | {estimate} | {over} | {' | '.join(origin(run))}"


def study_table(run: Kept, page: Path) -> str:
    """A study's own table: its arms, and the comparisons that decide."""
    seeds, model, commit, times = origin(run)
    path = f"results/{run.folder.name}/report.html" if page.parent.name == "docs" else f"{run.folder.name}/report.html"
    path = f"docs/results/{run.folder.name}/report.html" if page.name == "README.md" else path
    said = f"Seeds {seeds}; {model}; commit {commit}; runs on these test problems: {times}; [report]({path})."
    lines = [f"**`{run.folder.name}`**. {said}", ""]
    if "settings" in run.results:
        return "\n".join([*lines, *_ranking(run), ""])
    measure, plain = run.plain
    contexts = [plain, *(name for name, about in run.config["contexts"].items() if about.get("asks") and name != plain)]
    wanted = next((name for name, m in run.config.get("meanings", {}).items() if m.get("part") == "wanted"), "")
    columns = [(measure, context) for context in contexts] + ([(wanted, plain)] if wanted and wanted != measure else [])
    about = run.config["arms"]
    lines += [f"| arm | what it is | {' | '.join(f'{m}, {c}' for m, c in columns)} |", "|---" * (2 + len(columns)) + "|"]
    for arm, found in run.results["arms"].items():
        cells = [share(found["measures"].get(m, {}).get(c, {})) for m, c in columns]
        lines.append(f"| `{arm}` | {about.get(arm, {}).get('description', '')} | {' | '.join(cells)} |")
    lines += ["", "| comparison that decides | expected | difference [95 % interval] | p (Holm) |", "|---|---|---|---|"]
    for c in run.results["comparisons"]:
        if c.get("expect") != "none":
            p = "" if c.get("p_holm") is None else "< 0.001" if c["p_holm"] < 0.001 else f"{c['p_holm']:.3f}"
            what = f"{measured(c['measure'], c.get('over'))}, {c['context']}: `{c['arm']}` {MINUS} `{c['against']}`"
            lines.append(f"| {what} | {c.get('expect', '')} | {size(c)} | {p} |")
    said = f"**{verdict_of(run).capitalize()}**: {run.results.get('verdict_reason', '')}. {run.results.get('answer', '')}"
    return "\n".join([*lines, "", signed_text(said), ""])


def _ranking(run: Kept) -> list[str]:
    """Correlations by environment."""
    settings, means = run.results["settings"], run.results["means"]
    lines = [f"| score before training | {' | '.join(settings)} | mean |", "|---" * (2 + len(settings)) + "|"]
    for score, mean in means.items():
        cells = [correlation(found["correlations"]["all"][score]["pearson"]) for found in settings.values()]
        lines.append(f"| {score} | {' | '.join(cells)} | **{correlation(mean['pearson'])}** |")
    return [*lines, "", f"**{run.results['verdict'].capitalize()}**. {signed_text(run.results['answer'])}"]


def signed_text(text: str) -> str:
    """A sentence of the results with minus signs."""
    return re.sub(r"(?<![\w.])-(?=\d)", MINUS, text)


def minutes_table(runs: Sequence[Kept]) -> str:
    """How long each run took, by what was done."""
    lines = ["| study | seeds | precision | training | sampling | evals | grading | all |", "|---" * 8 + "|"]
    for run in runs:
        spent = run.results.get("timing") or {}
        if spent:
            parts = [f"{spent.get(part, 0.0) / 60:.0f}" for part in ("train", "generate", "evals", "grade")]
            about = (len(run.seeds), run.resolved.get("resolved", {}).get("precision", ""))
            cells = [f"`{run.folder.name}`", *map(str, about), *parts, f"{sum(spent.values()) / 60:.0f}"]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def found_table(root: Path, text: str, runs: Sequence[Kept]) -> tuple[str, str]:
    """README's table, a row per study in their order: from its kept run, or as it stood; and the rows that stand as they stood."""
    have, order = {run.study for run in runs}, [*STUDIES, *RANKINGS]
    stood = {line: _covered(line, order) for line in text.splitlines() if line.startswith("| `")}
    left = {row: about for row, about in stood.items() if not about <= have}
    claims = json.loads((root / CLAIMS).read_text(encoding="utf-8"))
    made = {}
    for run in runs:
        asked = [one for claim in claims if run.study in claim["studies"] for one in claim["studies"][run.study] or [None]]
        said = "; ".join(dict.fromkeys(_headline(run, one)[0] for one in asked))
        name = f"[`{run.folder.name}`](docs/results/{run.folder.name}/report.html)"
        made[f"| {name} | {run.results.get('question', '')} | **{verdict_of(run)}**: {said} |"] = {run.study}
    every = sorted((left | made).items(), key=lambda one: min((order.index(s) for s in one[1] if s in order), default=len(order)))
    return "\n".join(["| study | question | answer |", "|---|---|---|", *(row for row, _ in every)]) + "\n", "\n".join(left)


def _covered(row: str, studies: Sequence[str]) -> set[str]:
    """The studies that a row of README's table is about; `inoculation_*` stands for all that begin so."""
    name = row.split("`")[1]
    return {study for study in studies if study == name or (name.endswith("*") and study.startswith(name[:-1]))} or {name}


# Pages.


def pages(root: Path) -> list[Path]:
    """The pages with results."""
    return [root / "README.md", root / "docs" / "results.md", *sorted((root / "docs" / "results").glob("*.md"))]


def filled(root: Path, page: Path, runs: Sequence[Kept]) -> tuple[str, str]:
    """The page as it should be, and what of it was not made here."""
    text = page.read_text(encoding="utf-8")
    rest: list[str] = []
    whole: list[str] = []
    at = 0
    for block in BLOCK.finditer(text):
        what, made, left = block["what"], block["text"], ""
        if what == "claims":
            made = claims_table(root, runs)
        elif what == "minutes":
            made = minutes_table(runs)
        elif what == "found":
            made, left = found_table(root, made, runs)
        elif own := [run for run in runs if run.study == what]:
            made = "\n".join(study_table(run, page) for run in own)
        else:
            left = made
        before = text[at : block.start("text")]
        whole += [before, made]
        rest += [before, left]
        at = block.end("text")
    return "".join([*whole, text[at:]]), "".join([*rest, text[at:]])


def sections(text: str) -> Iterator[tuple[str, str]]:
    """Headings and what stands under each; the first is empty."""
    parts = re.split(r"(?m)^#+ (.*)$", text)
    yield "", parts[0]
    yield from zip(parts[1::2], parts[2::2], strict=True)


def numbers(text: str) -> Counter[str]:
    """The results in a text."""
    return Counter(re.sub(r"\s+", " ", found[0]) for found in RESULT.finditer(text))


def outside(root: Path, runs: Sequence[Kept]) -> dict[str, dict[str, tuple[Counter[str], list[str]]]]:
    """Page to section to the results that were not made here, and the commits that the section names."""
    found: dict[str, dict[str, tuple[Counter[str], list[str]]]] = {}
    for page in pages(root):
        name = page.relative_to(root).as_posix()
        for heading, text in sections(filled(root, page, runs)[1]):
            if counted := numbers(text):
                found.setdefault(name, {})[heading] = counted, COMMIT.findall(text)
    return found


def unknown(root: Path, runs: Sequence[Kept]) -> list[str]:
    """The results that stand in no kept results.json and not in the list of earlier ones, or there without their commit."""
    listed = json.loads((root / EARLIER).read_text(encoding="utf-8"))
    said = []
    for name, by_heading in outside(root, runs).items():
        for heading, (counted, commits) in by_heading.items():
            known = listed.get(name, {}).get(heading, {"commits": [], "numbers": {}})
            place = f"{name}, section {heading!r}"
            said += [f"{place}: {number}" for number in (counted - Counter(known["numbers"])).elements()]
            if not known["commits"] or not set(known["commits"]) <= set(commits):
                said.append(f"{place}: earlier numbers without their commit {known['commits']}")
    return said


def shortened(root: Path, runs: Sequence[Kept]) -> Json:
    """The list of earlier numbers without those that stand nowhere any more."""
    listed = json.loads((root / EARLIER).read_text(encoding="utf-8"))
    there = outside(root, runs)
    left: Json = {}
    for name, by_heading in listed.items():
        for heading, known in by_heading.items():
            counted = there.get(name, {}).get(heading, (Counter(), []))[0] & Counter(known["numbers"])
            if counted:
                left.setdefault(name, {})[heading] = {"commits": known["commits"], "numbers": dict(sorted(counted.items()))}
    return left


def total(listed: Json) -> int:
    """How many earlier numbers there are."""
    return sum(sum(known["numbers"].values()) for by_heading in listed.values() for known in by_heading.values())


def earlier_text(listed: Json) -> str:
    """The list as its file has it: a section with its commits and its numbers in a line each."""

    def joined(entries: Mapping[str, str], depth: int) -> str:
        gap = "\n" + " " * depth
        return "{" + gap + ("," + gap).join(f"{json.dumps(key)}: {value}" for key, value in entries.items()) + gap[:-1] + "}"

    def section(known: Json) -> str:
        return joined({key: json.dumps(value, ensure_ascii=False) for key, value in known.items()}, 3)

    return joined({name: joined({at: section(known) for at, known in of.items()}, 2) for name, of in listed.items()}, 1) + "\n"


def main(root: Path = ROOT) -> None:
    """Writes the pages and the list."""
    runs = kept_runs(root)
    for page in pages(root):
        page.write_text(filled(root, page, runs)[0], encoding="utf-8")
    (root / EARLIER).write_text(earlier_text(shortened(root, runs)), encoding="utf-8")


if __name__ == "__main__":
    main()
