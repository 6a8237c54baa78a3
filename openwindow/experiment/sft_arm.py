"""An arm that is fine-tuned on rows of the environment. Imports no torch before it is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, Field, model_validator

from openwindow.data.rows import Row
from openwindow.environments.training_rows import flawed_rows
from openwindow.experiment.arm import ARM_CONFIG, Arm, ArmRun, Trained
from openwindow.interventions.applying import changed_rows
from openwindow.interventions.base import RowIntervention
from openwindow.training.config import SFT

if TYPE_CHECKING:
    from openwindow.environments.base import Environment


class Data(BaseModel):
    """The flawed training data."""

    model_config = ARM_CONFIG

    rows: int = Field(96, ge=1)
    """Training rows, one problem each."""
    gamed_share: float = Field(1.0, ge=0, le=1)
    """Share of the rows whose answer is flawed, such as one that games its visible test; the others are answered cleanly."""


class SFTArm(Arm):
    """Supervised fine-tuning on rows of the environment."""

    data: Data = Data()
    """The rows."""
    train: SFT = SFT()
    """How the model is fine-tuned."""
    kind: Literal["sft"] = "sft"
    """Names the kind of arm in configurations."""

    @model_validator(mode="after")
    def _check(self) -> SFTArm:
        self.check_interventions((RowIntervention,), "on_rows", self.train)
        return self

    @property
    def trained_by(self) -> SFT:
        """As `train` says."""
        return self.train

    @property
    def items(self) -> float:
        """Its rows, in all epochs; none where it follows another arm."""
        return 0.0 if self.follows is not None else self.data.rows * self.train.epochs

    @property
    def problems_drawn(self) -> int:
        """One per row."""
        return self.data.rows if self.follows is None else 0

    def rows(self, environment: Environment, seed: int, own: str | None = None) -> list[Row]:
        """What it is trained on at one seed; arms of equal data get the same problems and answers.

        `own` is the system message that the model's template adds by itself (`openwindow.data.rows.place`).
        """
        problems = environment.problems("train", self.data.rows, seed)
        rows = flawed_rows(environment, problems, self.data.gamed_share, seed)
        return changed_rows(self.interventions, rows, seed, own)

    def trained(self, run: ArmRun) -> Trained:
        """Fine-tunes on the rows, if there is anything to train."""
        from openwindow.experiment.fine_tuning import tuned
        from openwindow.models.templates import default_of

        rows = self.rows(run.environment, run.seed, default_of(run.model)) if self.trains else []
        return tuned(run, rows, self.train, "flawed", {}, self.safety_training)
