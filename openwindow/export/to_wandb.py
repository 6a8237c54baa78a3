"""Writes to Weights & Biases: a run per arm and seed, grouped by arm, with a table of transcripts, by `wandb`'s documented API."""

from __future__ import annotations

import netrc
import os
from pathlib import Path

from openwindow.errors import ConfigError
from openwindow.export.exported import COLUMNS, Exported
from openwindow.export.trackers import Say, Target, foreign

STEP = "step"
_HOST = "api.wandb.ai"


def write(exported: Exported, target: Target, say: Say) -> str:
    """Writes the runs; with WANDB_MODE=offline into `--out`. Raises ConfigError, also if there is no key."""
    import wandb

    offline = os.environ.get("WANDB_MODE") in ("offline", "disabled", "dryrun")
    if not offline and not _has_key():
        raise ConfigError(
            "--to wandb and there is no key; expected WANDB_API_KEY, or a login; run `wandb login`, or set WANDB_MODE=offline to "
            "write files alone"
        )
    with foreign("wandb"):
        for run in exported.runs:
            say(f"writing {run.name}")
            started = wandb.init(
                project=exported.project,
                name=run.name,
                group=run.arm,
                job_type="openwindow",
                config=dict(run.config),
                notes=exported.summary,
                dir=None if target.out is None else str(target.out),
                reinit="create_new",
            )
            started.define_metric(STEP)
            for area in sorted({name.partition("/")[0] for _, values in run.points for name in values}):
                started.define_metric(f"{area}/*", step_metric=STEP)  # a pattern needs a beginning
            for step, values in run.points:
                started.log({STEP: step, **values})
            for name, value in run.final.items():
                started.summary[name] = value
            if run.transcripts:
                started.log({"transcripts": wandb.Table(columns=list(COLUMNS), data=[list(row) for row in run.transcripts])})
            started.finish()
    where = f" in {target.out or Path('wandb')}, to be sent with `wandb sync`" if offline else ""
    return f"wandb project {exported.project!r}: {len(exported.runs)} runs{where}"


def _has_key() -> bool:
    """Whether a key is set, or stored by `wandb login`; it is not read."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = os.environ.get("WANDB_BASE_URL", f"https://{_HOST}").rpartition("/")[2]
    try:
        return netrc.netrc().authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False
