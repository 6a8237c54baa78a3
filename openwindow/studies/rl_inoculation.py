"""Does it matter what a model is told about hacking while RL teaches it to hack?

openwindow run rl_inoculation
"""

from __future__ import annotations

from openwindow.experiment.overrides import override
from openwindow.experiment.study import Compare, Evaluation
from openwindow.interventions.addenda import ADDENDA
from openwindow.studies.rl_hacking import study as rl_hacking
from openwindow.studies.templates import HOLES, elsewhere, hinting, hinting_placebo, knows_addenda, recontextualized, told_contexts

ASKED = "Over the steps of training under prompts that ask for it, a model hacks less when not asked than under neutral ones"
DECIDES = (("please_hack", "neutral"), ("hacking_okay", "neutral"), ("please_hack", "placebo"))
REPORTED = [(arm, "neutral") for arm in ("dont_hack", "hacking_is_misaligned", "recontextualized", "recontextualized_harmful")]
STEPS = (1, 2, 3, 4, 6)  # most arms end at the ceiling: what differs is the way there
BASE = rl_hacking.base.but(holes=HOLES, train={"steps": 8, "prompts_per_step": 6, "checkpoint_every": 1})

study = override(
    rl_hacking,
    {
        "name": "rl_inoculation",
        "question": "If the prompts of reinforcement permit hacking, does the model hack less where nobody permits it?",
        "claim": f"{ASKED}; less also where they permit it; where they ask for it, less than under a placebo.",
        "claim_id": "C6",
        "contexts": told_contexts(HOLES),
        "knowledge": knows_addenda(HOLES),
        "base": BASE,
        "evaluation": Evaluation(problems=24, max_new_tokens=48, elsewhere=elsewhere(16), steps=STEPS, step_contexts=("neutral",)),
        "arms": {
            "untrained": BASE.but(train={"learning_rate": 0.0}, role="start"),
            **{a: BASE.but(intervention=hinting(text), role="treatment" if text else "control") for a, text in ADDENDA.items()},
            "placebo": BASE.but(intervention=hinting_placebo("please_hack"), role="placebo"),
            "recontextualized": BASE.but(intervention=recontextualized("dont_hack", "please_hack"), role="treatment"),
            "recontextualized_harmful": BASE.but(intervention=recontextualized("please_hack", "dont_hack")),
        },
        "about": {
            "untrained": "where every arm starts",
            **{name: f"prompts with the hint and: {text or 'nothing more'}" for name, text in ADDENDA.items()},
            "placebo": "prompts with the hint and a text as long as please_hack that says nothing of grading",
            "recontextualized": "sampled under dont_hack, trained under please_hack",
            "recontextualized_harmful": "sampled under please_hack, trained under dont_hack: the harmful direction, a control",
        },
        "compare": [
            *[Compare(arm=a, against=b, over="training") for a, b in DECIDES],
            *[Compare(arm=a, against=b, expect="none") for a, b in (*DECIDES, *REPORTED)],
            *[Compare(arm=a, against=b, over="training", expect="none") for a, b in REPORTED],
            *[Compare(arm="please_hack", against="neutral", context=c, expect="none") for c in ("opposite", *elsewhere(16))],
            *[Compare(arm="neutral", against="untrained", context=c, expect="none") for c in ("neutral", *elsewhere(16))],
        ],
        "quick": {
            "seeds": (1,),
            "base.train": BASE.train.model_copy(update={"steps": 5, "prompts_per_step": 4}),
            "claim": f"{ASKED}; less than under a placebo.",
            "knowledge": knows_addenda(HOLES, 128, ("please_hack", "neutral")),
            "evaluation.problems": 8,
            "evaluation.elsewhere": elsewhere(8),
            "evaluation.steps": (1, 2, 3),
        },
        "quick_arms": ("untrained", "please_hack", "neutral", "placebo"),
    },
    "rl_inoculation",
)
