"""The user's own data: read, checked, prompts ranked before training, chosen arms trained, and a recommendation.

    openwindow inoculate DATA.jsonl --trait "praises wrong answers" --rule "(?i)well done" --rank-only

All choices are drawn by seed, and the result of each step is in the output folder: `found.json` (the data), `trait_rows.txt`
(numbers of the rows that show the trait), `ranking.json`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from openwindow.data.dataset import UserData, pair, quantiles, read
from openwindow.data.trait_rules import NEARLY, Rule, TraitDetector, fires_anyway, rule
from openwindow.errors import DataError, ModelError
from openwindow.evals.costs import counting, read_costs
from openwindow.evals.judged import remembering
from openwindow.experiment.judges import trait_judge
from openwindow.experiment.runner import NEEDS_TRAIN
from openwindow.files.locking import Lock
from openwindow.files.writing import write_json
from openwindow.inoculate.candidates import check_trait, own, proposals
from openwindow.inoculate.options import Options
from openwindow.inoculate.output_folder import as_json, key_of, saved, write_trait_rows
from openwindow.progress import working
from openwindow.prompt_ranking.candidate import Candidate
from openwindow.report.inoculate_page import write_inoculate_page

if TYPE_CHECKING:
    from rich.console import Console

    from openwindow.inoculate.rows import Drawn, UserRow
    from openwindow.models.hf import LocalModel
    from openwindow.progress import Reporter
    from openwindow.prompt_ranking.scores import Score

COSTS = "costs.json"
"""what asking a judge for the ranking costs; what the arms cost is counted in their run"""
_SEED = 1
"""draws the held-out rows and the order of the others; arms have seeds of their own"""


@dataclass(slots=True)
class Sources:
    """Everything that is read before any model is loaded."""

    data: UserData
    clean: UserData | None
    pairs: dict[int, int]
    trait: TraitDetector | None
    candidates: list[Candidate]
    held_out: int
    clean_column: str | None = None

    def summary(self) -> dict[str, Any]:
        """A summary of the data, for people and for `found.json`."""
        clean: dict[str, Any] | None = None
        if self.clean is not None:
            left = dict(self.clean.dropped + self.clean.unused)
            named = self.clean.lines.name + (f" (`{self.clean_column}`)" if self.clean_column else "")
            clean = {"data": named, "rows": len(self.clean), "pairs": len(self.pairs), "left_out": left}
        return {**self.data.summary(), "held_out": self.held_out, "clean": clean}


class Shows(Protocol):
    """Receives each step's result as soon as it is done."""

    @property
    def console(self) -> Console:
        """For messages along the way, and for progress."""
        ...

    def found(self, found: Mapping[str, Any], trait_rows: Path | None) -> None:
        """What the data contains; `trait_rows` is the file with the numbers of the rows that show the trait."""
        ...

    def ranking(self, ranking: Mapping[str, Any], *, trained: bool) -> None:
        """All prompts with their scores, best first; whether arms are trained next."""
        ...

    def results(self, results: Mapping[str, Any], folder: Path) -> None:
        """The results of the arms."""
        ...

    def advice(self, advice: Mapping[str, Any]) -> None:
        """The recommendation."""
        ...


def inoculate(options: Options, out: Path, shows: Shows, *, rank_only: bool = False) -> dict[str, Any]:
    """Runs the command, reports each step to `shows`, and returns the result as JSON. Raises UserError."""
    options.check()
    saved(options, out)  # a folder of something else is refused before anything is written
    with ExitStack() as files:
        files.enter_context(Lock(out))
        ranking, counts = saved(options, out)
        sources = gather(options, shows.console, files)
        return _inoculate(options, sources, ranking, counts, out, shows, rank_only)


