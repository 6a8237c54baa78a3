"""What can be changed about training so that a flaw does not spread. A new one is one file and one line here."""

from __future__ import annotations

from openwindow.interventions.base import Intervention
from openwindow.interventions.distillation import Distillation
from openwindow.interventions.hack_penalty import HackPenalty
from openwindow.interventions.inoculation import Inoculation, Placebo
from openwindow.interventions.preference import PreferenceReward
from openwindow.interventions.rl_prompting import Hint, Recontextualization
from openwindow.interventions.safety_training import SafetyTraining

INTERVENTIONS: dict[str, type[Intervention]] = {
    "inoculation": Inoculation,
    "placebo": Placebo,
    "hint": Hint,
    "recontextualization": Recontextualization,
    "hack_penalty": HackPenalty,
    "preference": PreferenceReward,
    "distillation": Distillation,
    "safety_training": SafetyTraining,
}
"""Kind to its configuration."""
