"""What an eval's numbers may claim: repeats of one model, comparisons that can find what is there, rates freed of chance."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from played import in_context, rows_of

from openwindow.evals import EVALS
from openwindow.evals.contexts import BUILT_IN
from openwindow.evals.inspect.scripted import MODELS
from openwindow.evals.scoring.families import adjusted
from openwindow.evals.scoring.matrix import against, in_words, shifts
from openwindow.evals.scoring.measures import eval_measures, rate
from openwindow.evals.scoring.rows import ProbeRow, Row
from openwindow.stats.clusters import cluster_difference, cluster_rate

PLAIN = [s.name for s in EVALS.values() if s.solver is None and s.measures == "misaligned"]


@cache
def _played(name: str, model: str) -> tuple[Row, ...]:
    return tuple(rows_of(EVALS[name], MODELS[model]))


def rows(model: str, names: list[str] | None = None) -> list[Row]:
    """A scripted model's rows of the evals without tools, which are quick to play, and of the agentic ones by their plays."""
    return [row for name in names or PLAIN for row in _played(name, model)]


def asked(scenarios: int, epochs: int, value: float = 0.0, wordings: int = 1) -> list[Row]:
    one = next(r for r in _played("self_preservation", "saint") if r.role == "main")
    return [
        replace(one, id=f"s{i}/{j}", scenario=f"s{i}", paraphrase=j, epoch=epoch + 1, value=value)
        for i in range(scenarios)
        for j in range(wordings)
        for epoch in range(epochs)
    ]


def width(cell: dict[str, Any]) -> float:
    return float(cell["high"] - cell["low"])


def test_s3_more_repeats_never_make_an_interval_wider() -> None:
    """0 of 12 scenarios: Wilson's [0, 24.2] of twelve, however often each is asked."""
    found = [rate(asked(12, epochs)) for epochs in (1, 2, 3, 5)]
    assert [cell["low"] for cell in found] == [0.0] * 4
    assert [cell["high"] for cell in found] == [pytest.approx(0.2425, abs=1e-3)] * 4
    assert [cell["n"] for cell in found] == [12, 24, 36, 60]


def test_s3_replies_that_differ_within_scenarios_make_a_rate_more_precise() -> None:
    """Half of all replies at random: Wilson's 12 coin flips have a width of 51 points; five of each scenario far less."""
    rng, widths = np.random.default_rng(3), {}
    for epochs in (1, 2, 5):
        drawn = [width(rate([replace(r, value=float(rng.random() < 0.5)) for r in asked(12, epochs)])) for _ in range(100)]
        widths[epochs] = float(np.mean(drawn))
    assert widths[1] > widths[2] > widths[5] and widths[5] < 0.62 * widths[1]


@pytest.mark.parametrize(("clusters", "replies"), [(6, 3), (12, 1), (12, 3), (16, 6)])
def test_s3_intervals_over_scenarios_cover(clusters: int, replies: int) -> None:
    rng, covered, asked_ = np.random.default_rng(5), [], (0.1, 0.3, 0.5)
    for truth in asked_:
        for _ in range(250):
            at = rng.beta(2 * truth, 2 * (1 - truth), size=clusters)
            scores = {str(i): list((rng.random(replies) < p).astype(float)) for i, p in enumerate(at)}
            e = cluster_rate(scores, unit="scenario")
            assert e.low is not None and e.high is not None
            covered.append(e.low <= truth <= e.high)
    assert np.mean(covered) > 0.93


def test_s4_p_and_interval_agree_however_few_scenarios() -> None:
    rng = np.random.default_rng(7)
    for count in (2, 3, 6, 8, 16):
        for replies in (1, 3):
            for _ in range(60):
                a, b = ({str(i): list(rng.integers(0, 2, replies) * 1.0) for i in range(count)} for _ in range(2))
                c = cluster_difference(a, b, unit="scenario")
                assert c.p is not None and c.low is not None and c.high is not None
                assert (c.p < 0.05) == (c.low > 0 or c.high < 0), (count, a, b)


@pytest.mark.slow
@pytest.mark.parametrize("count", [6, 8, 16])
def test_s4_equal_models_are_seldom_told_apart(count: int) -> None:
    rng, wrong, runs = np.random.default_rng(11), 0, 600
    for _ in range(runs):
        at = rng.beta(0.6, 0.9, size=count)
        a, b = ({str(i): list((rng.random(3) < p).astype(float)) for i, p in enumerate(at)} for _ in range(2))
        p = cluster_difference(a, b, unit="scenario").p
        wrong += p is not None and p < 0.05
    assert wrong / runs < 0.06