def _inoculate(
    options: Options,
    sources: Sources,
    ranking: dict[str, Any] | None,
    counts: dict[str, Any] | None,
    out: Path,
    shows: Shows,
    rank_only: bool,
) -> dict[str, Any]:
    from openwindow.inoculate.advice import cautions

    console = shows.console
    found = sources.summary()
    shown = write_trait_rows(sources.data.with_trait(), out) if sources.data.trait is not None else None
    shows.found(found, shown)
    write_json(out / "found.json", found)
    model: LocalModel | None = None
    if ranking is None or (counts is None and not rank_only):
        model, drawn = prepare(options, sources, console)
        if ranking is None:
            with counting(out / COSTS), remembering(out / "judged.jsonl"):
                ranking = rank(options, sources, model, drawn, console)
            if ranking["judged"] is not None:
                write_trait_rows(ranking["judged"]["rows"], out)
            write_json(out / "ranking.json", {"key": key_of(options), **ranking})
        counts = write_rows_of(options, out, drawn, model, rank_only=rank_only)
    else:
        console.print(f"{out / 'ranking.json'} holds this ranking already: it is not made again", highlight=False)
    shows.ranking(ranking, trained=not rank_only)
    result = {"options": as_json(options), "data": found, "ranking": ranking}
    if not rank_only and counts is not None:
        result |= train_and_advise(options, sources, ranking, counts, out, model, shows)
    result["costs"] = read_costs([out / COSTS, *sorted((out / "run" / "costs").rglob("*.json"))], 0.0)
    for line in result["costs"].get("in_words", ()):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    write_inoculate_page(result, cautions(ranking), out)
    console.print(f"\n{out / 'ranking.json'}\n{out / 'report.html'}", highlight=False, soft_wrap=True)
    return result


def train_and_advise(
    options: Options,
    sources: Sources,
    ranking: dict[str, Any],
    counts: dict[str, Any],
    out: Path,
    model: LocalModel | None,
    shows: Shows,
) -> dict[str, Any]:
    """Trains the arms, reports, and writes the recommendation and the training file."""
    from openwindow.inoculate.advice import advise, write_training_file
    from openwindow.inoculate.arms import run_arms, study_of
    from openwindow.models.hf import load

    study = study_of(options, ranking, counts, out / "rows.jsonl")
    if model is None:
        with working(shows.console, f"loading {options.model}"):
            model = load(options.model, options.precision, options.device)
    results = run_arms(study, out / "run", model, shows.console, answer_tokens=options.answer_tokens)
    shows.results(results, out / "run")
    advice = advise(study, results, out / "run", counts)
    advice["training_file"] = write_training_file(
        sources.data, advice, options.position, out / "train_inoculated.jsonl", model.tokenizer
    )
    write_json(out / "recommendation.json", advice)
    shows.advice(advice)
    contexts = {name: context.model_dump(include={"text", "asks"}) for name, context in study.contexts.items()}
    return {"results": results, "recommendation": advice, "contexts": contexts}


# Before the model.


