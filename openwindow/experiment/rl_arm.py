"""An arm that is trained by reinforcement learning against the environment's grader. Imports no torch before it is trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from openwindow.environments.gameable import Gameable
from openwindow.errors import ConfigError
from openwindow.experiment.arm import Arm, ArmRun, Fork, Trained, named_before
from openwindow.experiment.run_folder import unit_of
from openwindow.experiment.version_1 import translated
from openwindow.files.writing import write_jsonl
from openwindow.interventions.base import PromptIntervention, RewardIntervention
from openwindow.interventions.distillation import Distillation
from openwindow.interventions.safety_training import SafetyTraining
from openwindow.training.config import GRPO, SFT

if TYPE_CHECKING:
    from openwindow.environments.base import Environment


class RLArm(Arm):
    """Reinforcement learning against the environment's grader, with the loopholes that are left open."""

    holes: Literal["all", "none"] | tuple[str, ...] = "all"
    """Loopholes of the grader that stay open; with `none`, it is its hardened twin."""
    hackable_share: float = Field(1.0, ge=0, le=1)
    """Share of the problems whose grader has the loopholes; the hardened twin grades the others."""
    problems: int = Field(96, ge=1)
    """Problems that the steps go through, again and again."""
    fork: Fork | None = None
    """Continues from another arm in the middle of its training, not from the start: a mitigation that is added late."""
    train: GRPO = GRPO()
    """How the model is trained."""
    kind: Literal["rl"] = "rl"
    """Names the kind of arm in configurations."""

    @model_validator(mode="before")
    @classmethod
    def _of_version_1(cls, fields: Any) -> Any:
        """A field per mitigation, as interventions."""
        return translated(fields) if isinstance(fields, Mapping) else fields

    @model_validator(mode="after")
    def _check(self) -> RLArm:
        methods = "on_prompts or on_rewards, or distillation"
        self.check_interventions((PromptIntervention, RewardIntervention, Distillation), methods, self.train)
        if self.fork is not None and self.distillation is not None:
            raise ConfigError(
                "an arm has both fork and distillation; expected one: a fork continues, distilling begins anew; drop one"
            )
        safety = self.safety_training
        if self.fork is not None and safety is not None and (safety.place == "before" or safety.after is not None):
            what = "after" if safety.after is not None else "place 'before'"
            raise ConfigError(
                f"an arm has both fork and safety_training with {what}; expected one: both say where it begins; drop one"
            )
        if self.opened != () and self.hackable_share > 0 and round(self.hackable_share * self.problems) == 0:
            raise ConfigError(
                f"hackable_share {self.hackable_share} of {self.problems} problems makes none hackable; expected at least one; "
                "raise it, or set holes to `none`"
            )
        self._check_effects()
        return self

    def _check_effects(self) -> None:
        """Refuses what would change nothing, so that no arm is another one under a second name."""
        if self.opened == () and self.hackable_share < 1:
            raise ConfigError(
                f"hackable_share is {self.hackable_share} and no hole is open, so it changes nothing; expected 1 with holes "
                "`none`; set it to 1, or open holes"
            )
        if self.fork is not None and self.train.learning_rate == 0:
            raise ConfigError(
                f"an arm has fork and train.learning_rate 0, which trains nothing and leaves {self.fork.arm!r} aside; expected "
                "a rate above 0; raise it, or drop fork"
            )

    @property
    def opened(self) -> tuple[str, ...] | None:
        """The holes that stay open, None for all of them."""
        return None if self.holes == "all" else () if self.holes == "none" else self.holes

    @property
    def distillation(self) -> Distillation | None:
        """What is done in place of reinforcement: fine-tuning on another arm's rollouts; None for reinforcement."""
        return next((i for i in self.interventions if isinstance(i, Distillation)), None)

    @property
    def reinforces(self) -> bool:
        """Whether it is trained by RL; at rate 0 the arm is the start."""
        return self.trains and self.distillation is None

    @property
    def needs_loopholes(self) -> bool:
        """It is paid by the grader."""
        return True

    @property
    def continues(self) -> Fork | None:
        """As `fork` says."""
        return self.fork

    @property
    def trained_by(self) -> SFT | GRPO:
        """As `train` says, or the distillation."""
        return self.train if self.distillation is None else self.distillation.train

    @property
    def items(self) -> float:
        """Its rollouts, or the rows that it distils in all epochs; none at a rate of 0, or where it follows another arm."""
        if self.follows is not None:
            return 0.0
        if self.distillation is not None:
            return self.distillation.rows * self.distillation.train.epochs
        steps = self.train.steps - (self.fork.step if self.fork is not None else 0)
        return float(steps * self.train.prompts_per_step * self.train.group_size) if self.train.learning_rate > 0 else 0.0

    @property
    def saved_steps(self) -> tuple[int, ...]:
        """By `train.checkpoint_every`; none for weights that are trained whole, and for distillation."""
        if self.method != "lora" or not self.reinforces:
            return ()
        first = self.fork.step + 1 if self.fork is not None else 1
        return tuple(step for step in range(first, self.train.steps) if step % self.train.checkpoint_every == 0)

    @property
    def problems_drawn(self) -> int:
        """As `problems` says."""
        return self.problems if self.follows is None else 0

    def check_environment(self, environment: Environment) -> None:
        """Raises ConfigError for an unknown loophole, and where problems lack the hardened twin that they are to have."""
        assert isinstance(environment, Gameable)  # the study has checked it
        environment.with_loopholes(self.opened)
        if self.hackable_share < 1:
            environment.with_loopholes(())

    def check_sources(self, name: str, before: Mapping[str, Arm], base: Arm) -> None:
        """Raises ConfigError for an arm to fork or to distil that does not stand before this one or has no such rollouts."""
        super().check_sources(name, before, base)
        named = self.fork or self.distillation
        if named is None:
            return
        what = "fork" if self.fork is not None else "distillation"
        source = named_before(name, f"{what}.arm", named.arm, before)
        if not isinstance(source, RLArm) or not source.reinforces:
            raise ConfigError(f"arm {name!r}: {what}.arm {named.arm!r} is not trained by RL; expected an arm that is; name another")
        if self.fork is not None:
            _check_fork(name, self, self.fork, source)
        else:
            _check_distil(name, self, named.arm, base)

    def trained(self, run: ArmRun) -> Trained:
        """Trains from where it begins or from where it forks, or fine-tunes on another arm's rollouts."""
        if self.distillation is not None:
            return self._distilled(run, self.distillation)
        if not self.trains:
            return Trained()
        from openwindow.experiment.reinforcing import reinforced

        return reinforced(run, self)

    def _distilled(self, run: ArmRun, distil: Distillation) -> Trained:
        """Fine-tunes on what is left of another arm's rollouts; nothing is measured where nothing is left."""
        from openwindow.experiment.arm_sources import distilled
        from openwindow.experiment.fine_tuning import tuned

        found = distilled(run.folder.path / unit_of(distil.arm, run.seed), distil, run.seed)
        counts = {"distilled": {"kinds": dict(Counter(row.kind for row in found.rows)), "dropped": found.dropped}}
        if found.rows:
            return tuned(run, found.rows, distil.train, "distil", counts, self.safety_training)
        why = ", ".join(f"{reason} {count}" for reason, count in found.dropped.items())
        write_jsonl(run.path / "train_rows.jsonl", [])
        return Trained(counts={"train_rows": 0, **counts}, reason=f"no rollout of {distil.arm} is left to distil ({why})")


