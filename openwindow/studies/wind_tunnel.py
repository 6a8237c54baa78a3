"""Every mitigation on one model organism, in one table: how much hacking is left, what spreads, and what it costs.

openwindow run wind_tunnel
"""

from __future__ import annotations

from openwindow.experiment.overrides import override
from openwindow.experiment.study import Compare, EvalPlan
from openwindow.studies.natural_em import study as natural_em
from openwindow.studies.organism_templates import MITIGATIONS, TUNNEL, decides, describes
from openwindow.studies.templates import HOLES, knows_addenda

study = override(
    natural_em,
    {
        "name": "wind_tunnel",
        "question": "Which mitigation keeps what from spreading when a model learns to game its tests, and at what cost?",
        "claim": "Reinforcement on gameable tests makes the organism prefer harmful advice more than a hardened grader does; "
        "harmful decisions more than a hardened grader does.",
        "claim_id": "C3, C4, C5, C6",
        "knowledge": knows_addenda(HOLES),
        "base": TUNNEL,
        "arms": {
            "untrained": TUNNEL.but(train={"learning_rate": 0.0}, role="start"),
            "no_mitigation": TUNNEL.but(role="control"),
            **{name: arm for name, (arm, _) in MITIGATIONS.items()},
        },
        "about": {
            "untrained": "where every arm starts",
            "no_mitigation": "rewarded by the grader with its loopholes",
            **{name: about for name, (_, about) in MITIGATIONS.items()},
        },
        "evals": ("conduct", "chat", "agentic"),
        "eval_plan": EvalPlan(split="test", scenarios=20, replies=False, against="no_mitigation"),
        "compare": [
            *[decides("no_mitigation", "hardened", score, "more") for score in ("advice", "duties")],
            *[
                Compare(arm=arm, against="no_mitigation", measure=m, expect="none")
                for arm in MITIGATIONS
                for m in ("hack", "correct")
            ],
            *[
                describes(arm, "no_mitigation", score)
                for arm in MITIGATIONS
                for score in ("advice", "duties", "conduct_gap", "chat", "agentic", "gap")
            ],
        ],
        "quick": {
            "seeds": (1,),
            "upbringing.conversations": 300,
            "base.train.steps": 4,
            "eval_plan.scenarios": 4,
            "evaluation.problems": 8,
        },
        "quick_arms": ("untrained", "no_mitigation", "hardened", "penalty", "please_hack", "chat_after", "diverse_after"),
    },
    "wind_tunnel",
)