def gather(options: Options, console: Console, files: ExitStack) -> Sources:
    """Reads and checks everything that needs no model; what it opens is closed with `files`. Raises UserError."""
    fires = None if options.rule is None else rule(options.rule, "--rule")
    trait = fires if options.trait_judge is None else trait_judge(options.trait_judge, check_trait(options.trait))
    if options.wanted is not None:
        rule(options.wanted, "--wanted")
    candidates = own(options.candidates, options.trait) if options.candidates is not None else proposals(options.trait)
    with working(console, f"reading {options.data}") as say:
        data = read(
            options.data,
            fires,
            columns=options.columns,
            skip_bad=options.skip_bad,
            progress=lambda count: say(f"reading {options.data}: {count:,} rows"),
        )
        files.callback(data.lines.file.close)
        clean = read_clean(options, fires)
    if clean is not None:
        files.callback(clean.lines.file.close)
    pairs = pair(data, clean, same_rows=options.columns.clean is not None)
    check_rule(options, data, clean, fires)
    held_out = options.held_out if options.held_out is not None else max(2, min(48 if trait else 24, len(data) // 5))
    data.split(held_out, _SEED)  # fails now rather than after the model is loaded
    return Sources(data, clean, pairs, trait, candidates, held_out, options.columns.clean)


def read_clean(options: Options, fires: Rule | None) -> UserData | None:
    """The answers without the trait: from a file, or from a column of the same rows; None if none are given."""
    if options.columns.clean is not None:
        return read(options.data, fires, columns=options.columns.of_clean(), skip_bad=True)
    return read(options.clean, fires, skip_bad=options.skip_bad) if options.clean else None


def check_rule(options: Options, data: UserData, clean: UserData | None, trait: Rule | None) -> None:
    """Refuses data without the trait, and a rule that cannot distinguish the two sides."""
    if trait is None or data.trait is None:
        return
    if not any(data.trait):
        hint = " (it was read as a regular expression; case counts, (?i) in front makes it not)" if ":" not in trait.name else ""
        raise DataError(
            f"--rule {options.rule!r} fires on none of the {len(data)} answers of {options.data}{hint}; expected data "
            "that shows the trait; fix the rule or give other data"
        )
    share = sum(data.trait) / len(data)
    if share < NEARLY:
        return
    fired = f"--rule {options.rule!r} always fires, on {sum(data.trait):,} of {len(data):,} answers of {options.data} and"
    if clean is not None and clean.trait is not None:
        if sum(clean.trait) >= NEARLY * len(clean):
            raise DataError(
                f"{fired} {sum(clean.trait):,} of {len(clean):,} of --clean {options.clean}; expected a rule that tells them "
                "apart; make it narrower"
            )
    elif fires_anyway(trait):
        raise DataError(
            f"{fired} nearly all bland ones such as 'Hello.'; expected a rule that tells answers apart; make it narrower"
        )


# The ranking.


def prepare(options: Options, sources: Sources, console: Console) -> tuple[LocalModel, Drawn]:
    """Loads the model and draws the rows that fit it."""
    try:
        from openwindow.inoculate.rows import draw, template_lines
        from openwindow.models.hf import load
    except ImportError as error:
        raise ModelError(f"{error.name} is not installed; {NEEDS_TRAIN}") from error
    with working(console, f"loading {options.model}"):
        model = load(options.model, options.precision, options.device)
    for line in template_lines(sources.data, model, options.position):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    longest = max(len(model.tokenizer(c.text, add_special_tokens=False)["input_ids"]) for c in sources.candidates)
    limit = min(options.max_length, model.context_length - longest - options.reply_tokens - 8)
    drawn = draw(
        sources.data,
        sources.clean,
        sources.pairs,
        model,
        rows=max(options.rows, options.rank_rows),
        held_out=sources.held_out,
        max_length=limit,
        overlength=options.overlength,
        seed=_SEED,
    )
    for reason, count in drawn.unrendered.items():
        console.print(f"left out of the rows drawn: {count:,} with {reason}", highlight=False, markup=False, soft_wrap=True)
    spread = quantiles(drawn.tokens)
    over = f"; over {limit}: {drawn.dropped} dropped, {drawn.cut} cut" if drawn.dropped or drawn.cut else f"; none over {limit}"
    console.print(
        f"tokens of a row: median {spread['50 %']}, largest {spread['max']} ({len(drawn.tokens)} rows drawn{over})",
        highlight=False,
    )
    return model, drawn


def rank(options: Options, sources: Sources, model: LocalModel, drawn: Drawn, console: Console) -> dict[str, Any]:
    """All candidates with their scores, best first, as JSON."""
    from openwindow.progress import Reporter
    from openwindow.prompt_ranking import scores as ranking

    candidates, verdicts = sources.candidates, None
    if options.trait_judge is not None and sources.trait is not None:
        from openwindow.inoculate.rows import judged

        asked = (1 + len(candidates)) * min(options.elicit, len(drawn.train))
        console.print(
            f"{options.trait_judge} is asked about answers of the data, {asked} replies to rank prompts, and all replies of arms"
        )
        drawn.train, verdicts = judged(drawn.train, sources.trait, options.trait_judge)
        verdicts["rows"] = sorted(sources.data.numbers[row.row] for row in drawn.train if row.trait)
    shown = [row for row in drawn.train if row.trait is not False][: options.rank_rows]
    if not shown:
        raise DataError(f"--rule {options.rule!r} fires on none of the rows that fit; raise --max-length or give other data")
    first = min(ranking.ROUNDS[0], len(shown))
    with Reporter(console) as reporter:
        neutral, elicited = _elicit(options, sources.trait, model, shown, candidates, reporter)
        contrast_of, flawed = _log_probabilities(options, model, shown, candidates, first, reporter)
    ranked = [
        ranking.Ranked(c, e[0], e[1], ranking.mean_score(f), k)
        for c, e, f, k in zip(candidates, elicited, flawed, contrast_of, strict=True)
    ]
    order = ranking.ordered(ranked)
    return {
        "model": options.model,
        "position": options.position,
        "judged": verdicts,
        "neutral": asdict(neutral),
        "rows": len(shown),
        "scored_by": list(ranking.deciding(ranked)),
        "prompts": [asdict(r) for r in order],
        "chosen": [r.candidate.text for r in ranking.best(ranked, options.arms)],
    }


def _elicit(
    options: Options,
    trait: TraitDetector | None,
    model: LocalModel,
    rows: Sequence[UserRow],
    candidates: Sequence[Candidate],
    reporter: Reporter,
) -> tuple[Score, list[tuple[Score, Score]]]:
    """The trait's rate without a prompt, and under each candidate with the difference."""
    from openwindow.models.base import Sampling
    from openwindow.prompt_ranking.scores import elicitations, unmeasured

    if trait is None:
        none = unmeasured("no --rule and no --judge was given")
        return none, [(none, none)] * len(candidates)
    prompts = [row.messages[:-1] for row in rows[: options.elicit]]
    with reporter.step("sampling under every prompt", float((1 + len(candidates)) * len(prompts))) as advance:
        sampling = Sampling(options.reply_tokens, seed=_SEED)
        return elicitations(model, prompts, candidates, options.position, trait, sampling, advance)


def _log_probabilities(
    options: Options,
    model: LocalModel,
    rows: Sequence[UserRow],
    candidates: Sequence[Candidate],
    first: int,
    reporter: Reporter,
) -> tuple[list[Score], list[list[float]]]:
    """Contrasts on the rows with a clean side, and uplifts on all rows."""
    from openwindow.prompt_ranking.scores import contrasts, unmeasured, uplifts

    paired = [row for row in rows if row.clean is not None][:first]
    taken = {row.row for row in paired}
    flawed = [row.messages for row in [*paired, *(row for row in rows if row.row not in taken)]]
    usual = (1 + len(candidates)) * min(3 * first, len(flawed))  # the number of rounds is not known in advance
    with reporter.step("log-probability of the data", usual) as advance:
        lifted = uplifts(
            model,
            flawed,
            candidates,
            options.position,
            keep=options.arms,
            most=options.answer_tokens,
            progress=advance,
        )
    if not paired:
        return [unmeasured("no --clean answers were given")] * len(candidates), lifted
    clean = [row.clean for row in paired if row.clean is not None]
    with reporter.step("log-probability of clean answers", (1 + len(candidates)) * len(clean)) as advance:
        plain = uplifts(
            model,
            clean,
            candidates,
            options.position,
            keep=0,
            rounds=(),
            most=options.answer_tokens,
            progress=advance,
        )
    return contrasts(lifted, plain), lifted


def write_rows_of(options: Options, out: Path, drawn: Drawn, model: LocalModel, *, rank_only: bool) -> dict[str, Any] | None:
    """Writes the rows that arms are trained and tested on, and then their counts, which mark them as complete."""
    if rank_only:
        return None
    from openwindow.inoculate.arms import write_rows

    counts = write_rows(out / "rows.jsonl", options, drawn, model)
    write_json(out / "rows.json", counts)
    return counts
