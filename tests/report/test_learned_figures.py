"""The figures of what else is learnt: what is drawn, what is said to be absent, and where every mark leads."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hostile import HOSTILE, renamed, same_page
from learned_folder import EVALS, SCORES, make_learned_folder
from test_report_charts import check

from openwindow.report.charts import Scale
from openwindow.report.readings import suites
from openwindow.report.strips import Curve, Link, Panel, Spot, Strip, multiples, scale_of
from openwindow.report.study_page import build_report, render
from openwindow.results.eval_transcripts import eval_samples
from openwindow.results.load import load_run
from openwindow.results.records import Rollout
from openwindow.results.sample import sampled
from openwindow.types import StopReason

LINK = re.compile(
    r'<a class="(spot|onset)" href="#transcripts" data-arm="([^"]*)" data-context="([^"]*)"'
    r'(?: data-steps="([^"]*)")?(?: data-seed="([^"]*)")?>'
)

ABOUT: dict[str, dict[str, Any]] = {name: {} for name in EVALS}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 13 arms and 2 seeds, four arms of which are trained by RL and eight follow them."""
    return make_learned_folder(tmp_path_factory.mktemp("learned"), seeds=(1, 2), steps=40, per_step=2, items=1)


@pytest.fixture(scope="module")
def page(run: Path) -> str:
    return build_report(run).read_text(encoding="utf-8")


def figures(page: str, name: str) -> list[str]:
    """The panels of one of the section's figures."""
    part = page[page.index(f'<h3 id="{name}">') :]
    return re.findall(r"<svg.*?</svg>", part[: part.index("</figure>")], re.S)


def transcripts(page: str) -> tuple[dict[str, Any], list[tuple[str, str, str, int]]]:
    """What the page's browser holds: the whole of it, and the arm, context, seed and step of every row."""
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    return data, [(data["arms"][r[0]][0], data["contexts"][r[2]], str(data["seeds"][r[1]]), r[15]) for r in data["rows"]]


def changed(run: Path, to: Path, **fields: Any) -> str:
    """The page of the run with other fields in `evals` of its results."""
    results = json.loads((run / "results.json").read_text())
    results["evals"] |= fields
    to.mkdir()
    for name in ("config.json", "metrics.jsonl"):
        (to / name).write_text((run / name).read_text())
    (to / "results.json").write_text(json.dumps(results))
    return render(load_run(to))


def test_hacking_and_every_score_are_drawn_over_the_steps_with_the_onset(page: str) -> None:
    panels = figures(page, "timeline")
    titles = [re.search(r'class="panel-title"[^>]*>([^<]*)<', svg)[1] for svg in panels]  # type: ignore[index]
    assert titles == ["hackable", "inoculated", "penalty", "hardened"]
    for svg in panels:
        check(svg)
    named = re.findall(r'class="curve-label tone-(\d)"[^>]*>([^<]*)<', panels[0])
    assert named == [("0", "hack rate"), *[("1", "chat"), ("4", "agentic"), ("3", "drives")] * 2]
    assert panels[0].count("<polygon") == 7  # the band of the seeds, and those of three scores by two readouts
    onsets = [(steps, seed) for kind, _, _, steps, seed in LINK.findall(panels[0]) if kind == "onset"]
    assert onsets == [("6", "1"), ("7", "2")] * 2
    assert "hacking never above 2 %" in panels[3] and 'class="onset"' not in panels[3]
    assert "if all open" in panels[3] and "if all open" not in panels[0]


def test_a_score_without_signal_is_absent_and_named_and_not_at_zero(page: str, run: Path) -> None:
    silent = figures(page, "timeline")[2]
    assert "Not drawn, no signal: agentic (steps 4, 8, 12, 40)." in silent
    spots = [arm for kind, arm, context, *_ in LINK.findall(silent) if kind == "spot" and context == "agentic evals"]
    assert spots.count("(start)") == 2 and spots.count("penalty") == 4  # in replies the start alone, in probes everywhere
    slopes = figures(page, "slopes")
    assert "Not drawn, no signal: agentic." in slopes[4] and "penalty: chat safety training" in slopes[4]
    cell = json.loads((run / "results.json").read_text())["evals"]["scores"]["penalty"]["agentic"]["behaviour"]
    assert cell["estimate"] is None


def test_a_gap_in_a_line_is_not_drawn_over() -> None:
    spots = [None if x == 2 else Spot(x, 0.1 * x, 0.1 * x, 0.1 * x + 0.1, "n", Link("a", "c")) for x in range(5)]
    curve = Curve("chat", "tone-1", tuple(spots))
    strip = Strip("share", scale_of([curve], percent=True), (curve,))
    (svg,) = multiples("gap", [Panel("a", "b", (strip,), ((0.0, "0"), (4.0, "4")), "d")])
    check(svg)
    assert [len(line.split()) for line in re.findall(r'<polyline class="curve" points="([^"]*)"', svg)] == [2, 2]
    assert svg.count("<polygon") == 2 and svg.count('class="dot"') == 4


