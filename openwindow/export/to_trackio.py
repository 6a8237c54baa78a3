"""Writes to trackio: a run per arm and seed, grouped by arm, in trackio's local database or the server that its variables name."""

from __future__ import annotations

from openwindow.errors import ConfigError
from openwindow.export.exported import COLUMNS, Exported
from openwindow.export.trackers import Say, Target, foreign

SUMMARY = "summary"


def write(exported: Exported, target: Target, say: Say) -> str:
    """Writes into the project, which must have no run of one of these names. Raises ConfigError."""
    import trackio

    project = exported.project
    with foreign("trackio"):
        there = _names_in(project)
        for run in exported.runs:
            if run.name in there:
                raise ConfigError(
                    f"trackio's project {project!r} has a run {run.name!r} already; expected new names; choose another --project"
                )
        for run in exported.runs:
            say(f"writing {run.name}")
            trackio.init(
                project=project,
                name=run.name,
                group=run.arm,
                config=dict(run.config),
                embed=False,
                auto_log_gpu=False,
                auto_log_cpu=False,
            )
            for step, values in run.points:
                trackio.log(dict(values), step=step)
            last = run.points[-1][0] if run.points else 0
            if run.final:
                trackio.log(dict(run.final), step=last)
            if run.transcripts:
                rows = [dict(zip(COLUMNS, row, strict=True)) for row in run.transcripts]
                trackio.log(
                    {"transcripts": trackio.Table(data=[list(row.values()) for row in rows], columns=list(COLUMNS))}, step=last
                )
            trackio.finish()
        if SUMMARY not in there:
            trackio.init(
                project=project,
                name=SUMMARY,
                config={"summary": exported.summary},
                embed=False,
                auto_log_gpu=False,
                auto_log_cpu=False,
            )
            trackio.finish()
    return f"trackio project {project!r}: trackio show --project {project!r}"


def _names_in(project: str) -> set[str]:
    """Names of the runs that the project has; none where there is no such project."""
    import trackio

    try:
        return {run.name for run in trackio.Api().runs(project)}
    except ValueError:  # there is no such project
        return set()
