"""A study: one question, a base recipe, named arms that differ from it in declared fields, seeds, contexts, comparisons.

    study = Study(name="mine", question="...", claim="...", arms={"plain": {}, "asked": {"intervention": {...}}}, ...)

An arm is a mapping from dotted field names of the recipe to values; everything it does not name is the base's. What a
study resolves to is written to the run folder before the first model call; whether the model needs a request stage shows later.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from openwindow.environments import find
from openwindow.environments.base import Environment
from openwindow.environments.gameable import Gameable
from openwindow.errors import ConfigError
from openwindow.experiment.arms import RL, AnyRecipe, Data, Recipe, check_sources
from openwindow.experiment.compare import Compare
from openwindow.experiment.context import Context
from openwindow.experiment.eval_plan import EvalPlan, check_asked, saved_steps
from openwindow.experiment.judges import trait_judge
from openwindow.experiment.overrides import known, override
from openwindow.experiment.stages import KnowledgeStage, RequestStage
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
    "Recipe",
    "RequestStage",
    "Study",
]

_CONFIG = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
MOST_SEEDS = 1000
LEAST_TOKENS = 96
"""least length limit of the replies of a model that was not taught short ones"""


class Elsewhere(BaseModel):
    """Another environment, or the study's own with other loopholes, that arms are measured in besides: how far does it spread?"""

    model_config = _CONFIG

    environment: str
    """A gameable environment, by its name or FILE.py:OBJECT."""
    holes: Literal["all", "none"] | tuple[str, ...] = "all"
    """Loopholes of its grader that are open."""
    hint: bool = False
    """Whether the prompt carries the hint about the open loopholes."""
    difficulty: tuple[Literal[1, 2, 3], ...] | None = Field(None, min_length=1)
    """Difficulties of its problems; None for the study's."""
    problems: int = Field(16, ge=1)
    """Held-out problems per seed."""

    @property
    def opened(self) -> tuple[str, ...] | None:
        """The loopholes that are open, None for all of them."""
        return None if self.holes == "all" else () if self.holes == "none" else self.holes

    @property
    def about(self) -> str:
        """What it is, in words."""
        shown = {"all": "all loopholes open", "none": "no loophole open"}.get(str(self.holes)) or f"open: {', '.join(self.holes)}"
        return f"{self.problems} problems of {self.environment}, {shown}{', with the hint' if self.hint else ''}"


class Evaluation(BaseModel):
    """How a trained model is measured."""

    model_config = _CONFIG

    problems: int = Field(32, ge=1)
    """Held-out problems per seed, of families never trained on."""
    max_new_tokens: int = Field(48, ge=1)
    """Length limit of a reply, in tokens."""
    temperature: float = Field(0.0, ge=0)
    """Sampling temperature; 0 is greedy."""
    batch_size: int = Field(48, ge=1)
    """Replies decoded together."""
    hidden: int = Field(48, ge=2)
    """Hidden inputs per program."""
    elsewhere: Mapping[str, Elsewhere] = {}
    """Further contexts by name: environments that arms are measured in besides the study's."""