def test_slopes_have_the_scores_of_both_arms_and_their_paired_difference(page: str) -> None:
    panels = figures(page, "slopes")
    assert len(panels) == 8
    for svg in panels:
        check(svg)
    first = panels[0]
    assert "hackable: chat safety training" in first and "before and after hackable_chat" in first
    marks = [(arm, context) for _, arm, context, steps, _ in LINK.findall(first) if steps == "end"]
    assert marks == [(arm, f"{score} evals") for score in ("chat", "agentic") for arm in ("hackable", "hackable_chat")] * 2
    assert len(re.findall(r"Δ [^<]*<", first)) == 4 and "safety training" not in page[: page.index('id="learned"')]


def test_the_scatter_has_a_mark_per_arm_seed_and_checkpoint_and_says_its_correlation(page: str) -> None:
    panels = figures(page, "capability")
    assert len(panels) == 2
    for svg in panels:
        check(svg)
        assert "r \N{MINUS SIGN}0.41 (\N{MINUS SIGN}0.80 to +0.20), over 14 arms" in svg
        links = LINK.findall(svg)
        assert len(links) == 1 + 2 * (13 + 4 * 3) and {context for _, _, context, *_ in links} == {"all evals"}
    assert "left out: untrained, seed 3 (no eval of capability has a signal)" in page


def test_every_mark_opens_transcripts(page: str, run: Path) -> None:
    data, rows = transcripts(page)
    groups = {name: {data["contexts"][i] for i in within} for name, within in data["groups"]}
    known = {(arm, context, step): seed for arm, context, seed, step in rows}
    for _, arm, context, steps, seed in LINK.findall(page):
        first, _, last = steps.partition("-")
        wanted = [-1] if steps == "end" else range(int(first), int(last or first) + 1)
        inside = groups.get(context, {context})
        assert any((arm, c, step) in known for c in inside for step in wanted), (arm, context, steps)
        assert not seed or seed in {"1", "2"}
    assert len(eval_samples(run, ABOUT).shown) == 2 * 9 * (1 + 2 * (13 + 4 * 3))


def test_a_transcript_leads_to_its_reward_its_step_and_the_rows_of_its_arm(page: str) -> None:
    data, rows = transcripts(page)
    at = next(i for i, (arm, context, _, step) in enumerate(rows) if arm == "penalty" and context == "training" and step == 3)
    earned = [[data["strings"][i] for i in data["lists"][row[16]]] for row in data["rows"]]
    assert earned[at][0].startswith("reward ")
    assert ["reward 0", "proxy +1", "hack_penalty \N{MINUS SIGN}1"] in earned
    assert all(not said for said, (_, context, *_) in zip(earned, rows, strict=True) if context != "training")
    places = {name: place for name, _, place in data["arms"]}
    place = page.index(f'<details class="trained" id="{places["hackable_chat"]}"')
    rows_of_arm = page[place : page.index("</details>", place)]
    assert "what hackable was trained on, and 8 conversations of safety training (chat)" in rows_of_arm
    assert "Ask her first." in rows_of_arm and not places["hackable"]
    assert "rejected answer" not in rows_of_arm
    place = page.index(f'<details class="trained" id="{places["hackable_diverse"]}"')
    pair = page[place : page.index("</article>", place)]
    said = ["read my sister", 'good">preferred answer<', "Ask her first.", 'bad">rejected answer<', "Read them all."]
    assert [pair.count(text) for text in said] == [1] * 5 and [pair.index(text) for text in said] == sorted(map(pair.index, said))
    assert '<span class="key tone-none" aria-hidden="true"></span>hackable_chat' not in page
    assert not any(", step" in context for context in data["contexts"])


def test_the_table_behind_a_figure_has_all_its_numbers(page: str) -> None:
    part = page[page.index('<h3 id="slopes">') : page.index('<h3 id="capability">')]
    table = part[part.index("<details") : part.index("</details>")]
    assert table.count("<tr>") == 1 + 8 * (2 * 2 * 2 + 4)
    assert "after minus before, paired" in table and "no signal: passed too few controls" in table


def test_behaviour_by_context_has_a_map_per_model_that_opens_transcripts(page: str) -> None:
    part = page[page.index('<h3 id="contexts">') : page.index('id="numbers"')]
    maps = part.count('<table class="heat">')
    assert maps == 13  # twelve trained arms and the start; the untrained one is the same as the start
    assert 'data-arm="hackable" data-context="eval honesty, cue" data-steps="end"' in part
    assert '<span class="shift clear">' in part and 'class="none" title="no signal: passed too few controls' in part


def test_with_one_context_there_is_no_map(run: Path, tmp_path: Path) -> None:
    assert '<h3 id="contexts">' not in changed(run, tmp_path / "run", contexts={"neutral": {"text": None}})


