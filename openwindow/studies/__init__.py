"""Built-in studies by name, and the user's own from a Python file. Importing this imports no torch."""

from __future__ import annotations

import difflib
import runpy
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from openwindow.data.trait_rules import TraitSpec
from openwindow.environments import ENVIRONMENTS, find
from openwindow.environments.code.environment import CodeFunctionsEnvironment, MbppEnvironment
from openwindow.errors import ConfigError, ForeignError
from openwindow.experiment.overrides import explain, override
from openwindow.experiment.study import MOST_SEEDS, Study
from openwindow.files.bounded import missing, open_regular
from openwindow.prompt_ranking.study import RankingStudy
from openwindow.studies.inoculation_code import study as inoculation_code
from openwindow.studies.inoculation_spurious import study as inoculation_spurious
from openwindow.studies.inoculation_sycophancy import study as inoculation_sycophancy
from openwindow.studies.inoculation_toxic import study as inoculation_toxic
from openwindow.studies.inoculation_traits import study as inoculation_traits
from openwindow.studies.natural_em import study as natural_em
from openwindow.studies.prompt_ranking import study as prompt_ranking
from openwindow.studies.quickstart import study as quickstart
from openwindow.studies.rl_hacking import study as rl_hacking
from openwindow.studies.rl_inoculation import study as rl_inoculation
from openwindow.studies.rl_prevention import study as rl_prevention
from openwindow.studies.spillover import study as spillover
from openwindow.studies.templates import ON_DATA
from openwindow.studies.wind_tunnel import study as wind_tunnel
from openwindow.user_code import called

_ALL = (
    quickstart,
    inoculation_code,
    inoculation_sycophancy,
    inoculation_spurious,
    inoculation_toxic,
    inoculation_traits,
    rl_hacking,
    rl_prevention,
    rl_inoculation,
    natural_em,
    wind_tunnel,
    spillover,
)
STUDIES: dict[str, Study] = {study.name: study for study in _ALL}
_LARGEST = 1 << 24
"""bytes of a study file"""
RANKINGS: dict[str, RankingStudy] = {prompt_ranking.name: prompt_ranking}


def resolve(
    study: str | Study,
    *,
    model: str | None = None,
    seeds: int | None = None,
    quick: bool = False,
    env: str | None = None,
    mbpp: str | None = None,
    data: str | None = None,
    judge: str | None = None,
    pairs: Mapping[str, Any] | None = None,
) -> Study:
    """The study, or that of a name or file, with the command line's changes; `pairs`: options of `pairs`. Raises ConfigError."""
    name, study = (study, load(study)) if isinstance(study, str) else (study.name, study)
    if env is not None:
        study = override(study, study.in_environment(env), f"--env {env}")
    if data is not None and name in ON_DATA:
        study = override(study, ON_DATA[name](study), "the data")
    if quick:
        study = study.quickened()
    changes: dict[str, Any] = {}
    if model is not None:
        changes |= study.for_model(model) if name in STUDIES else {"model": model}
    if seeds is not None:
        if not 1 <= seeds <= MOST_SEEDS:
            raise ConfigError(
                f"--seeds is {seeds}; expected 1 or more, at most {MOST_SEEDS:,}; three or more show how seeds differ"
            )
        changes["seeds"] = tuple(range(study.seeds[0], study.seeds[0] + seeds))
    if mbpp is not None:
        if study.environment not in (CodeFunctionsEnvironment.name, MbppEnvironment.name):
            raise ConfigError(
                f"--mbpp with {study.name}; expected a study of code, and its environment is {study.environment}; drop it"
            )
        if study.environment != MbppEnvironment.name:
            changes |= study.in_environment(MbppEnvironment.name)
        changes["mbpp_path"] = mbpp
    if data is not None:
        if not find.kind_of(study.environment).reads_data:
            raise ConfigError(
                f"--data with {study.name}, whose environment is {study.environment}; expected a study whose environment reads a "
                f"file ({', '.join(name for name, kind in ENVIRONMENTS.items() if kind.reads_data)}); drop it"
            )
        changes["data_path"] = data
    if pairs:
        changes["options"] = {**study.options, **_known_pairs(study, pairs)}
    if judge is not None:
        changes |= _judging(study, judge)
    return override(study, changes, "the command line") if changes else study


