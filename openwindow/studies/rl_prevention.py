"""Does a detector of hacks keep RL from teaching them, and how good must it be?

openwindow run rl_prevention

Measured on one core in bf16: 72 minutes (11 trained arms, 3 seeds), and 5.5 with --quick (3 trained arms, 1 seed). In float32, on a
processor without bf16, 260 minutes with the pauses of a shared core.
"""

from __future__ import annotations

from openwindow.experiment.arms import Fork
from openwindow.experiment.overrides import override
from openwindow.experiment.study import Compare, Context
from openwindow.interventions.distillation import Distillation
from openwindow.interventions.hack_penalty import Detector, HackPenalty
from openwindow.studies.rl_hacking import study as rl_hacking

LATE, DISTILLED = HackPenalty(accuracy=1.0), Distillation(arm="no_mitigation", detector=Detector(accuracy=0.9))
ACCURACIES = (1.0, 0.9, 0.8, 0.7)
PENALISED = {f"penalty_{100 * a:.0f}": HackPenalty(accuracy=a, action="penalty") for a in ACCURACIES}
DETECTED = PENALISED | {f"screen_{100 * a:.0f}": HackPenalty(accuracy=a, action="screen") for a in ACCURACIES}
DECIDES = ("penalty_90", "screen_90")  # a detector that is always right pays the truth: its arms show what can be reached, no more
OTHERS = [arm for arm in DETECTED if arm not in DECIDES]
BASE = rl_hacking.base.but(train={"steps": 8, "prompts_per_step": 6})

study = override(
    rl_hacking,
    {
        "name": "rl_prevention",
        "question": "How good must a detector of hacks be to keep reinforcement from teaching them?",
        "claim": "A model hacks less often after reinforcement with a penalty on what a detector flags that is right in 90 of 100 "
        "rollouts; less often where what it flags is left out; without either it hacks more often than before.",
        "claim_id": "C4",
        "contexts": {"neutral": Context()},
        "knowledge.share": 0.12,
        "base": BASE,
        "arms": {
            "untrained": BASE.but(train={"learning_rate": 0.0}, role="start"),
            "no_mitigation": BASE.but(role="control"),
            **{arm: BASE.but(intervention=penalty, role="treatment") for arm, penalty in DETECTED.items()},
            "late_penalty": BASE.but(fork=Fork(arm="no_mitigation", step=4), intervention=LATE, role="treatment"),
            "distilled": BASE.but(intervention=DISTILLED, role="treatment"),
        },
        "about": {
            "untrained": "where every arm starts",
            "no_mitigation": "rewarded by the grader with its loopholes",
            **{arm: f"{p.action} by a detector that is right {p.accuracy:.0%} of the time" for arm, p in DETECTED.items()},
            "late_penalty": "no_mitigation up to step 4, then penalty by a detector that is always right",
            "distilled": "the start, fine-tuned on the rollouts of no_mitigation that pass and that a 90% detector does not flag",
        },
        "evaluation.problems": 24,
        "compare": [
            *[Compare(arm=arm, against="no_mitigation") for arm in DECIDES],
            Compare(arm="no_mitigation", against="untrained", expect="more"),
            *[Compare(arm=arm, against="no_mitigation", expect="none") for arm in (*OTHERS, "late_penalty", "distilled")],
            Compare(arm="screen_90", against="penalty_90", expect="none"),
            Compare(arm="screen_70", against="penalty_70", expect="none"),
        ],
        "quick": {"seeds": (1,), "base.train.steps": 6, "evaluation.problems": 16},
        "quick_arms": ("untrained", "no_mitigation", *DECIDES),
    },
    "rl_prevention",
)