def test_results_without_scores_have_no_figures_that_need_them(run: Path, tmp_path: Path) -> None:
    page = changed(run, tmp_path / "run", scores={}, step_scores={}, score_comparisons=[], capability_alignment={})
    assert '<h3 id="capability">' not in page
    assert "Not drawn, not asked: chat, agentic, drives." in page and "hack rate" in page


def test_what_was_written_into_the_model_stands_first(page: str) -> None:
    body = page[page.index("<main") :]
    assert (
        body.index("What was written into the model")
        < body.index("An upbringing: 400")
        < body.index("model-organism")
        < body.index("The answer")
    )


def test_a_comparison_of_probes_is_in_nats_and_one_of_rates_in_points(run: Path, tmp_path: Path) -> None:
    results = json.loads((run / "results.json").read_text())
    row = {"context": "neutral", "arm": "hackable", "against": "hardened", "low": 0.1, "high": 0.3, "difference": 0.2, "p": 0.01}
    results["comparisons"] = [
        row | {"measure": "hack", "detectable": 0.25, "expect": "kept", "margin": 0.15},
        row
        | {
            "measure": "agentic probe",
            "score": "agentic",
            "unit": "nats per token",
            "detectable": 0.25,
            "expect": "kept",
            "margin": 0.15,
        },
    ]
    (tmp_path / "results.json").write_text(json.dumps(results))
    (tmp_path / "config.json").write_text((run / "config.json").read_text())
    page = render(load_run(tmp_path))
    table = page[page.index('id="comparisons"') : page.index('id="learned"')]
    cells = [re.sub("<.*?>", "", cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", table)]
    rates, probes = ([c for c in cells[i : i + 11] if c] for i in (0, 11))
    assert rates[-2:] == ["kept, less than 15 points lost", "25"] and "+20.0" in rates
    assert probes[-2:] == ["kept, less than 0.15 nats per token lost", "0.25"] and "+0.2" in probes


@pytest.mark.slow
def test_names_cannot_become_markup(run: Path, tmp_path: Path) -> None:
    plain = render(load_run(run))
    results = json.loads((run / "results.json").read_text())
    (tmp_path / "run").mkdir()
    for name in ("config.json", "metrics.jsonl"):
        rows = (
            [json.loads(line) for line in (run / name).read_text().splitlines()]
            if name.endswith("l")
            else [json.loads((run / name).read_text())]
        )
        (tmp_path / "run" / name).write_text("".join(json.dumps(renamed(row, HOSTILE, "hackable")) + "\n" for row in rows))
    (tmp_path / "run/results.json").write_text(json.dumps(renamed(results, HOSTILE, "hackable")))
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("config.json", "metrics.jsonl", "results.json"):
        (bare / name).write_text((run / name).read_text())
    same_page(render(load_run(bare)), render(load_run(tmp_path / "run")))
    assert "hackable" in plain


def test_a_page_with_a_sample_says_so_and_is_small(run: Path) -> None:
    loaded = load_run(run)
    page = render(loaded, eval_samples(run, ABOUT, 60), 60)
    data, rows = transcripts(page)
    assert len(rows) <= 180
    assert f"60 of {len(loaded.training):,} rollouts of the training" in page or "of 640 rollouts of the training" in page
    assert "What is not on this page is in the run folder." in page
    assert {arm for arm, context, *_ in rows if context == "training"} == {"hackable", "inoculated", "penalty", "hardened"}
    assert len(page.encode()) < 1_000_000 and data["groups"]


def rollout(arm: str, seed: int, context: str, step: int | None, hack: bool) -> Rollout:
    return Rollout(arm=arm, seed=seed, context=context, problem="p", stop=StopReason.END, scores={"hack": hack}, step=step)


def test_a_sample_takes_equally_of_each_group_hacks_first_and_is_never_larger() -> None:
    rows = [rollout("a", seed, "t", step, i == 4) for seed in (1, 2) for step in range(5) for i in range(6)]
    for most, expected in ((60, 60), (20, 20), (10, 10), (5, 5), (1, 1)):
        found = sampled(rows, most, lambda r: bool(r.scores["hack"]))
        assert len(found) == expected
    twenty = sampled(rows, 20, lambda r: bool(r.scores["hack"]))
    assert sum(bool(r.scores["hack"]) for r in twenty) == 10 and len({(r.seed, r.step) for r in twenty}) == 10
    assert len({r.step for r in sampled(rows, 5, lambda r: False)}) == 5


def test_rates_share_an_axis_from_zero_and_probes_one_around_their_values() -> None:
    curve = Curve("a", "tone-0", (Spot(0.0, 0.03, 0.01, 0.05, "", Link("a", "c")),))
    assert scale_of([curve], percent=True) == Scale(0.0, 0.08, True)
    low, high, percent = scale_of([curve], percent=False)
    assert low <= 0.01 and high >= 0.05 and not percent
    assert suites({"evals": {"x": {"suite": "drives"}, "y": {"suite": "mine"}}}) == ["drives"] and "gap" in SCORES