def _known_pairs(study: Study, pairs: Mapping[str, Any]) -> Mapping[str, Any]:
    """The options, if the study's environment has them. Raises ConfigError."""
    for option in pairs:
        if option not in find.config_of(study.environment).model_fields:
            raise ConfigError(
                f"{option_named(option)} with {study.name}, whose environment is {study.environment}; expected one that has it: a "
                "study of your own pairs of answers, as spillover with --data, or a grader of your own, --env; drop it"
            )
    return pairs


def option_named(field: str) -> str:
    """The option of the command line that sets an option of `pairs`."""
    return f"--{field.replace('_', '-')}"


def _judging(study: Study, judge: str) -> dict[str, Any]:
    """What naming a judge changes: who reads replies to evals, and what the environment's judge scores. Raises ConfigError."""
    judged = find.kind_of(study.environment).judged
    if not judged and not study.evals:
        raise ConfigError(
            f"--judge with {study.name}, whose environment is {study.environment}; expected a study with evals, or of an "
            f"environment that a judge can score ({', '.join(name for name, kind in ENVIRONMENTS.items() if kind.judged)}); drop it"
        )
    scores = {"traits": ("", str(TraitSpec(judge=judge, words=judged)))} if judged else {}
    return scores | ({"eval_plan.judge": judge} if study.evals else {})


def resolve_ranking(
    name: str,
    *,
    model: str | None = None,
    seeds: int | None = None,
    quick: bool = False,
    env: str | None = None,
    mbpp: str | None = None,
    data: str | None = None,
    pairs: Mapping[str, Any] | None = None,
) -> RankingStudy | None:
    """The study of rankings of that name with the command line's changes; None if the name is not one. Raises ConfigError."""
    if name not in RANKINGS:
        return None
    own = ((option_named(field), value) for field, value in (pairs or {}).items())
    for option, given in (("--env", env), ("--mbpp", mbpp), ("--data", data), *own):
        if given is not None:
            raise ConfigError(
                f"{option} with {name}; expected no {option}, since its parts have environments of their own; drop it"
            )
    return RANKINGS[name].changed(model=model, seeds=seeds, quick=quick)


def load(name: str) -> Study:
    """A built-in study, or the object `study` of a Python file. Raises ConfigError."""
    if name in STUDIES:
        return STUDIES[name]
    path = Path(name)
    if path.suffix == ".py" or "/" in name:
        return _from_file(path)
    names = [*STUDIES, *RANKINGS]
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(names)}, or give a Python file"
    raise ConfigError(f"unknown study {name!r}; {hint}")


@contextmanager
def _beside(path: Path) -> Iterator[None]:
    """While the block runs, modules next to the file can be imported, as a script imports them."""
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


def _from_file(path: Path) -> Study:
    if missing(path):
        raise ConfigError(f"no study file {path!s:.200}; expected a Python file that defines `study`; check the path")
    open_regular(path, _LARGEST, name=f"the study file {path!s:.200}", expected="a Python file that defines `study`").close()
    try:
        with _beside(path):
            found = called(str(path), lambda: runpy.run_path(str(path)).get("study"))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    except ForeignError as error:
        match error.__cause__:
            case ValidationError() as cause:
                raise ConfigError(f"{path}: {explain(cause, Study, 'the study')}") from error
            case SyntaxError() as cause:
                raise ConfigError(f"{path}, line {cause.lineno}: {cause.msg}; expected valid Python; fix the line") from error
        raise ConfigError(f"{path} fails with {error.said}; expected a file that runs; fix it") from error
    if not isinstance(found, Study):
        came = "no `study`" if found is None else f"a `study` that is a {type(found).__name__}"
        raise ConfigError(f"{path} defines {came}; expected `study = Study(...)` from openwindow.experiment.study; add it")
    return found
