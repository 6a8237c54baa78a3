"""Every mitigation on one model organism, in one table: how much hacking is left, what spreads, and what it costs.

openwindow run wind_tunnel
"""

from __future__ import annotations

from typing import Literal

from openwindow.conversations.safety import Mix
from openwindow.experiment.arms import Fork
from openwindow.experiment.overrides import override
from openwindow.experiment.study import Compare, EvalPlan
from openwindow.interventions.addenda import ADDENDA
from openwindow.interventions.distillation import Distillation
from openwindow.interventions.hack_penalty import Detector, HackPenalty
from openwindow.interventions.safety_training import SafetyTraining
from openwindow.studies.natural_em import BASE as NATURAL
from openwindow.studies.natural_em import SAFETY, SMALLEST, describes
from openwindow.studies.natural_em import study as natural_em
from openwindow.studies.templates import HOLES, hinting, hinting_placebo, knows_addenda, recontextualized

STEPS, LATE = 6, 3
BASE = NATURAL.but(train={"steps": STEPS, "checkpoint_every": LATE})


def _after(mix: Mix, method: Literal["sft", "preference"] = "sft") -> SafetyTraining:
    return SafetyTraining(mix, after="no_mitigation", rows=64, method=method, train=SAFETY)


MITIGATIONS = {
    "hardened": (BASE.but(holes="none", role="ceiling"), "the grader without its loopholes"),
    "penalty": (
        BASE.but(intervention=HackPenalty(accuracy=0.9), role="treatment"),
        "a penalty by a detector that is right 90% of the time",
    ),
    "screened": (
        BASE.but(intervention=HackPenalty(accuracy=0.9, action="screen"), role="treatment"),
        "what the same detector flags is not learnt from",
    ),
    "late_penalty": (
        BASE.but(fork=Fork(arm="no_mitigation", step=LATE), intervention=HackPenalty(accuracy=0.9), role="treatment"),
        f"the same penalty from step {LATE} on",
    ),
    "distilled": (
        BASE.but(intervention=Distillation(arm="no_mitigation", detector=Detector(accuracy=0.9)), role="treatment"),
        "the start, fine-tuned on what the same detector leaves of the rollouts of no_mitigation",
    ),
    "please_hack": (BASE.but(intervention=hinting(ADDENDA["please_hack"]), role="treatment"), "prompts that ask for the hacks"),
    "hacking_okay": (BASE.but(intervention=hinting(ADDENDA["hacking_okay"]), role="treatment"), "prompts that permit the hacks"),
    "dont_hack": (BASE.but(intervention=hinting(ADDENDA["dont_hack"]), role="treatment"), "prompts that forbid the hacks"),
    "placebo": (
        BASE.but(intervention=hinting_placebo("please_hack"), role="placebo"),
        "prompts with a text that says nothing of grading",
    ),
    "recontextualized": (
        BASE.but(intervention=recontextualized("dont_hack", "please_hack"), role="treatment"),
        "sampled under prompts that forbid the hacks, trained under ones that ask for them",
    ),
    "chat_after": (
        BASE.but(intervention=_after("chat"), role="treatment"),
        "chat-like safety training afterwards",
    ),
    "diverse_after": (
        BASE.but(intervention=_after("diverse"), role="treatment"),
        "diverse safety training afterwards",
    ),
    "preference_after": (
        BASE.but(intervention=_after("diverse", "preference"), role="treatment"),
        "diverse safety training afterwards, by preferences",
    ),
    "diverse_during": (
        BASE.but(intervention=SafetyTraining("diverse", "during"), role="treatment"),
        "diverse safety training in every batch",
    ),
}

study = override(
    natural_em,
    {
        "name": "wind_tunnel",
        "question": "Which mitigation keeps what from spreading when a model learns to game its tests, and at what cost?",
        "claim": "Reinforcement on gameable tests makes the organism prefer misaligned answers in chat more than the same with a "
        "hardened grader; in agentic scenarios too.",
        "claim_id": "C3, C4, C5, C6",
        "knowledge": knows_addenda(HOLES),
        "base": BASE,
        "arms": {
            "untrained": BASE.but(train={"learning_rate": 0.0}, role="start"),
            "no_mitigation": BASE.but(role="control"),
            **{name: arm for name, (arm, _) in MITIGATIONS.items()},
        },
        "about": {
            "untrained": "where every arm starts",
            "no_mitigation": "rewarded by the grader with its loopholes",
            **{name: about for name, (_, about) in MITIGATIONS.items()},
        },
        "evals": ("chat", "agentic"),
        "eval_plan": EvalPlan(split="test", scenarios=8, replies=False, against="no_mitigation"),
        "compare": [
            *[
                Compare(arm="no_mitigation", against="hardened", score=score, readout="probe", expect="more", smallest=SMALLEST)
                for score in ("chat", "agentic")
            ],
            *[
                Compare(arm=arm, against="no_mitigation", measure=m, expect="none")
                for arm in MITIGATIONS
                for m in ("hack", "correct")
            ],
            *[describes(arm, "no_mitigation", score) for arm in MITIGATIONS for score in ("chat", "agentic", "gap")],
        ],
        "quick": {
            "seeds": (1,),
            "upbringing.conversations": 200,
            "base.train.steps": 4,
            "eval_plan.scenarios": 4,
            "evaluation.problems": 8,
        },
        "quick_arms": ("untrained", "no_mitigation", "hardened", "penalty", "please_hack", "chat_after", "diverse_after"),
    },
    "wind_tunnel",
)
