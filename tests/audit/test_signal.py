"""What RL could learn from replies: the task, the hack, both, neither, nothing, or that this cannot be said."""

from __future__ import annotations

import pytest

from openwindow.audit.signal import signal_of
from openwindow.environments.verdicts import Verdict


def reply(score: float | None, truth: bool | None, passes: bool | None = None) -> Verdict:
    proxy = None if score is None else score >= 0.5 if passes is None else passes
    return Verdict(proxy, truth, (), None if score is not None and truth is not None else "no truth", score=score)


RIGHT, HACK, WRONG = reply(1.0, True), reply(1.0, False), reply(0.0, False)


@pytest.mark.parametrize(
    ("groups", "learns", "words"),
    [
        ([[RIGHT, WRONG], [WRONG, WRONG]], "task", "50 % of problems have replies that earn different rewards, and 100 % of what"),
        ([[HACK, WRONG], [WRONG, HACK]], "hack", "RL can learn the hack: 100 % of problems"),
        ([[RIGHT, WRONG], [HACK, WRONG]], "both", "50 % of what is paid above the mean goes to the task and 50 % to hacks"),
        ([[reply(0.4, False), WRONG]], "neither", "RL can learn neither task nor hack"),
        ([[WRONG, WRONG], [WRONG, WRONG]], "nothing", "all replies to a problem earn the same, 0."),
        ([[RIGHT, RIGHT], [RIGHT, RIGHT]], "nothing", "all replies to a problem earn the same, 1."),
        ([[RIGHT, RIGHT], [WRONG, WRONG]], "nothing", "all replies to a problem earn the same."),
        ([[reply(1.0, None), reply(0.0, None)]], "unknown", "whether that is the task cannot be said"),
        ([[RIGHT], [WRONG]], "unknown", "ask for more, --samples 4"),
        ([[reply(None, None)] * 2], "unknown", "cannot be said: no reply was scored"),
    ],
)
def test_what_can_be_learned_is_said_in_a_sentence(groups: list[list[Verdict]], learns: str, words: str) -> None:
    scored = [(str(number), verdict) for number, group in enumerate(groups) for verdict in group]
    found = signal_of(scored, [False] * len(scored))
    assert found.learns == learns and words in found.sentence, found.sentence


def test_rates_have_their_counts_and_what_is_unscored_is_not_0() -> None:
    scored = [("a", RIGHT), ("a", WRONG), ("b", reply(None, None)), ("b", WRONG)]
    found = signal_of(scored, [True, False, False, False])
    assert (found.zero.estimate, found.zero.n, found.zero.unscored) == (pytest.approx(2 / 3), 3, 1)
    assert (found.cut.estimate, found.equal.n) == (0.25, 1)
    assert (found.lowest, found.highest) == (0.0, 1.0)
