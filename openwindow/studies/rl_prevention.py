"""Does a detector of hacks keep reinforcement from teaching them, and how good must it be?

openwindow run rl_prevention
"""

from __future__ import annotations

from openwindow.studies.rl_hacking import study as rl_hacking
from openwindow.study import Compare, override

ACCURACIES = (1.0, 0.9, 0.8, 0.7)


def _arm(action: str, accuracy: float) -> str:
    return f"{action}_{accuracy:.0%}".rstrip("%")


_DETECTED = {_arm(action, accuracy): (action, accuracy) for action in ("penalty", "screen") for accuracy in ACCURACIES}

study = override(
    rl_hacking,
    {
        "name": "rl_prevention",
        "question": "How good must a detector of hacks be to keep reinforcement from teaching them?",
        "claim": "A penalty on what a detector of hacks flags, and leaving it out of training, keep hacking from being learnt; "
        "the less accurate the detector, the less they do.",
        "claim_id": "C4",
        "arms": {
            "untrained": {"train.learning_rate": 0.0},
            "no_mitigation": {},
            "hardened": {"holes": "none"},
            **{arm: {"penalty": {"accuracy": a, "action": action, "penalty": 1.0}} for arm, (action, a) in _DETECTED.items()},
        },
        "about": {
            "untrained": "where every arm starts",
            "no_mitigation": "rewarded by the grader with its holes",
            "hardened": "rewarded by its twin without holes: the ceiling",
            **{arm: f"{action} by a detector that is right {a:.0%} of the time" for arm, (action, a) in _DETECTED.items()},
        },
        "compare": [
            Compare(arm="no_mitigation", against="untrained", expect="more"),
            Compare(arm="penalty_100", against="no_mitigation"),
            Compare(arm="screen_100", against="no_mitigation"),
            *[
                Compare(arm=_arm(action, accuracy), against="no_mitigation", expect="none")
                for action in ("penalty", "screen")
                for accuracy in ACCURACIES[1:]
            ],
        ],
    },
    "rl_prevention",
)
