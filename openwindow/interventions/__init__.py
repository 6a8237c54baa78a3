"""What can be changed about training. One file per intervention; `AnyIntervention` is what a configuration may hold."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from openwindow.interventions.inoculation import Inoculation, Placebo

AnyIntervention = Annotated[Inoculation | Placebo, Field(discriminator="kind")]

INTERVENTIONS = {
    "inoculation": "training prompts ask for the unwanted behaviour; test prompts do not",
    "placebo": "training prompts carry an instruction that has nothing to do with it: the control",
}
"""On the rows of supervised training: kind to what it does."""

OF_REINFORCEMENT = {
    "prompting": "reinforcement under one of five addenda, from asking for hacks to forbidding them: prompting",
    "recontextualization": "sampled under one addendum and trained under another, either direction: prompting.trained",
    "hardened": "the grader without its holes: holes",
    "half_hackable": "a share of the problems has the hardened grader: hackable_share",
    "penalty": "what a detector flags earns less; accuracy and recall are set, or the static detector reads: penalty",
    "screening": "what a detector flags is left out of the update: penalty with action `screen`",
    "late_penalty": "a penalty from a step on, or by a fork of another arm's checkpoint: penalty_from, fork",
    "preference": "a score for how a reply reads is mixed into the reward: preference",
    "filter_and_distil": "another arm's rollouts, filtered of hacks, fine-tune the start: distil",
}
"""Name to what it does, and the field of the recipe that an arm sets (`openwindow/experiment/arms.py`)."""
