"""What `--dry-run` says that asking models will cost: of `eval`, of a study with evals or a judge, and of `inoculate`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openwindow.data.trait_rules import TraitSpec
from openwindow.evals.base import Eval
from openwindow.evals.contexts import BUILT_IN, NEUTRAL, Context
from openwindow.evals.costs import prices
from openwindow.evals.estimate import CHARACTERS, estimate, of_eval, of_trait
from openwindow.evals.held_out import NAME as HELD_OUT
from openwindow.evals.select import chosen, limited, sampled
from openwindow.experiment.evals import contexts_of
from openwindow.experiment.rl_arm import RLArm
from openwindow.experiment.study import Study
from openwindow.models import smollm2

if TYPE_CHECKING:
    from openwindow.inoculate.options import Options
    from openwindow.inoculate.run import Sources

_LOCAL = (smollm2.NAME, "smollm2-135m", "SmolLM2-135M-Instruct")
PROMPT = 150
"""tokens of a prompt whose length is not known before"""


def named(model: str) -> tuple[str, bool]:
    """A model by its name, and whether it runs here: what is built in, a folder, or a name of the hub."""
    if model in _LOCAL or Path(model).expanduser().exists() or model in prices().by_model:
        return model, model not in prices().by_model
    from openwindow.evals.inspect.model_names import PROVIDERS  # imports Inspect

    return model, model.partition("/")[0] not in PROVIDERS or model.startswith("openwindow/")


def of_evals(
    models: Sequence[str], specs: Sequence[Eval], contexts: Mapping[str, Context], settings: Mapping[str, Any], remote_tokens: int
) -> dict[str, Any]:
    """What `openwindow eval` will cost."""
    judge = settings["judge"] and named(settings["judge"])
    guesses = []
    for model in map(named, models):
        longest = settings["max_tokens"] or (None if model[1] else remote_tokens)
        guesses += [g for spec in specs for g in of_eval(spec, contexts, settings["seeds"], model, judge, longest)]
    return estimate(guesses, prices())


def of_study(study: Study, specs: Sequence[Eval]) -> dict[str, Any]:
    """What the evals of a study will cost, and a judge of its replies; empty where it asks none."""
    guesses, plan = [], study.eval_plan
    judge = None if plan.judge is None else named(plan.judge)
    trained = sum(arm.trains for arm in study.arms.values())  # the others are the start
    asked = len(study.start_seeds) + len(study.seeds) * trained * (1 + len(plan.steps))
    for spec in [spec for spec in specs if sampled(spec, plan.replies)]:
        own = of_eval(spec, contexts_of(study), plan.repeats, (study.model, True), judge, plan.max_tokens)
        guesses += [guess.times(asked) for guess in own]
    for trait in dict.fromkeys(map(TraitSpec.read, study.traits)):
        if trait.judge:
            replies, reply = _replies(study), study.evaluation.max_new_tokens
            guesses.append(of_trait(named(trait.judge), (replies, replies), PROMPT, reply))
    return estimate(guesses, prices()) if guesses else {}


def _replies(study: Study) -> float:
    """Replies that the environment's judge reads: those to test problems, around the stages, and the rollouts of RL."""
    tests = sum(context.asked_of(arm) * study.evaluation.problems for arm in study.arms for context in study.contexts.values())
    stage = study.request_stage
    around = 0 if stage is None else len(study.contexts) * stage.problems * (1 + len(study.start_seeds))
    rollouts = sum(arm.items for arm in study.arms.values() if isinstance(arm, RLArm) and arm.reinforces)
    return len(study.seeds) * (tests + rollouts) + around


def of_inoculate(options: Options, sources: Sources, arms: int, contexts: int, judged: int) -> dict[str, Any]:
    """What `openwindow inoculate` will cost; `judged` is how many answers of the data a judge reads; 0 arms: only a ranking."""
    guesses, judge = [], options.trait_judge
    if judge is not None:
        about, whose = sources.data.summary(), named(judge)
        prompt, answer = (about[f"{what}_characters"]["50 %"] / CHARACTERS for what in ("prompt", "answer"))
        replies = (1 + len(sources.candidates)) * min(options.elicit, judged) + arms * options.seeds * contexts * sources.held_out
        guesses.append(
            of_trait(whose, (judged, judged), prompt, answer) + of_trait(whose, (replies, replies), prompt, options.reply_tokens)
        )
    whole = chosen([name for name in options.evals if name != HELD_OUT]) if arms else []
    reader = None if options.judge is None else named(options.judge)
    for spec in limited(whole, options.eval_scenarios):
        own = of_eval(spec, {NEUTRAL: BUILT_IN[NEUTRAL]}, 1, (options.model, True), reader, None)
        guesses += [guess.times(1 + (arms - 1) * options.seeds) for guess in own]
    return estimate(guesses, prices()) if guesses else {}
