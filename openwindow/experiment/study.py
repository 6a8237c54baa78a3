"""A study: one question, a base arm, named arms that differ from it in a few fields, seeds, contexts, comparisons.

    base = SFTArm(data=Data(rows=48))
    arms = {"untrained": base.but(train={"epochs": 0}, role="start"), "plain": base, "asked": base.but(intervention=...)}
    study = Study(name="mine", question="...", claim="...", base=base, arms=arms, ...)

What an arm changes against the base is computed. What a study resolves to is written to the run folder before the first model
call; whether the model needs a request stage is known later. A mapping of dotted fields is taken for an arm as well.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_serializer, field_validator, model_validator

from openwindow.environments import find
from openwindow.environments.base import Environment
from openwindow.environments.gameable import Gameable
from openwindow.environments.loopholes import pick
from openwindow.errors import ConfigError
from openwindow.experiment.arm import Role, written
from openwindow.experiment.arms import AnyArm, Data, RLArm, SFTArm, arm_of, changes_of, check_sources
from openwindow.experiment.compare import Compare
from openwindow.experiment.context import Context
from openwindow.experiment.curves import check_curves, step_replies
from openwindow.experiment.eval_plan import EvalPlan, check_asked, check_named
from openwindow.experiment.evaluation import Elsewhere, Evaluation
from openwindow.experiment.judges import trait_judge
from openwindow.experiment.overrides import known, override
from openwindow.experiment.stages import KnowledgeStage, RequestStage, UpbringingStage
from openwindow.files.names import check_names
from openwindow.types import Measure

__all__ = [
    "RL",
    "Compare",
    "Context",
    "Data",
    "Elsewhere",
    "EvalPlan",
    "Evaluation",
    "KnowledgeStage",
    "RLArm",
    "Recipe",
    "RequestStage",
    "SFTArm",
    "Study",
    "UpbringingStage",
]

Recipe, RL = SFTArm, RLArm  # what study files of earlier versions call them

_CONFIG = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
MOST_SEEDS = 1000
LEAST_TOKENS = 96
"""least reply limit for a model that was not taught short replies"""


class Study(BaseModel):
    """One question with all that is needed to answer it."""

    model_config = _CONFIG

    name: str
    """Name on the command line and of the run folder."""
    question: str
    """The question in one sentence."""
    claim: str
    """What would have to be true, stated before the run: one clause per deciding comparison, in order, separated by `; `."""
    claim_id: str = ""
    """The claims of the literature that it tests."""
    model: str = "smollm2"
    """`smollm2`, a hub name ORG/NAME, a local folder or a `.gguf` file."""
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """`auto` is bf16 where the hardware multiplies it; what it resolved to is in the run folder."""
    environment: str = "code_functions"
    """Where problems, answers and scores come from: a built-in environment, or the user's own as `my_env.py:MyEnv`."""
    options: Mapping[str, Any] = {}
    """The environment's options by name, as its `Config` has them."""
    difficulty: tuple[Literal[1, 2, 3], ...] = Field((1, 2, 3), min_length=1)
    """The environment's option `difficulty`: 1 the easiest."""
    mbpp_path: str | None = None
    """The option `data` of `mbpp`: a local copy instead of the hub's."""
    data_path: str | None = None
    """The environment's option `data`: a file whose problems replace its own."""
    traits: tuple[str, str] = ("", "")
    """The environment's options `unwanted` and `wanted`."""
    seeds: tuple[Annotated[int, Field(ge=0, lt=2**31)], ...] = Field((1, 2, 3), min_length=1, max_length=MOST_SEEDS)
    """Every arm is trained once per seed; a seed decides problems, order and adapter initialisation."""
    contexts: Mapping[str, Context] = {"neutral": Context()}
    """Where every arm is measured."""
    request_stage: RequestStage | None = None
    """Training before all arms, if the model does not already follow the request of context `requested`."""
    knowledge: KnowledgeStage | None = None
    """Training before all arms that teaches the model about the hacks."""
    upbringing: UpbringingStage | None = None
    """Training before all arms that makes a model organism, in which gaming goes with misbehaviour."""
    starts: Literal["one", "per_seed"] = "one"
    """Whether these stages are trained once, with the first seed, or once per seed. With one start, every interval is conditional
    on it; with a start per seed, the intervals also cover the choice of the start.
    """
    base: AnyArm = SFTArm()
    """The arm that the others differ from."""
    arms: Mapping[str, AnyArm] = Field(min_length=1)
    """The arms by name, in the order of training."""
    about: Mapping[str, str] = {}
    """Arm name to a short description of the arm."""
    evaluation: Evaluation = Evaluation()
    """How each arm is measured."""
    evals: tuple[str, ...] = ()
    """What the start and every arm are also asked: suites or evals (`openwindow list`), or your own as FILE.py:OBJECT."""
    eval_plan: EvalPlan = EvalPlan()
    """How these evals are asked."""
    compare: tuple[Compare, ...] = ()
    """The comparisons; those that decide are one Holm family, and those that only describe are another."""
    smallest_effect: float = Field(0.1, ge=0)
    """A difference in the expected direction smaller than this is of no interest."""
    quick: Mapping[str, Any] = {}
    """Dotted fields of the study that `--quick` sets."""
    quick_arms: tuple[str, ...] | None = None
    """Arms that `--quick` keeps, None for all; comparisons with other arms are dropped."""

    @field_validator("arms", mode="before")
    @classmethod
    def _typed(cls, arms: Any, info: ValidationInfo) -> Any:
        """Turns mappings of dotted fields into arms."""
        if not isinstance(arms, Mapping) or "base" not in info.data:
            return arms
        return {name: arm_of(str(name), arm, info.data["base"]) for name, arm in arms.items()}

    @field_validator("compare")
    @classmethod
    def _placed(cls, compare: tuple[Compare, ...], info: ValidationInfo) -> tuple[Compare, ...]:
        """Comparisons without a context use the one that adds nothing."""
        plain = _plain(info.data.get("contexts", {}))
        return tuple(
            c if c.context or plain is None or c.score is not None else c.model_copy(update={"context": plain}) for c in compare
        )

    @field_serializer("arms")
    def _written(self, arms: Mapping[str, AnyArm]) -> dict[str, dict[str, Any]]:
        """Stores arms as what they change, under their labels."""
        return {name: {**arm.labels, **self.differs(name)} for name, arm in arms.items()}

    @model_validator(mode="after")
    def _check(self) -> Study:
        environment = self.make_environment()
        measures = {measure.name: measure for measure in environment.measures}
        check_names({"the study": (self.name,), "arm": self.arms, "context": self.places, "measure": measures})
        for one, other in itertools.combinations(self.arms, 2):
            if self.arms[one].same_training == self.arms[other].same_training:
                raise ConfigError(f"arms {one!r} and {other!r} are the same; expected arms that differ; change or drop one")
        self._check_only()
        check_sources(self.arms, self.base)
        for arm in self.quick_arms or ():
            known("arm in quick_arms", arm, self.arms)
        self._check_elsewhere()
        check_asked(self.evals, self.eval_plan, {name: arm.saved_steps for name, arm in self.arms.items()})
        for named in self.compare:
            self._check_compare(named)
        check_named(self.compare, self.evals, self.eval_plan)
        check_curves(self)
        for what, names in (("about", self.about), *((f"by_arm of {name}", c.by_arm or ()) for name, c in self.contexts.items())):
            for arm in names:
                known(f"arm in {what}", arm, self.arms)
        stages = (self.request_stage, self.knowledge, self.upbringing)
        if (self.base.needs_loopholes or any(stages[1:])) and not isinstance(environment, Gameable):
            raise ConfigError(
                f"environment is {self.environment!r}, whose grader has no loopholes; expected a gameable one such as "
                f"{', '.join(find.gameable_names())}; change it, or take an SFTArm as the base and neither knowledge nor upbringing"
            )
        for stage in (self.knowledge, self.upbringing):
            if stage is not None and isinstance(environment, Gameable):
                pick(stage.kinds, environment.loopholes, self.environment)
        if self.request_stage is not None:
            _ = self.request, self.plain
        if self.starts == "per_seed" and not any(stages):
            raise ConfigError(
                "starts is 'per_seed' and nothing is trained before the arms, so it changes nothing; expected a request_stage, "
                "knowledge or upbringing; add one, or drop starts"
            )
        if len(set(self.seeds)) < len(self.seeds):
            raise ConfigError(f"seeds are {list(self.seeds)}; expected each once; drop the repeated ones")
        return self

    def _check_compare(self, named: Compare) -> None:
        """Refuses arms, contexts and measures that there are not; scores are checked with the evals."""
        for arm, place in ((named.arm, named.context), (named.against, named.against_context or named.context)):
            known("arm in compare", arm, self.arms)
            if named.score is not None:
                continue
            known("context", place, dict.fromkeys(self.places))
            if place in self.contexts and not self.contexts[place].asked_of(arm):
                raise ConfigError(f"compare has {arm!r} in context {place!r}, whose by_arm lacks it; add it there or drop the line")
        if named.score is None:
            known("measure", named.measure, {measure.name: measure for measure in self.measures})

    def _check_only(self) -> None:
        kinds = self.make_environment().row_kinds
        for name, arm in self.arms.items():
            try:
                arm.check_kinds(kinds)
            except ConfigError as error:
                raise ConfigError(f"arm {name!r}: {error}, as rows of {self.environment} are; change it") from error

    def _check_elsewhere(self) -> None:
        for name, e in self.evaluation.elsewhere.items():
            self.gameable(e.environment)
            if name in self.contexts:
                raise ConfigError(f"evaluation.elsewhere has {name!r}, which is a context; expected another name; change one")
        if self.evaluation.elsewhere and not isinstance(self.make_environment(), Gameable):
            raise ConfigError(
                f"evaluation.elsewhere with environment {self.environment!r}, whose measures are others; expected a gameable one "
                f"such as {', '.join(find.gameable_names())}; drop it"
            )

    @property
    def start_seeds(self) -> tuple[int, ...]:
        """The seeds that the stages before all arms are trained with."""
        return self.seeds if self.starts == "per_seed" else self.seeds[:1]

    @property
    def places(self) -> tuple[str, ...]:
        """Names of everything that arms are measured in: the contexts and the other environments."""
        return (*self.contexts, *self.evaluation.elsewhere)

    def make_environment(self) -> Environment:
        """The study's environment with its options. Raises UserError."""
        return find.make(self.environment, self._options_of(self.environment))

    def gameable(self, environment: str, difficulty: tuple[int, ...] | None = None) -> Gameable:
        """Another environment to measure in, with those of the study's options that it has. Raises UserError."""
        changed = {} if difficulty is None else {"difficulty": difficulty}
        return find.gameable(environment, self._options_of(environment) | changed)

    def _options_of(self, environment: str) -> dict[str, Any]:
        """What the study says about the options that this environment has; for its own environment, all of `options`."""
        has = find.config_of(environment).model_fields
        given = {name: value for name, (_, value) in self._given().items() if name in has}
        judge = {"judge": trait_judge} if "judge" in has else {}
        return given | judge | (dict(self.options) if environment == self.environment else {})

    def _given(self) -> dict[str, tuple[str, Any]]:
        """Option to the field of the study that sets it, and its value; fields at their defaults set nothing."""
        fields = {
            "difficulty": ("difficulty", self.difficulty),
            "data": ("mbpp_path", self.mbpp_path) if self.mbpp_path is not None else ("data_path", self.data_path),
            "unwanted": ("traits", self.traits[0]),
            "wanted": ("traits", self.traits[1]),
            "hidden": ("evaluation.hidden", self.evaluation.hidden),
        }
        defaults = ((1, 2, 3), None, "", Evaluation().hidden)
        return {option: (field, value) for option, (field, value) in fields.items() if value not in defaults}

    def check_options(self) -> None:
        """Raises ConfigError if the study sets an option that its environment does not have."""
        has = find.config_of(self.environment).model_fields
        for option, (field, value) in self._given().items():
            if option not in has and option != "hidden":
                known_ = f"it has {', '.join(has)}" if has else "it has none"
                raise ConfigError(
                    f"{field} is {value!r}, and environment {self.environment} has no option {option!r}; {known_}; drop it"
                )

    @property
    def measures(self) -> tuple[Measure, ...]:
        """What replies are scored for."""
        return self.make_environment().measures

    @property
    def request(self) -> str:
        """The first context that asks all arms for the behaviour. Raises ConfigError if there is none."""
        found = next((name for name, c in self.contexts.items() if c.asks and c.text and c.by_arm is None), None)
        if found is None:
            raise ConfigError(
                "no context asks all arms for the behaviour; expected one with a text and asks=True; add one to contexts"
            )
        return found

    @property
    def plain(self) -> str:
        """The first context that adds nothing to the prompts. Raises ConfigError if there is none."""
        if (found := _plain(self.contexts)) is None:
            raise ConfigError("every context adds a text to the prompts; expected one that adds nothing; add Context() to contexts")
        return found

    def with_role(self, role: Role) -> tuple[str, ...]:
        """The arms of that role, in order."""
        return tuple(name for name, arm in self.arms.items() if arm.role == role)

    def step_replies(self, arm: str) -> int:
        """How many replies it takes to measure the arm at steps of its training, at one seed."""
        return step_replies(self, arm)

    def differs(self, arm: str) -> dict[str, Any]:
        """What the arm changes from the base, as it is stored and displayed: dotted field to value."""
        known("arm", arm, self.arms)
        return {field: written(value) for field, value in changes_of(self.arms[arm], self.base).items()}

    def as_changes(self) -> dict[str, Any]:
        """The fields, with arms as what they change, so that another base gives other arms."""
        arms = {name: {**arm.labels, **changes_of(arm, self.base)} for name, arm in self.arms.items()}
        return {**dict(self), "arms": arms}

    def for_model(self, model: str) -> dict[str, Any]:
        """What changes when a study made for the embedded model uses another model.

        Replies may be long enough for a model that reasons before it answers; studies of text limit them to the short ones that the
        embedded model is taught.
        """
        if model == self.model or isinstance(self.make_environment(), Gameable):
            return {"model": model}
        return {"model": model, "evaluation.max_new_tokens": max(LEAST_TOKENS, self.evaluation.max_new_tokens)}

    def in_environment(self, environment: str) -> dict[str, Any]:
        """What changes when the study runs in another environment: options and loopholes that it lacks."""
        made = find.make(environment, {})
        found: dict[str, Any] = {
            "environment": environment,
            "options": {},
            "mbpp_path": None,
            "data_path": None,
            "traits": ("", ""),
        }
        if "difficulty" not in find.config_of(environment).model_fields:
            found["difficulty"] = (1, 2, 3)
        told = self.knowledge
        if told is not None and isinstance(made, Gameable):
            if not any(loophole.hint for loophole in made.loopholes.values()):
                found["knowledge"] = None  # nothing can be told of loopholes that nobody has described
            elif not set(told.kinds or ()) <= set(made.loopholes):
                found["knowledge.kinds"] = None
        stage = self.upbringing
        if stage is not None and isinstance(made, Gameable) and not set(stage.kinds or ()) <= set(made.loopholes):
            found["upbringing.kinds"] = None
        return found

    def quickened(self) -> Study:
        """The study with what `--quick` sets."""
        if self.quick_arms is None:
            return override(self, self.quick, "quick")
        left = {name: context.of_arms(self.quick_arms) for name, context in self.contexts.items()}
        fewer = {
            "contexts": {name: context for name, context in left.items() if context is not None},
            "arms": {arm: changes for arm, changes in self.as_changes()["arms"].items() if arm in self.quick_arms},
            "about": {arm: text for arm, text in self.about.items() if arm in self.quick_arms},
            "compare": [c for c in self.compare if {c.arm, c.against} <= set(self.quick_arms)],
        }
        return override(self, {**fewer, **self.quick}, "quick")


def _plain(contexts: Mapping[str, Context]) -> str | None:
    """The first context that adds nothing."""
    return next((name for name, context in contexts.items() if not context.text and context.by_arm is None), None)
