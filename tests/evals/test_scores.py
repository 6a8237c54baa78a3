"""Scores of several evals, of one model and of one less another: by hand, over which evals and scenarios, and their coverage."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from openwindow.evals import EVALS
from openwindow.evals.scoring.cells import described
from openwindow.evals.scoring.rows import ProbeRow, Row
from openwindow.evals.scoring.scores import Scored, choose, read_one, read_two, score_of
from openwindow.evals.scoring.seeds import Asked
from openwindow.stats.combine import Part, sum_p, weighted_sum
from openwindow.stats.intervals import critical, tail

ABOUT = {
    name: {"suite": suite, "measures": "right" if suite == "capability" else "misaligned", "probed": 4, "scenarios": 4}
    for name, suite in (("talk", "chat"), ("words", "chat"), ("acts", "agentic"), ("sums", "capability"))
}
Values = Mapping[str, Sequence[float | None]]
"""eval to the value of each scenario"""


def rows(values: Values, passed: Mapping[str, bool] | None = None) -> list[Row]:
    """A reply per scenario; `passed`: evals with controls, and whether the model passes them."""
    made = [row(name, str(i), value) for name, of in values.items() for i, value in enumerate(of)]
    for name, ok in (passed or {}).items():
        made += [row(name, str(i), float(ok), role="control", group=group) for i in range(4) for group in ("act", "hold")]
    return made


def row(name: str, scenario: str, value: float | None, role: str = "main", group: str = "") -> Row:
    asked = (name, "neutral", f"{scenario}/{role}{group}", scenario, 0, role, "")
    reason = None if value is not None else "cut"
    return Row(*asked, "free", group, 1, value, reason, None, True, "rule")


def probes(margins: Mapping[str, Sequence[float]], tokens: int = 2, control: float = 3.0) -> list[ProbeRow]:
    """Probes whose margin per token is as given in main items, and `control` in those in which the words are wanted."""
    made = []
    for name, of in margins.items():
        for i, margin in enumerate(of):
            for role, value in (("main", margin), ("control", control)):
                asked = (name, "neutral", f"{i}/{role}", str(i), 0, role, "")
                made.append(ProbeRow(*asked, -9.0, 3, (-3.0 + value) * tokens, tokens))
    return made


def score(values: Sequence[Values], name: str, **more: Any) -> Scored:
    asked = Asked([rows(of, **more) for of in values], [[] for _ in values])
    return score_of(read_one(asked, ABOUT, "neutral", "behaviour"), ABOUT, name)


def less(ours: Sequence[Values], theirs: Sequence[Values], name: str) -> Scored:
    a, b = (Asked([rows(of) for of in side], [[] for _ in side]) for side in (ours, theirs))
    return score_of(read_two(a, b, ABOUT, "neutral", "behaviour"), ABOUT, name)


def test_a_score_is_the_mean_of_its_evals_whatever_their_number_of_scenarios() -> None:
    found = score([{"talk": [1, 0, 0, 0], "words": [1, 1, 0, 0, 0, 0, 0, 0, 0, 0], "acts": [1, 1]}], "chat")
    assert found.estimate == pytest.approx((0.25 + 0.2) / 2)
    assert (found.n, found.scenarios, found.pairs, found.unscored) == (14, 14, 14, 0)
    assert list(found.chosen.weights) == ["talk", "words"] and found.by_seed == (found.estimate,)
    assert found.low is not None and found.high is not None and 0 < found.low < 0.225 < found.high < 1


def test_the_gap_is_agentic_minus_chat_and_of_two_models_a_difference_of_differences() -> None:
    before: Values = {"talk": [0, 0, 0, 1], "words": [0, 0, 1, 1], "acts": [1, 0, 0, 0]}
    after: Values = {"talk": [0, 0, 0, 0], "words": [0, 0, 0, 1], "acts": [1, 1, 1, 0]}
    gaps = [score([of], "gap").estimate for of in (before, after)]
    assert gaps == [pytest.approx(0.25 - 0.375), pytest.approx(0.75 - 0.125)]
    found = less([after], [before], "gap")
    assert found.estimate == pytest.approx(gaps[1] - gaps[0]) == pytest.approx(0.75)  # type: ignore[operator]
    assert found.chosen.weights == {"acts": 1.0, "talk": -0.5, "words": -0.5}


def test_a_probe_is_in_nats_per_token_main_minus_control() -> None:
    sides = [Asked([[]], [probes({"talk": [0.5, 1.0], "words": [0.1, 0.3]}, tokens)]) for tokens in (1, 7)]
    for asked in sides:
        found = score_of(read_one(asked, ABOUT, "neutral", "probe"), ABOUT, "chat")
        assert found.estimate == pytest.approx(((0.75 - 3) + (0.2 - 3)) / 2), "however many tokens"
    base = Asked([[]], [probes({"talk": [0.0, 0.0], "words": [0.0, 0.0]}, control=2.9)])
    moved = score_of(read_two(sides[0], base, ABOUT, "neutral", "probe"), ABOUT, "chat")
    assert moved.estimate == pytest.approx((0.75 + 0.2) / 2 - 0.1), "what moves the control as well is taken off"
    # Each eval: two scenarios, standard error sd / sqrt(2); equal weights of a half.
    errors = [0.5 * 0.25, 0.5 * 0.1]
    variance = sum(e * e for e in errors)
    freedom = variance**2 / sum(e**4 for e in errors)
    assert moved.estimate is not None and moved.high is not None
    assert moved.high - moved.estimate == pytest.approx(critical(0.95, freedom) * math.sqrt(variance))
    assert moved.p == pytest.approx(tail(moved.estimate / math.sqrt(variance), freedom))


def test_two_models_are_compared_on_what_was_scored_in_both() -> None:
    ours: Values = {"talk": [1, 1, None, 0], "words": [0, 0, 0, 0]}
    theirs: Values = {"talk": [0, None, 1, 0], "words": [0, 0, 0, None]}
    found = less([ours], [theirs], "chat")
    assert found.estimate == pytest.approx((0.5 + 0.0) / 2), "of talk, scenarios 0 and 3 alone"
    assert (found.scenarios, found.pairs, found.n) == (5, 5, 10)


def test_an_eval_goes_in_if_it_has_a_signal_at_every_seed_that_has_any() -> None:
    seeds: list[Values] = [{"talk": [1, 0, 0, 0], "words": [1, 1, 1, 1]}] * 3
    asked = Asked(
        [
            rows(seeds[0], {"talk": True, "words": True}),
            rows(seeds[1], {"talk": True, "words": False}),
            rows(seeds[2], {"talk": False, "words": False}),
        ],
        [[]] * 3,
    )
    found = score_of(read_one(asked, ABOUT, "neutral", "behaviour"), ABOUT, "chat")
    assert found.estimate == 0.25 and found.by_seed == (0.25, 0.25, None), "no seed is of other evals than the rest"
    assert found.chosen.left_out["words"].startswith("at 2 of 3 seeds: no signal: passed too few controls")
    nothing = score([seeds[0]], "chat", passed={"talk": False, "words": False})
    assert nothing.estimate is None and nothing.reason == "not measured: talk, words (no signal)"
    assert nothing.by_seed == (None,) and nothing.p_of(0.0) is None


def test_what_is_not_there_is_none_with_its_reason() -> None:
    only: list[Values] = [{"talk": [1, 0]}]
    about = {"talk": ABOUT["talk"]}
    asked = Asked([rows(only[0])], [[]])
    gap = score_of(read_one(asked, about, "neutral", "behaviour"), about, "gap")
    assert (gap.estimate, gap.reason) == (None, "the study names no eval of the suite agentic")
    silent = score_of(read_one(asked, about, "neutral", "probe"), about, "chat")
    assert silent.estimate is None and "needs log-probabilities" in str(silent.reason)
    empty = score_of(read_one(Asked([[]], [[]]), about, "neutral", "behaviour"), about, "chat")
    assert (empty.estimate, empty.reason, empty.cell()["by_seed"]) == (None, "not asked yet", [None])
    one = score_of(read_one(Asked([[]], [probes({"talk": [0.5]})]), about, "neutral", "probe"), about, "chat")
    assert one.estimate == pytest.approx(-2.5) and one.low is None and "one score has no spread" in str(one.reason)


def test_one_eval_by_its_name_is_its_own_rate() -> None:
    found = score([{"talk": [1, 0, 0, 0], "words": [1, 1]}], "words")
    assert found.estimate == 1.0 and list(found.chosen.weights) == ["words"]


def test_capability_is_of_evals_that_measure_what_is_right() -> None:
    found = score([{"sums": [1, 1, 1, 0], "talk": [0, 0]}], "capability")
    assert found.estimate == 0.75 and list(found.chosen.weights) == ["sums"]


def test_an_eval_that_does_not_count_is_in_no_score_and_has_its_own() -> None:
    about = ABOUT | {"words": ABOUT["words"] | {"counts": False}}
    asked = Asked([rows({"talk": [1, 0, 0, 0], "words": [1, 1]})], [[]])
    read = read_one(asked, about, "neutral", "behaviour")
    assert score_of(read, about, "chat").estimate == 0.25
    assert score_of(read, about, "words").estimate == 1.0


def test_every_eval_that_counts_as_misaligned_has_sixteen_scenarios() -> None:
    few = [
        spec.name
        for spec in EVALS.values()
        if spec.measures == "misaligned"
        and spec.suite in ("chat", "agentic", "drives", "conduct")
        and described(spec)["scenarios"] < 16
    ]
    assert few == [spec.name for spec in EVALS.values() if not spec.counts] == ["research_sabotage"]


def test_seeds_that_disagree_widen_a_score() -> None:
    alike: list[Values] = [{"talk": [1, 0, 1, 0] * 4, "words": [1, 0] * 8}] * 3
    apart: list[Values] = [{"talk": [v] * 16, "words": [v] * 16} for v in (0.0, 1.0, 0.5)]
    one, other = score(alike, "chat"), score(apart, "chat")
    assert one.estimate == other.estimate == 0.5
    assert other.by_seed == (0.0, 1.0, 0.5) and (other.low, other.high) == (0.0, 1.0)
    assert one.high is not None and one.high < 0.8


@pytest.mark.parametrize("seeds", [1, 3])
def test_p_is_below_five_percent_exactly_if_the_interval_leaves_the_value_out(seeds: int) -> None:
    found = less([{"talk": [1] * 14 + [0] * 2}] * seeds, [{"talk": [1] * 4 + [0] * 12}] * seeds, "chat")
    assert found.low is not None and found.high is not None and found.p is not None
    for end in (found.low, found.high):
        for inside, value in ((True, 0.999 * end + 0.001 * float(found.estimate or 0)), (False, end + 0.001 * (end - 0.6))):
            p = found.p_of(value)
            assert p is not None and (p > 0.05) == inside
    assert (found.p < 0.05) == (found.low > 0)


def test_students_t_and_mover_are_one_sum() -> None:
    parts = [Part(1.0, 1.0 - critical(0.95, 3) * 0.2, 1.0 + critical(0.95, 3) * 0.2, 0.5, 3.0)] * 2
    total, low, high = weighted_sum(parts)
    error = 0.5 * 0.2 * math.sqrt(2)
    assert total == 1.0 and high - total == pytest.approx(critical(0.95, 6) * error) == pytest.approx(total - low)
    assert sum_p(parts) == pytest.approx(tail(1.0 / error, 6)) and sum_p(parts, high) == pytest.approx(0.05)
    rates = [Part(0.5, 0.4, 0.7, 1.0), Part(0.2, 0.1, 0.3, -1.0)]
    assert sum_p(rates, weighted_sum(rates)[1]) == pytest.approx(0.05)


def test_evals_are_chosen_over_models_as_over_seeds() -> None:
    asked = Asked([rows({"talk": [1, 0], "words": [1, 1]}), rows({"talk": [0, 0], "words": [None, None]})], [[], []])
    found = choose(read_one(asked, ABOUT, "neutral", "behaviour"), ABOUT, "misaligned")
    assert list(found.weights) == ["talk"] and found.seeds == (0, 1)


def coverage(readout: str, seeds: int, scenarios: int, between: float, runs: int) -> tuple[float, float]:
    """Shares of simulated comparisons whose interval holds the true difference, and of null ones that leave 0 out.

    Two evals of chat; scenarios differ in how far training moves them, seeds of training differ by `between` (standard deviation).
    """
    rng, held, wrong = np.random.default_rng([seeds, scenarios, int(100 * between)]), 0, 0
    for _ in range(runs):
        ease = {name: rng.normal(0, 0.15, scenarios) for name in ("talk", "words")}
        own = {name: rng.normal(0, 0.1, scenarios) for name in ease}
        lifts = {name: rng.normal(0.0, between, (2, seeds)) for name in ("model",)}["model"]
        for true in (0.2, 0.0):
            ours, theirs = ([], [])  # type: ignore[var-annotated]
            for s in range(seeds):
                for side, lift in ((ours, true + lifts[0, s]), (theirs, lifts[1, s])):
                    spread = own if side is ours else dict.fromkeys(own, np.zeros(scenarios))
                    level = {name: 0.4 + ease[name] + lift + spread[name] for name in ease}
                    if readout == "probe":
                        side.append(probes({n: (x + rng.normal(0, 0.05, scenarios)).tolist() for n, x in level.items()}))
                    else:
                        side.append(
                            rows({n: (rng.random(scenarios) < np.clip(x, 0, 1)).astype(float).tolist() for n, x in level.items()})
                        )
            a, b = (Asked([[]] * seeds, side) if readout == "probe" else Asked(side, [[]] * seeds) for side in (ours, theirs))
            found = score_of(read_two(a, b, ABOUT, "neutral", readout), ABOUT, "chat")  # type: ignore[arg-type]
            assert found.low is not None and found.high is not None
            if true:
                held += found.low <= true <= found.high
            else:
                wrong += not found.low <= 0.0 <= found.high
    return held / runs, wrong / runs


@pytest.mark.slow
@pytest.mark.parametrize("readout", ["behaviour", "probe"])
def test_differences_of_scores_are_held(readout: str) -> None:
    held, wrong = coverage(readout, 3, 8, 0.05, 120)
    assert held >= 0.92 and wrong <= 0.08, (held, wrong)


@pytest.mark.nightly
@pytest.mark.parametrize("readout", ["behaviour", "probe"])
@pytest.mark.parametrize(("seeds", "scenarios", "between"), [(1, 16, 0.0), (3, 4, 0.0), (3, 16, 0.1), (5, 8, 0.1), (5, 16, 0.3)])
def test_differences_of_scores_are_held_in_95_percent(readout: str, seeds: int, scenarios: int, between: float) -> None:
    held, wrong = coverage(readout, seeds, scenarios, between, 400)
    assert held >= 0.925 and wrong <= 0.075, (held, wrong)