def _check_fork(name: str, arm: RLArm, fork: Fork, source: RLArm) -> None:
    first = source.fork.step + 1 if source.fork is not None else 1
    saved = [s for s in range(first, source.train.steps + 1) if s % source.train.checkpoint_every == 0 or s == source.train.steps]
    if fork.step not in saved or fork.step >= arm.train.steps:
        raise ConfigError(
            f"arm {name!r}: fork.step is {fork.step} of {arm.train.steps}; expected an earlier step of {fork.arm!r} that has a "
            f"checkpoint ({', '.join(map(str, saved))}); change it, train.steps or train.checkpoint_every"
        )
    for field in ("method", "lora_rank", "lora_alpha"):
        mine, theirs = dict(arm.train)[field], dict(source.train)[field]
        if mine != theirs:
            raise ConfigError(f"arm {name!r}: train.{field} is {mine}; expected {theirs}, as {fork.arm!r} has it; drop the change")


def _check_distil(name: str, arm: RLArm, named: str, base: Arm) -> None:
    """What an arm that distils sets about reinforcement, against the base, would have no effect."""
    mine, usual = dict(arm), dict(base)
    changed = [field for field in ("holes", "hackable_share") if mine[field] != usual[field]]
    added = [i.kind for i in arm.interventions if not isinstance(i, (Distillation, SafetyTraining)) and i not in base.interventions]
    for what in (*changed, *added):
        raise ConfigError(
            f"arm {name!r} has {what} and distillation, which takes the rollouts of {named!r} as they are, so {what} changes "
            f"nothing; expected one of the two; drop {what}, or set it for {named!r}"
        )
