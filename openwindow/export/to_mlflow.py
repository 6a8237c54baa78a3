"""Writes to MLflow: a run per arm and seed in the experiment of the study, by `mlflow`'s documented client."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from openwindow.export.exported import COLUMNS, Exported, Tracked
from openwindow.export.trackers import Say, Target, foreign

METRICS, PARAMS = 500, 100
"""of each in one request, which takes 1000 in all and 1 MB"""
LONGEST = 500
"""characters of a parameter"""


def write(exported: Exported, target: Target, say: Say) -> str:
    """Writes to the server or folder of MLFLOW_TRACKING_URI. Raises ConfigError."""
    import mlflow

    with foreign("mlflow"):
        client = mlflow.MlflowClient()
        there = client.get_experiment_by_name(exported.project)
        experiment = client.create_experiment(exported.project) if there is None else there.experiment_id
        for run in exported.runs:
            say(f"writing {run.name}")
            tags = {"arm": run.arm, "mlflow.note.content": exported.summary}
            made = client.create_run(experiment, run_name=run.name, tags=tags).info.run_id
            _write_run(client, made, run)
            client.set_terminated(made)
    return f"mlflow experiment {exported.project!r}: {len(exported.runs)} runs; mlflow ui"


def _write_run(client: Any, made: str, run: Tracked) -> None:
    from mlflow.entities import Metric, Param

    now, last = int(time.time() * 1000), run.points[-1][0] if run.points else 0
    values = [(name, value, step) for step, of_step in run.points for name, value in of_step.items()]
    values += [(name, value, last) for name, value in run.final.items()]
    for part in _parts(values, METRICS):
        client.log_batch(made, metrics=[Metric(name, value, now, step) for name, value, step in part])
    for part in _parts(list(run.config.items()), PARAMS):
        client.log_batch(made, params=[Param(name, str(value)[:LONGEST]) for name, value in part])
    if run.transcripts:
        columns = {name: [row[at] for row in run.transcripts] for at, name in enumerate(COLUMNS)}
        client.log_table(made, columns, artifact_file="transcripts.json")


def _parts(values: Sequence[Any], most: int) -> list[Sequence[Any]]:
    return [values[at : at + most] for at in range(0, len(values), most)]
