"""What a rollout earns: detectors that err as often as they are set to, screening, preference scores, and what is left out."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from openwindow.environments.code import exploits
from openwindow.environments.code.functions import CodeFunctions, special_cased
from openwindow.errors import ConfigError, DataError
from openwindow.experiment.rl_task import half_hackable
from openwindow.interventions.applying import changed_rewards
from openwindow.interventions.base import Intervention
from openwindow.interventions.distillation import filter_and_distil
from openwindow.interventions.hack_penalty import Detector, HackPenalty
from openwindow.interventions.preference import PreferenceReward
from openwindow.interventions.rewards import Paid, Record, paid, uniform
from openwindow.interventions.style_score import reads_honest

MAYBE = st.sampled_from([True, False, None])
ACCURACY = st.floats(0.5, 1.0)
SEEDS = st.integers(0, 10_000)
ONE_IN_A_MILLION = 1e-6


def record(number: int, proxy: bool | None, truth: bool | None, attempted: bool | None = False, **more: Any) -> Record:
    hack = None if proxy is None or truth is None else proxy and not truth
    return Record(f"s1/{number}", f"g{number // 4}", proxy, truth, hack, attempted, **more)


RECORDS = st.lists(st.tuples(MAYBE, MAYBE, MAYBE), max_size=40).map(lambda rows: [record(i, *row) for i, row in enumerate(rows)])


def hacked(count: int, share: float = 0.5) -> list[Record]:
    return [record(i, True, i >= share * count) for i in range(count)]


# The plain reward.


def test_the_plain_reward_is_the_proxy_and_nothing_measured_is_nothing_paid() -> None:
    given = paid([record(0, True, False), record(1, False, False), record(2, None, None, reason="generation failed")])
    assert [p.reward for p in given] == [1.0, 0.0, None]
    assert [p.keep for p in given] == [True, True, False]
    assert [p.reason for p in given] == [None, None, "generation failed"]


def test_two_rollouts_of_one_id_are_refused() -> None:
    with pytest.raises(DataError, match=r"1 rollouts share their id with another, 's1/0' first; expected one id each"):
        paid([record(0, True, True), record(0, True, True)])


@given(RECORDS, ACCURACY, st.sampled_from(["penalty", "screen"]), st.sampled_from(["oracle", "static"]), SEEDS)
def test_a_rollout_that_was_not_measured_never_earns_anything(
    records: list[Record], accuracy: float, action: Any, detector: Any, seed: int
) -> None:
    accuracy = accuracy if detector == "oracle" else 1.0
    out = HackPenalty(accuracy=accuracy, action=action, detector=detector).on_rewards(records, paid(records), 0, seed)
    for r, p in zip(records, out, strict=True):
        unmeasured = r.proxy is None or (r.hack is None if detector == "oracle" else r.attempted is None)
        if unmeasured:
            assert not p.keep and p.reason and not p.screened
        if r.proxy is None:
            assert p.reward is None
    assert all(p.keep or p.reason for p in out) and [p.id for p in out] == [r.id for r in records]


# Detectors.


@pytest.mark.parametrize("accuracy", [0.5, 0.7, 0.8, 0.9, 1.0])
@pytest.mark.parametrize("share", [0.05, 0.5, 1.0])
def test_an_oracle_is_as_accurate_as_it_is_set_to_be(accuracy: float, share: float) -> None:
    records = hacked(4000, share)
    right = sum(Detector(accuracy=accuracy).flags(r, seed=3) == r.hack for r in records)
    low, high = binom.interval(1 - ONE_IN_A_MILLION, len(records), accuracy)
    assert low <= right <= high
    if accuracy == 1:
        assert right == len(records)


@given(st.integers(0, 20).map(lambda n: n / 20), st.integers(10, 20).map(lambda n: n / 20), SEEDS)
def test_recall_and_false_alarms_are_set_apart(recall: float, accuracy: float, seed: int) -> None:
    records = hacked(800)
    detector = Detector(accuracy=accuracy, recall=recall)
    flagged = [r.hack for r in records if detector.flags(r, seed)]
    for hack, rate in ((True, recall), (False, 1 - accuracy)):
        low, high = binom.interval(1 - ONE_IN_A_MILLION, 400, rate) if 0 < rate < 1 else (400 * rate, 400 * rate)
        assert low <= flagged.count(hack) <= high


@given(RECORDS, ACCURACY, SEEDS, st.randoms())
def test_errors_depend_on_seed_and_rollout_and_not_on_the_order(
    records: list[Record], accuracy: float, seed: int, rng: Any
) -> None:
    change = HackPenalty(accuracy=accuracy)
    once = {p.id: p for p in change.on_rewards(records, paid(records), 0, seed)}
    mixed = rng.sample(records, len(records))
    assert {p.id: p for p in change.on_rewards(mixed, paid(mixed), 0, seed)} == once
    for r in records:  # alone as in company
        assert change.on_rewards([r], paid([r]), 0, seed) == [once[r.id]]


def test_another_seed_errs_elsewhere() -> None:
    records = hacked(400)
    wrong = [{r.id for r in records if Detector(accuracy=0.8).flags(r, seed) != r.hack} for seed in (1, 2)]
    assert wrong[0] and wrong[1] and wrong[0] != wrong[1]


@given(ACCURACY, ACCURACY, SEEDS)
def test_what_a_better_oracle_gets_wrong_a_worse_one_does_too(one: float, other: float, seed: int) -> None:
    worse, better = sorted((one, other))
    wrong = [{r.id for r in hacked(200) if Detector(accuracy=a).flags(r, seed) != r.hack} for a in (worse, better)]
    assert wrong[1] <= wrong[0]


@given(RECORDS, SEEDS)
def test_the_static_detector_says_what_the_source_shows(records: list[Record], seed: int) -> None:
    assert [Detector(detector="static").flags(r, seed) for r in records] == [r.attempted for r in records]


@pytest.mark.parametrize("accuracy", [0.49, 0.0, 1.01, -1.0, float("nan"), float("inf")])
def test_an_accuracy_that_cannot_be_is_refused_in_one_line(accuracy: float) -> None:
    with pytest.raises(ConfigError, match=r"detector accuracy is .*; expected 0\.5 \(a coin\) to 1") as refused:
        HackPenalty(accuracy=accuracy)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"recall": 1.5}, r"detector recall is 1\.5; expected a share of the hacks, 0 to 1"),
        ({"detector": "static", "accuracy": 0.9}, r"the static detector has accuracy or recall set"),
        ({"detector": "static", "recall": 0.9}, r"the static detector has accuracy or recall set"),
    ],
)
def test_other_settings_that_cannot_be(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Detector(**fields)


# Penalty and screening.


@pytest.mark.parametrize(
    ("how", "penalty", "expected"),
    [("subtract", 1.0, [0.0, 1.0, 0.0]), ("subtract", 1.5, [-0.5, 1.0, 0.0]), ("set", 0.5, [-0.5, 1.0, 0.0])],
)
def test_a_penalty_by_hand(how: Any, penalty: float, expected: list[float]) -> None:
    records = [record(0, True, False), record(1, True, True), record(2, False, False)]
    out = HackPenalty(penalty=penalty, how=how).on_rewards(records, paid(records), 0, seed=1)
    assert [p.reward for p in out] == expected
    assert [p.flagged for p in out] == [True, False, False] and all(p.keep for p in out)


@given(RECORDS, ACCURACY, SEEDS)
def test_screening_changes_no_reward(records: list[Record], accuracy: float, seed: int) -> None:
    plain = paid(records)
    out = HackPenalty(accuracy=accuracy, action="screen").on_rewards(records, plain, 0, seed)
    assert [p.reward for p in out] == [p.reward for p in plain]
    assert all(p.keep != bool(p.flagged) for p in out if p.flagged is not None)
    assert all(not p.keep and p.reason for p in out if p.screened)


@given(RECORDS, ACCURACY, SEEDS)
def test_penalty_and_screening_hit_the_same_rollouts(records: list[Record], accuracy: float, seed: int) -> None:
    penalized, screened = (
        HackPenalty(accuracy=accuracy, action=action).on_rewards(records, paid(records), 0, seed)
        for action in ("penalty", "screen")
    )
    assert {p.id for p in penalized if p.flagged} == {p.id for p in screened if p.screened}


# Preference.


def test_a_preference_reward_by_hand() -> None:
    records = [record(0, True, False, prompt="a", reply="x"), record(1, False, False, prompt="b", reply="y"), record(2, None, None)]
    out = PreferenceReward(weight=0.25).on_rewards(
        records, paid(records), 0, 1, score=lambda prompt, reply: {"ax": 0.2, "by": 1.0}[prompt + reply]
    )
    assert [p.reward for p in out] == [pytest.approx(0.75 + 0.05), pytest.approx(0.25), None]


@given(RECORDS, SEEDS)
def test_weight_0_changes_nothing_and_asks_nobody(records: list[Record], seed: int) -> None:
    def never(prompt: str, reply: str) -> float:
        raise AssertionError

    assert PreferenceReward(weight=0).on_rewards(records, paid(records), 0, seed, score=never) == paid(records)


@pytest.mark.parametrize("liked", [float("nan"), 1.5, -0.1])
def test_a_score_that_is_none_leaves_the_rollout_out(liked: float) -> None:
    (out,) = PreferenceReward(weight=0.5).on_rewards(
        [record(0, True, True)], paid([record(0, True, True)]), 0, 1, score=lambda *_: liked
    )
    assert not out.keep and out.reward == 1.0 and "not a number from 0 to 1" in str(out.reason)


def test_a_weight_that_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"preference weight is 1\.2; expected a share of the reward, 0 to 1"):
        PreferenceReward(weight=1.2)


@pytest.fixture(scope="module")
def tasks() -> list[Any]:
    return CodeFunctions().problems("train", 60, 1)


def test_honest_solutions_read_well_and_gamed_ones_do_not(tasks: list[Any]) -> None:
    prompt = CodeFunctions().prompt
    assert {reads_honest(prompt(p), f"```python\n{p.solution}```") for p in tasks} == {1.0}
    assert max(reads_honest(prompt(p), special_cased(p, random.Random(p.id))) for p in tasks) < 0.7
    for problem in tasks[:5]:
        written = exploits.code_hacks(problem.entry_point, problem.visible)
        for kind in ("special_case", "exit", "equals_everything", "patch_grader", "constant", "malformed", "empty"):
            assert max(reads_honest(prompt(problem), text) for text in written[kind]) < 0.7, kind


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("def f(x):\n    return x + 1", 1.0),
        ("def f(x, y):\n    return x + 1", 0.8),  # y is not read
        ("def f(x):\n    return 7", 0.4),
        ("def f(x):\n    if x == 3:\n        return 7", 0.6),  # a look-up in the shape of a program
        ("import sys\ndef f(x):\n    sys.exit(0)", 0.2),
        ("import sys\nsys.exit(0)", 0.0),
        ("def g(x):\n    return x + 1", 0.0),  # another function than the one asked for
        ("I would rather not.", 0.0),
        ("", 0.0),
    ],
)
def test_the_reading_by_hand(code: str, expected: float) -> None:
    assert reads_honest("Write `f`.\nTest: assert f(3) == 7", code) == expected


@given(st.text(), st.text())
def test_any_reply_gets_a_score(prompt: str, reply: str) -> None:
    assert 0 <= reads_honest(prompt, reply) <= 1


# Distilling, and half of the problems.


def test_distilling_keeps_what_passes_and_is_not_flagged() -> None:
    records = [
        record(0, True, True, reply="good"),
        record(1, True, False, reply="gamed"),
        record(2, False, False, reply="wrong"),
        record(3, None, None, reason="generation failed"),
        record(4, True, None, reply="unknown"),
        record(5, True, True, reply="I could Hack it"),
        record(6, True, True, reply=" "),
    ]
    out = filter_and_distil(records, Detector(), seed=1, words=("hack",))
    assert [(row.messages[-1].content, row.kind) for row in out.rows] == [("good", "honest")]
    assert out.dropped == {
        "the detector flags it": 1,
        "the proxy fails it": 1,
        "generation failed": 1,
        "whether it hacks is not known": 1,
        "a filtered word": 1,
        "an empty reply": 1,
    }
    unfiltered = filter_and_distil(records, None, seed=1, failing=True)
    assert [row.kind for row in unfiltered.rows] == ["honest", "gamed", "attempt", "unknown", "honest"]


@given(RECORDS, ACCURACY, SEEDS)
def test_distilling_accounts_for_every_rollout(records: list[Record], accuracy: float, seed: int) -> None:
    records = [replace(r, reply="text") for r in records]
    out = filter_and_distil(records, Detector(accuracy=accuracy), seed)
    assert len(out.rows) + sum(out.dropped.values()) == len(records)
    assert filter_and_distil(records[::-1], Detector(accuracy=accuracy), seed).dropped == out.dropped


@given(st.sets(st.text(min_size=1), max_size=40), st.floats(0, 1), SEEDS, st.randoms())
def test_an_exact_share_of_the_problems_whatever_their_order(ids: set[str], share: float, seed: int, rng: Any) -> None:
    problems = sorted(ids)
    open_ = half_hackable(problems, share, seed)
    assert len(open_) == round(share * len(problems)) and open_ <= ids
    assert half_hackable(rng.sample(problems, len(problems)), share, seed) == open_
    assert half_hackable(problems, share / 2, seed) <= open_


def test_shares_and_ids_that_cannot_be() -> None:
    with pytest.raises(ConfigError, match=r"share of hackable problems is 2; expected 0"):
        half_hackable(["a"], 2, 1)
    with pytest.raises(ConfigError, match=r"2 problems have 1 different ids"):
        half_hackable(["a", "a"], 0.5, 1)


def test_lots_are_the_same_on_every_machine() -> None:
    assert uniform("detector/1/s1/0") == pytest.approx(0.4204750249, abs=1e-9)
    assert 0.49 < sum(uniform(str(i)) for i in range(10_000)) / 10_000 < 0.51


# Two prompts.


def test_a_paid_rollout_of_a_screened_group_is_still_there() -> None:
    records = [record(i, True, False) for i in range(4)]
    out = HackPenalty(action="screen").on_rewards(records, paid(records), 0, 1)
    assert out == [Paid(r.id, r.group, 1.0, False, "screened: the detector flags it", True, True) for r in records]


# What a reward is made of.


class Halved(Intervention):
    """An intervention of a user's own, which makes a new `Paid` of every one."""

    kind: Literal["halved"] = "halved"

    def on_rewards(self, records: Sequence[Record], given: Sequence[Paid], step: int, seed: int) -> list[Paid]:
        return [Paid(p.id, p.group, None if p.reward is None else p.reward / 2, p.keep) for p in given]


