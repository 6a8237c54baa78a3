"""Where the stages before all arms lie in a run folder, and whether they are finished. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping

from openwindow.environments.base import behaviour
from openwindow.experiment.run_folder import RunFolder
from openwindow.experiment.study import RequestStage, Study

START = "start"
AS_IT_CAME = "start/as-it-came"
STAGE = "start/request-stage"
KNOWLEDGE = "start/knowledge"
UPBRINGING = "start/upbringing"


def stage_unit(stage: str, study: Study, seed: int) -> str:
    """The folder of a stage as trained with the seed."""
    return f"{stage}/seed-{seed}" if study.starts == "per_seed" else stage


def follows(found: Mapping[str, Mapping[str, float | None]], study: Study, stage: RequestStage) -> bool:
    """Whether, by these rates, the behaviour appears when asked for and not otherwise."""
    measure = behaviour(study.measures).name
    asked, plain = found[study.request][measure], found[study.plain][measure]
    return asked is not None and plain is not None and asked >= stage.follows_above and plain <= stage.honest_below


def is_trained(study: Study, folder: RunFolder, seed: int) -> bool:
    """Whether all that the start of the seed needs is finished, so that it has only to be loaded."""
    stages = [stage for stage, asked in ((KNOWLEDGE, study.knowledge), (UPBRINGING, study.upbringing)) if asked is not None]
    if study.request_stage is not None:
        if not folder.is_done(AS_IT_CAME):
            return False
        if not follows(folder.done(AS_IT_CAME)["rates"], study, study.request_stage):
            stages.append(STAGE)
    return all(folder.is_done(stage_unit(stage, study, seed)) for stage in stages)