class Study(BaseModel):
    """One question with all that is needed to answer it."""

    model_config = _CONFIG

    name: str
    """Name on the command line and of the run folder."""
    question: str
    """The question in one sentence."""
    claim: str
    """What would have to be true, said before the run: a clause per comparison that decides, in their order, with `; ` between."""
    claim_id: str = ""
    """The claims of the literature that it tests."""
    model: str = "smollm2"
    """`smollm2`, a hub name ORG/NAME, a local folder or a `.gguf` file."""
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """`auto` is bf16 where the device multiplies it in hardware; what it came to is in the run folder."""
    environment: str = "code_functions"
    """Where problems, answers and scores come from: a built-in environment, or the user's own as `my_env.py:MyEnv`."""
    options: Mapping[str, Any] = {}
    """The environment's options by name, as its `Config` has them."""
    difficulty: tuple[Literal[1, 2, 3], ...] = Field((1, 2, 3), min_length=1)
    """The environment's option `difficulty`: 1 the easiest."""
    mbpp_path: str | None = None
    """The option `data` of `mbpp`: a local copy in place of the hub's."""
    data_path: str | None = None
    """The environment's option `data`: a file whose problems replace its own."""
    traits: tuple[str, str] = ("", "")
    """The environment's options `unwanted` and `wanted`."""
    seeds: tuple[Annotated[int, Field(ge=0, lt=2**31)], ...] = Field((1, 2, 3), min_length=1, max_length=MOST_SEEDS)
    """Every arm is trained once per seed; a seed decides problems, order and adapter initialisation."""
    contexts: Mapping[str, Context] = {"neutral": Context()}
    """Where every arm is measured."""
    request_stage: RequestStage | None = None
    """Training before all arms, if the model does not follow the request of context `requested` by itself."""
    knowledge: KnowledgeStage | None = None
    """Training before all arms that lets the model know of the hacks."""
    starts: Literal["one", "per_seed"] = "one"
    """Whether these stages are trained once, with the first seed, or once per seed. After one start every interval is conditional
    on it; with a start per seed the intervals cover the choice of the start as well."""
    base: AnyRecipe = Recipe()
    """The recipe that arms differ from."""
    arms: Mapping[str, Mapping[str, Any]] = Field(min_length=1)
    """Arm name to dotted field of the recipe to value."""
    about: Mapping[str, str] = {}
    """Arm name to what the arm is, in a few words."""
    evaluation: Evaluation = Evaluation()
    """How each arm is measured."""
    evals: tuple[str, ...] = ()
    """What is asked besides, of the start and of every arm: suites or evals (`openwindow list`), or FILE.py:OBJECT of one's own."""
    eval_plan: EvalPlan = EvalPlan()
    """How these evals are asked."""
    compare: tuple[Compare, ...] = ()
    """The comparisons; those that decide are one Holm family, and those that only describe another."""
    smallest_effect: float = Field(0.1, ge=0)
    """A difference in the expected direction smaller than this is of no interest."""
    quick: Mapping[str, Any] = {}
    """Dotted fields of the study that `--quick` sets."""
    quick_arms: tuple[str, ...] | None = None
    """Arms that `--quick` keeps, None for all; the comparisons of the others go with them."""

    @model_validator(mode="after")
    def _check(self) -> Study:
        environment = self.make_environment()
        measures = {measure.name: measure for measure in environment.measures}
        check_names({"the study": (self.name,), "arm": self.arms, "context": self.places, "measure": measures})
        recipes = {arm: self.recipe(arm) for arm in self.arms}
        for one, other in itertools.combinations(recipes, 2):
            if recipes[one] == recipes[other]:
                raise ConfigError(f"arms {one!r} and {other!r} are the same recipe; expected arms that differ; change or drop one")
        self._check_only(recipes)
        check_sources(recipes, self.base)
        for arm in self.quick_arms or ():
            known("arm in quick_arms", arm, self.arms)
        self._check_elsewhere()
        check_asked(self.evals, self.eval_plan, {arm: saved_steps(recipe) for arm, recipe in recipes.items()})
        for named in self.compare:
            for arm, place in ((named.arm, named.context), (named.against, named.against_context or named.context)):
                known("arm in compare", arm, self.arms)
                known("context", place, dict.fromkeys(self.places))
                if place in self.contexts and not self.contexts[place].asked_of(arm):
                    raise ConfigError(
                        f"compare has {arm!r} in context {place!r}, whose by_arm lacks it; add it there or drop the line"
                    )
            known("measure", named.measure, measures)
        for what, names in (("about", self.about), *((f"by_arm of {name}", c.by_arm or ()) for name, c in self.contexts.items())):
            for arm in names:
                known(f"arm in {what}", arm, self.arms)
        if (isinstance(self.base, RL) or self.knowledge is not None) and not isinstance(environment, Gameable):
            raise ConfigError(
                f"environment is {self.environment!r}, whose grader has no loopholes; expected a gameable one such as "
                f"{', '.join(find.gameable_names())}; change it, or take the recipe kind `sft` and no knowledge stage"
            )
        if self.request_stage is not None and "requested" not in self.contexts:
            raise ConfigError("a request stage needs a context named `requested` with the request; add one to contexts")
        if self.starts == "per_seed" and self.request_stage is None and self.knowledge is None:
            raise ConfigError(
                "starts is 'per_seed' and nothing is trained before the arms, so it changes nothing; expected a request_stage or "
                "knowledge; add one, or drop starts"
            )
        if len(set(self.seeds)) < len(self.seeds):
            raise ConfigError(f"seeds are {list(self.seeds)}; expected each once; drop the repeated ones")
        return self

    def _check_only(self, recipes: Mapping[str, AnyRecipe]) -> None:
        kinds = self.make_environment().row_kinds
        for arm, recipe in recipes.items():
            intervention = recipe.intervention if isinstance(recipe, Recipe) else None
            if intervention is not None and intervention.only not in ("all", *kinds):
                raise ConfigError(
                    f"arm {arm!r} has intervention.only {intervention.only!r}; expected all, {' or '.join(kinds)}, as rows of "
                    f"{self.environment} are; change it"
                )

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
        """Names of all that arms are measured in: the contexts, and what is elsewhere."""
        return (*self.contexts, *self.evaluation.elsewhere)

    def make_environment(self) -> Environment:
        """The study's environment with its options. Raises UserError."""
        return find.make(self.environment, self._options_of(self.environment))

    def gameable(self, environment: str, difficulty: tuple[int, ...] | None = None) -> Gameable:
        """An environment to measure in besides, with those of the study's options that it has. Raises UserError."""
        changed = {} if difficulty is None else {"difficulty": difficulty}
        return find.gameable(environment, self._options_of(environment) | changed)

    def _options_of(self, environment: str) -> dict[str, Any]:
        """What the study says of the options that this environment has; of its own, all of `options`."""
        has = find.config_of(environment).model_fields
        given = {name: value for name, (_, value) in self._given().items() if name in has}
        judge = {"judge": trait_judge} if "judge" in has else {}
        return given | judge | (dict(self.options) if environment == self.environment else {})

    def _given(self) -> dict[str, tuple[str, Any]]:
        """Option to the field of the study that gives it, and the value; those that were left at their default give none."""
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
        """Refuses what the study says of options that its environment does not have. Raises ConfigError."""
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

    def recipe(self, arm: str) -> AnyRecipe:
        """The arm's resolved recipe."""
        known("arm", arm, self.arms)
        return override(self.base, self.arms[arm], f"arm {arm!r}")

    def for_model(self, model: str) -> dict[str, Any]:
        """What another model changes of a study that was made for the embedded one.

        Replies may be as long as a model needs that talks first and then comes to its answer: studies of text limit them to the
        short ones that the embedded model is taught.
        """
        if model == self.model or isinstance(self.make_environment(), Gameable):
            return {"model": model}
        return {"model": model, "evaluation.max_new_tokens": max(LEAST_TOKENS, self.evaluation.max_new_tokens)}

    def in_environment(self, environment: str) -> dict[str, Any]:
        """What running the study in another environment changes: options that it lacks, and loopholes that it does not have."""
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
        if told is not None and isinstance(made, Gameable) and not set(told.kinds or ()) <= set(made.loopholes):
            found["knowledge.kinds"] = None
        return found

    def quickened(self) -> Study:
        """The study with what `--quick` sets."""
        if self.quick_arms is None:
            return override(self, self.quick, "quick")
        left = {name: context.of_arms(self.quick_arms) for name, context in self.contexts.items()}
        fewer = {
            "contexts": {name: context for name, context in left.items() if context is not None},
            "arms": {arm: changes for arm, changes in self.arms.items() if arm in self.quick_arms},
            "about": {arm: text for arm, text in self.about.items() if arm in self.quick_arms},
            "compare": [c for c in self.compare if {c.arm, c.against} <= set(self.quick_arms)],
        }
        return override(self, {**fewer, **self.quick}, "quick")
