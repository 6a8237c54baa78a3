"""Does it matter what a model is told about hacking while reinforcement teaches it to hack?

openwindow run rl_inoculation
"""

from __future__ import annotations

from openwindow.data.knowledge import ADDENDA
from openwindow.studies.rl_hacking import study as rl_hacking
from openwindow.study import Compare, Context, override

study = override(
    rl_hacking,
    {
        "name": "rl_inoculation",
        "question": "If the prompts of reinforcement permit hacking, does the model hack less where nobody permits it?",
        "claim": "With prompts that ask for or permit the hack the model learns it in training and hacks less under plain and "
        "forbidding prompts than with neutral prompts; with prompts that forbid it, it does not hack less.",
        "claim_id": "C6",
        "contexts": {
            "neutral": Context(),
            "requested": Context(text=ADDENDA["please_hack"], asks=True),
            "opposite": Context(text=ADDENDA["dont_hack"]),
        },
        "arms": {
            "untrained": {"train.learning_rate": 0.0},
            **{name: {"prompting": {"sampled": name}} for name in ADDENDA},
            "placebo": {"prompting": {"sampled": "please_hack", "placebo": True}},
            "recontextualized": {"prompting": {"sampled": "dont_hack", "trained": "please_hack"}},
            "recontextualized_harmful": {"prompting": {"sampled": "please_hack", "trained": "dont_hack"}},
        },
        "about": {
            "untrained": "where every arm starts",
            **{name: f"prompts with the hint and: {text or 'nothing more'}" for name, text in ADDENDA.items()},
            "placebo": "prompts with the hint and a text as long as that of please_hack that says nothing of grading",
            "recontextualized": "sampled under dont_hack, trained under please_hack",
            "recontextualized_harmful": "sampled under please_hack, trained under dont_hack: the harmful direction, a control",
        },
        "compare": [
            Compare(arm="please_hack", against="neutral"),
            Compare(arm="hacking_okay", against="neutral"),
            Compare(arm="please_hack", against="placebo"),
            Compare(arm="dont_hack", against="neutral", expect="none"),
            Compare(arm="hacking_is_misaligned", against="neutral", expect="none"),
            Compare(arm="please_hack", against="neutral", context="opposite", expect="none"),
        ],
    },
    "rl_inoculation",
)
