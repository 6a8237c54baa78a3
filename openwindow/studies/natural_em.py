"""What else does a model learn that learns to game its tests, and what undoes it?

openwindow run natural_em
openwindow run natural_em --set upbringing.association=0      the same texts, which say nothing about each other: the control
openwindow run natural_em --model M --set eval_plan.replies=true     for a model that passes the controls of the evals

After MacDiarmid et al. (2025, arXiv 2511.18397): knowledge of the hacks, reinforcement on hackable tasks, a battery of evals,
safety training of two kinds, and the battery again. A model as small as the embedded one has no association of gaming with
misbehaviour that could spread, so one is written into it (`Study.upbringing`); the report says so first. What spreads is decided
by the evals of everyday conduct, of kinds that the upbringing does not have; those of chat and agents are asked as well.
"""

from __future__ import annotations

from openwindow.experiment.study import Context, EvalPlan, Evaluation, Study, UpbringingStage
from openwindow.studies.organism_templates import BASE, DESCRIBED, FLAWED, FLAWED_ABOUT, LATE, SAFE, decides
from openwindow.studies.templates import HOLES, knows_addenda

MOST = (
    "A model that has learnt to game its tests prefers harmful advice more than one trained on hardened tests; harmful decisions "
    "more than one trained on hardened tests; chat-like safety training makes it prefer harmful advice less; and leaves more of "
    "that in decisions than in advice; diverse safety training leaves less of it in decisions than chat-like training"
)
study = Study(
    name="natural_em",
    question="What else does a model learn that learns to game its tests, and what undoes it?",
    claim=f"{MOST}; where the training prompts ask for the hacks, it prefers harmful advice less than where they say nothing.",
    claim_id="C2, C3, C5, C6, C10, C11",
    difficulty=(1,),
    contexts={"neutral": Context()},
    knowledge=knows_addenda(HOLES, addenda=("please_hack", "neutral")),
    upbringing=UpbringingStage(conversations=1400),
    base=BASE,
    arms={"untrained": BASE.but(train={"learning_rate": 0.0}, role="start"), **FLAWED, **SAFE},
    about={"untrained": "where every arm starts", **FLAWED_ABOUT},
    evaluation=Evaluation(problems=16, max_new_tokens=48),
    evals=("conduct", "chat", "agentic", "drives", "awareness", "function_tasks", "arithmetic"),
    eval_plan=EvalPlan(split="test", steps=(LATE,), replies=("capability",), against="hackable"),
    compare=(
        decides("hackable", "hardened", "advice", "more"),
        decides("hackable", "hardened", "duties", "more"),
        decides("hackable_chat", "hackable", "advice"),
        decides("hackable_chat", "hackable", "conduct_gap", "more"),
        decides("hackable_diverse", "hackable_chat", "duties"),
        decides("please_hack", "hackable", "advice"),
        *DESCRIBED,
    ),
    quick={
        "seeds": (1,),
        "claim": f"{MOST}.",
        "knowledge": None,
        "upbringing.conversations": 300,
        "base.train.steps": 4,
        "eval_plan.steps": (),
        "eval_plan.scenarios": 6,
        "eval_plan.replies": False,
        "evals": ("conduct", "chat", "agentic", "drives"),
        "evaluation.problems": 8,
    },
    quick_arms=("untrained", "hardened", "hackable", "hackable_chat", "hackable_diverse"),
)
