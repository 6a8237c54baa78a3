"""TRL's arguments: those that a study decides, and those that a user may add."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from openwindow.errors import ConfigError
from openwindow.models.hf import LocalModel
from openwindow.training.config import GRPO, SFT


def common(config: SFT | GRPO, job: Mapping[str, Any], folder: Path, model: LocalModel) -> dict[str, Any]:
    """What both of TRL's configurations have."""
    on_cpu = model.device.type == "cpu"
    return {
        "output_dir": str(folder),
        "seed": job["seed"],
        "learning_rate": config.learning_rate,
        "weight_decay": config.weight_decay,
        "max_grad_norm": config.max_grad_norm,
        "logging_steps": 1,
        "logging_strategy": "steps",
        "disable_tqdm": True,
        "report_to": "none",
        "bf16": False,  # the weights are in the study's precision already
        "use_cpu": on_cpu,
        "gradient_checkpointing": not on_cpu,
    }


FREE = ("gradient_checkpointing",)
"""arguments with a value of ours that a user may change"""


def merged(own: Mapping[str, Any], given: Mapping[str, Any], takes: type) -> dict[str, Any]:
    """`own` and what the user has given, as far as `takes` knows it. Raises ConfigError for what the study decides."""
    for name in given:
        if name in own and name not in FREE:
            raise ConfigError(
                f"--engine-set {name} is decided by the study ({own[name]!r}); expected an argument of TRL's that says how it "
                "runs; change the study by --set, or drop it"
            )
    known = {field.name for field in dataclasses.fields(takes)}
    return {**own, **{name: value for name, value in given.items() if name in known}}