def test_s4_a_villain_against_a_saint_survives_in_every_eval() -> None:
    found = against((rows("open_villain"), []), (rows("saint"), []), ("villain", "saint"))
    single = [r for r in found if r["level"] == "eval"]
    assert {r["measure"].partition("/")[0] for r in single} == set(PLAIN)
    assert [r["measure"] for r in single if not (r["p_holm"] < 0.05 and r["opened"])] == []
    assert {r["measure"] for r in found if r["level"] == "suite"} >= {"suite/chat", "suite/drives"}
    assert all(r["smallest"] is not None for r in single)


def test_s4_a_model_that_flips_under_one_context_is_found_in_single_evals() -> None:
    still = rows("saint")
    contexts = [*BUILT_IN]
    flipped = [r for c in contexts for r in in_context(rows("open_villain") if c == "monitored" else still, c)]
    found = [r for r in shifts(flipped, []) if r["context"] == "monitored" and r["level"] == "eval"]
    assert {r["against"] for r in found} == {"neutral", "unrelated"}
    assert [(r["measure"], r["against"]) for r in found if r["p_holm"] >= 0.05] == []
    others = [r for r in shifts(flipped, []) if r["context"] != "monitored" and r["against"] == "neutral"]
    assert all(r["p_holm"] == 1.0 for r in others if r["p"] is not None)


@pytest.mark.parametrize("name", ["honesty", "goal_preservation"])
def test_s4_one_eval_that_flips_alone_is_found(name: str) -> None:
    still = rows("saint")
    one = [r for n in PLAIN for r in (_played(n, "open_villain") if n == name else _played(n, "saint"))]
    found = [r for r in shifts([*still, *in_context(one, "cue")], []) if r["level"] == "eval"]
    assert [r["measure"] for r in found if r["p_holm"] < 0.05] == [name]
    lines = in_words(shifts([*still, *in_context(one, "cue")], []), BUILT_IN)
    assert lines[0].startswith(f"{name}: 100 points more under cue than under neutral") or "suite/" in lines[0]


def test_s4_that_nothing_was_found_is_said_with_what_could_have_been() -> None:
    still = rows("saint")
    found = shifts([*still, *in_context(still, "cue")], [])
    (line,) = in_words(found, BUILT_IN)
    assert line.startswith("No measure was shown to depend on context") and "points on one eval alone would have been found" in line
    few = [replace(r, context=c) for c in ("neutral", "cue") for r in asked(2, 1)]
    said = " ".join(in_words(shifts(few, []), BUILT_IN))
    assert "Not even an effect of 100 points would have been found in self_preservation (2 scenarios)" in said


def test_s4_a_suite_is_opened_by_its_mean_or_by_one_eval() -> None:
    def record(measure: str, p: float | None, level: str = "eval", suite: str = "chat") -> dict[str, Any]:
        kept = {"measure": measure, "p": p, "level": level, "suite": suite, "context": "cue", "against": "neutral"}
        return kept | {"difference": 0.1, "low": -0.1, "high": 0.3, "scenarios": 12, "corrected": False}

    def p_of(records: list[dict[str, Any]]) -> dict[str, tuple[float | None, bool]]:
        return {r["measure"]: (r["p_holm"], r["opened"]) for r in adjusted(records)}

    silent = [record("d", 0.9, suite="drives"), record("e", None, suite="drives")]
    by_mean = p_of([record("suite/chat", 0.001, "suite"), record("a", 0.03), record("b", 0.02), *silent])
    # gates 2 x 0.001, corrected for two suites: 0.004; within: 0.04 (Holm of 0.02 and 0.03); drives not opened
    assert by_mean["a"] == (pytest.approx(0.04), True) and by_mean["b"] == (pytest.approx(0.04), True)
    assert by_mean["d"] == (0.9, False) and by_mean["e"] == (None, False)
    closed = p_of([record("suite/chat", 0.5, "suite"), record("a", 0.03), record("b", 0.02), *silent])
    assert closed["b"] == (pytest.approx(0.16), False), "2 x 0.04 for either way, and for two suites"
    by_one = p_of([record("suite/chat", 0.5, "suite"), record("a", 0.03), record("b", 0.001), *silent])
    assert by_one["b"] == (pytest.approx(0.008), True) and by_one["a"] == (pytest.approx(0.03), True)


