"""The options of `openwindow run` that say who computes the gradients."""

from __future__ import annotations

import dataclasses
import importlib.util
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from openwindow.cli.options import assigned, integer, option
from openwindow.errors import ConfigError

if TYPE_CHECKING:  # imports pydantic
    from openwindow.training.trl_engine.options import Options

ENGINE = "Training by TRL"
EngineOption = Annotated[str | None, option("--engine", what="trl: TRL's trainers train the arms.", panel=ENGINE, metavar="trl")]
AccelerateOption = Annotated[
    Path | None, option("--accelerate-config", what="A file as `accelerate config` writes it.", panel=ENGINE)
]
ProcessesOption = Annotated[
    int | None, integer("--processes", "How many processes train an arm. [default: as the file says, or 1]", 100_000, ENGINE)
]
VLLMOption = Annotated[
    str | None,
    option("--vllm", what="vLLM draws the rollouts: beside the training, or on a server.", panel=ENGINE, metavar="colocate | URL"),
]
EngineSetOption = Annotated[
    list[str] | None,
    option(
        "--engine-set", what="A further argument of TRL's GRPOConfig or SFTConfig; repeatable.", panel=ENGINE, metavar="NAME=VALUE"
    ),
]

SamplerOption = Annotated[
    str | None, option("--sampler", what="vllm: vLLM draws the rollouts of our own RL loop.", panel=ENGINE, metavar="vllm")
]


def sampler_of(sampler: str | None, engine: Options | None) -> str:
    """Who draws the rollouts of our own loop. Raises ConfigError."""
    if sampler is None:
        return "own"
    if sampler != "vllm":
        raise ConfigError(f"--sampler is {sampler[:60]!r}; expected vllm; give --sampler vllm, or drop it for our own")
    if engine is not None:
        raise ConfigError("--sampler with --engine trl, which samples by itself; expected one of them; give --vllm for TRL")
    if importlib.util.find_spec("vllm") is None:
        raise ConfigError(
            '--sampler vllm needs vllm, which is not installed here; expected the extra; pip install "openwindow[vllm]"'
        )
    return sampler


def engine_of(
    engine: str | None, accelerate: Path | None, processes: int | None, vllm: str | None, changes: Sequence[str]
) -> Options | None:
    """What the options say; None for our own loops. Raises ConfigError."""
    others = {"--accelerate-config": accelerate, "--processes": processes, "--vllm": vllm, "--engine-set": changes or None}
    if engine is None:
        for name, value in others.items():
            if value is not None:
                raise ConfigError(f"{name} without --engine; expected both; add --engine trl, or drop {name}")
        return None
    from openwindow.training.trl_engine.options import Options, check_installed

    if engine != "trl":
        raise ConfigError(f"--engine is {engine[:60]!r}; expected trl; give --engine trl, or drop it for our own loops")
    if processes is not None and processes < 1:
        raise ConfigError(f"--processes is {processes}; expected 1 or more; raise it, or drop it")
    if vllm is not None and vllm != "colocate" and not re.match(r"https?://", vllm):
        raise ConfigError(
            f"--vllm is {vllm[:60]!r}; expected colocate, or a server's address such as http://localhost:8000; fix it"
        )
    options = Options(
        accelerate, processes, vllm, assigned(changes, "NAME=VALUE", "vllm_gpu_memory_utilization=0.5", "--engine-set")
    )
    check_installed(options)
    _check_arguments(options)
    return options


def _check_arguments(options: Options) -> None:
    """Raises ConfigError for an argument that neither of TRL's configurations has."""
    if not options.arguments:
        return
    from trl import GRPOConfig, SFTConfig

    known = {field.name for takes in (GRPOConfig, SFTConfig) for field in dataclasses.fields(takes)}
    for name in options.arguments:
        if name not in known:
            raise ConfigError(
                f"--engine-set {name[:60]} is no argument of TRL's GRPOConfig or SFTConfig; expected one of them; check its name"
            )
