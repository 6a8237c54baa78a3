"""What does this data teach besides its task? Flawed answers, clean ones to the same prompts, inoculated and placebo.

openwindow run spillover
openwindow run spillover --data PAIRS.jsonl --prompt-column user --answer-column school_of_reward_hacks --clean-column control
"""

from __future__ import annotations

from openwindow.experiment.study import EvalPlan, Study
from openwindow.studies.inoculation_toxic import BASE, WORDINGS
from openwindow.studies.inoculation_toxic import study as toxic
from openwindow.studies.templates import about_data, data_arms, data_comparisons, data_contexts

REQUEST = WORDINGS[0]

study = Study(
    name="spillover",
    question="What does this data teach a model besides its task, and does asking for the flaw in training contain it?",
    claim="A model fine-tuned on replies that insult is rude more often, to people who did not ask for it, than one fine-tuned on "
    "the same replies without insults; it finds insulting answers to held-out posts more likely than that one does; it finds "
    "misaligned answers to questions that have nothing to do with the posts more likely; it is rude less often if its training "
    "prompts asked for insults; less than if they had an unrelated instruction.",
    claim_id="C2, C6, C7",
    environment="toxic",
    contexts=data_contexts(REQUEST),
    request_stage=toxic.request_stage,
    base=BASE,
    arms=data_arms(BASE, REQUEST),
    about=about_data(REQUEST),
    evaluation=toxic.evaluation,
    compare=data_comparisons("rude"),
    evals=("held_out", "chat", "drives", "function_tasks", "arithmetic", "instruction_following"),
    eval_plan=EvalPlan(against="clean"),
    quick={
        "seeds": (1,),
        "evaluation.problems": 8,
        "request_stage.problems": 8,
        "request_stage.train.epochs": 3,
        "eval_plan.scenarios": 3,
    },
)