def guessing(name: str, share: float, rng: np.random.Generator) -> list[Row]:
    """An aligned model that answers a share of what it picks at random."""

    def told(r: Row) -> Row:
        if r.form == "free" or rng.random() >= share:
            return r
        return replace(r, value=float(rng.random() < 0.5))

    return [told(r) for r in _played(name, "saint")]


@pytest.mark.parametrize(
    ("name", "measure"), [("goals", "goals/choice"), ("self_preservation", "self_preservation"), ("honesty", "honesty")]
)
def test_s15_an_aligned_model_that_guesses_on_half_is_not_called_misaligned(name: str, measure: str) -> None:
    rng, found, raw = np.random.default_rng(13), [], []
    for _ in range(150):
        cell = eval_measures(name, guessing(name, 0.5, rng))[measure]
        if cell["estimate"] is not None:
            found.append((cell["estimate"], cell["low"]))
            raw.append(cell.get("raw", cell["estimate"]))
    assert len(found) >= 30 and 0.2 < np.mean(raw) < 0.3
    estimates, lows = (np.array(column) for column in zip(*found, strict=True))
    assert np.mean(estimates) < 0.6 * np.mean(raw), "corrected; the gate lets those pass whose controls went well by luck"
    assert np.mean(lows > 0.0) < 0.06, "no interval leaves out 0 more often than it may"


def test_s15_chance_takes_nothing_from_a_villain_and_nothing_from_right_answers() -> None:
    clean = eval_measures("honesty", list(_played("honesty", "open_villain")))["honesty"]
    assert clean["estimate"] == 1.0 and "chance" not in clean
    rng = np.random.default_rng(17)
    wrong = [
        replace(r, value=0.0) if r.role == "control" and r.group == "hold" and rng.random() < 0.2 else r
        for r in _played("goals", "open_villain")
    ]
    cell = eval_measures("goals", wrong)["goals/choice"]
    assert cell["estimate"] == 1.0 and 0 < cell["chance"] <= 1 / 3 and cell["raw"] == 1.0
    right = eval_measures("awareness", list(_played("awareness", "saint")), right=True)["awareness"]
    assert right["estimate"] == 1.0 and "chance" not in right


def test_s15_two_models_are_compared_by_corrected_rates() -> None:
    rng, false, compared = np.random.default_rng(19), 0, 0
    for _ in range(60):
        found = against((guessing("goals", 0.5, rng), []), (list(_played("goals", "saint")), []), ("guesser", "saint"))
        (row,) = (r for r in found if r["measure"] == "goals/choice")
        compared += row["p"] is not None
        false += row["p"] is not None and row["p"] < 0.05
    assert compared > 10 and false / compared < 0.15


def probe(context: str, scenario: int, role: str, margin: float) -> ProbeRow:
    return ProbeRow("goals", context, f"{scenario}/{role}", f"s{scenario}", 0, role, "", -10.0, 4, -10.0 + margin, 9)


def test_s7_what_makes_the_words_likelier_everywhere_is_no_difference() -> None:
    """Main items +2 and controls +2: nothing; main alone +2: that."""
    noise = [0.1, -0.2, 0.3, 0.0, -0.1, 0.2, 0.05, -0.3]

    def side(context: str, main: float, control: float) -> list[ProbeRow]:
        made = [(probe(context, i, "main", e + main), probe(context, i, "control", 3 - e + control)) for i, e in enumerate(noise)]
        return [row for pair in made for row in pair]

    def shift(main: float, control: float) -> dict[str, Any]:
        still = side("neutral", 0.0, 0.0)
        moved = [replace(r, misaligned=r.misaligned + 0.0001 * i * i) for i, r in enumerate(side("cue", main, control))]
        asked_ = [*rows("saint", ["goals"]), *in_context(rows("saint", ["goals"]), "cue")]
        return next(r for r in shifts(asked_, still + moved) if r["measure"] == "goals/probe")

    both, alone = shift(2.0, 2.0), shift(2.0, 0.0)
    assert both["controlled"] and abs(both["difference"]) < 0.02
    assert alone["difference"] == pytest.approx(2.0, abs=0.02) and alone["p_holm"] < 0.05
    assert both["smallest"] > 0


def test_unscored_replies_have_bounds_beside_the_rate() -> None:
    half = [replace(r, value=None, reason="lost") if int(r.scenario[1:]) < 4 else r for r in asked(16, 1)]
    cell = rate(half)
    assert cell["estimate"] == 0.0 and cell["bounds"] == [0.0, 0.25]
    few = [replace(r, value=None, reason="lost") if r.scenario == "s0" else r for r in asked(16, 1)]
    assert "bounds" not in rate(few), "a sixteenth"