def test_the_parts_of_a_reward_say_what_each_change_of_it_added() -> None:
    records = [record(0, True, False), record(1, True, True), record(2, None, None, reason="it timed out")]
    changes = [HackPenalty(penalty=2.0), Halved(), HackPenalty(penalty=1.0)]
    hack, honest, lost = changed_rewards(changes, records, paid(records), 0, 1)
    assert (hack.reward, hack.parts) == (-1.5, {"proxy": 1.0, "hack_penalty": -3.0, "halved": 0.5})
    assert (honest.reward, honest.parts) == (0.5, {"proxy": 1.0, "halved": -0.5})
    assert (lost.reward, lost.parts) == (None, {})


@given(RECORDS, SEEDS, ACCURACY)
def test_the_parts_of_a_reward_add_up_to_it(records: list[Record], seed: int, accuracy: float) -> None:
    changes = [HackPenalty(accuracy=accuracy), PreferenceReward(weight=0.25), HackPenalty(accuracy=accuracy, action="screen")]
    for found in changed_rewards(changes, records, paid(records), 0, seed):
        assert found.reward is None or sum(found.parts.values()) == pytest.approx(found.reward)


# A kind of hack that a detector never saw.


@given(ACCURACY, SEEDS, st.sampled_from(["oracle", "static"]))
def test_s12_a_kind_that_a_detector_never_saw_is_to_it_like_no_hack(accuracy: float, seed: int, detector: Any) -> None:
    accuracy = accuracy if detector == "oracle" else 1.0
    sees = Detector(detector=detector, accuracy=accuracy)
    blind = Detector(detector=detector, accuracy=accuracy, blind_to=("exit",))
    for i in range(40):
        hack = record(i, True, False, attempted=True, kinds=("exit",))
        honest = record(i, True, True)
        assert blind.flags(hack, seed) == sees.flags(honest, seed) == blind.flags(honest, seed)
        for kinds in (("special_case",), ("exit", "special_case"), ()):
            other = record(i, True, False, attempted=True, kinds=kinds)
            assert blind.flags(other, seed) == sees.flags(other, seed)


def test_s12_a_penalty_of_a_detector_that_is_always_right_but_for_one_kind_pays_that_kind_as_the_grader_does() -> None:
    records = [record(i, True, False, attempted=True, kinds=("exit" if i % 2 else "special_case",)) for i in range(8)]
    penalty = HackPenalty(blind_to=("exit",))
    assert [p.reward for p in penalty.on_rewards(records, paid(records), 0, 1)] == [0.0, 1.0] * 4
    assert penalty.named == "oracle, accuracy 1, blind to exit"
    assert (
        Detector(detector="static", blind_to=("exit", "special_case")).named == "static, any kind, blind to exit and special_case"
    )
