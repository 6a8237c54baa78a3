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
