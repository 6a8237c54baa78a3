"""Training by TRL: which arms it can train, what a run by it says of itself, and what an arm hands to it."""

from __future__ import annotations

import importlib.metadata
from typing import Any

from openwindow.errors import ConfigError
from openwindow.experiment.arm import Arm
from openwindow.experiment.rl_arm import RLArm
from openwindow.experiment.run_folder import WHOLE, RunFolder, unit_of
from openwindow.experiment.study import Study
from openwindow.files.run_files import read_json
from openwindow.files.writing import write_json
from openwindow.training.config import GRPO
from openwindow.training.trl_engine.options import Launch, Options, check_installed, differences

NAME = "trl"
FOLDER = "engine"
"""TRL's folder in that of an unfinished arm"""


def check(study: Study, options: Options) -> None:
    """Raises ConfigError, before anything is trained, for what is not installed or what TRL cannot train."""
    check_installed(options)
    world = options.world()
    for name, arm in study.arms.items():
        if (lacks := _lacking(arm, options)) is not None:
            what, do = lacks
            raise ConfigError(
                f"--engine {NAME}: arm {name!r} has {what}, which TRL cannot train; expected an arm without; {do}, or train with "
                "our own loops"
            )
        if isinstance(arm, RLArm) and arm.reinforces and arm.follows is None:
            _check_shares(name, arm.train, world)


def check_sampler(study: Study) -> None:
    """Raises ConfigError for an arm whose policy cannot be handed to vLLM."""
    for name, arm in study.arms.items():
        if isinstance(arm, RLArm) and arm.reinforces and arm.train.method == "full":
            raise ConfigError(
                f"--sampler vllm: arm {name!r} has train.method 'full'; expected 'lora', whose adapter is handed over; change it, "
                "or drop --sampler"
            )


def _lacking(arm: Arm, options: Options) -> tuple[str, str] | None:
    """What of an arm TRL cannot train, and what to do about it; None where it can."""
    safety = arm.safety_training
    if arm.continues is not None:
        return "fork", "leave it out by --arms"
    if safety is not None and safety.method == "preference":
        return "safety_training with method 'preference'", "set method to 'sft'"
    if isinstance(arm, RLArm) and arm.reinforces:
        if safety is not None and safety.place == "during":
            return "safety_training with place 'during' beside RL", "set place to 'after'"
        if arm.train.importance_cap is not None and options.vllm is None:
            return "train.importance_cap without vLLM", "give --vllm"
    return None


def _check_shares(name: str, config: GRPO, processes: int) -> None:
    """Raises ConfigError if the rollouts of a step cannot be shared out evenly."""
    rollouts = config.prompts_per_step * config.group_size
    if rollouts % processes:
        raise ConfigError(
            f"--engine {NAME}: a step of arm {name!r} has {rollouts} rollouts (train.prompts_per_step {config.prompts_per_step} * "
            f"train.group_size {config.group_size}) for {processes} processes; expected a multiple of their number; change one of "
            "the three"
        )


def note(study: Study, folder: RunFolder, options: Options) -> None:
    """Writes into provenance.json which engine trains the arms, and what it does otherwise than our loops."""
    said: dict[str, list[str]] = {}
    for name, arm in study.arms.items():
        if arm.trains:
            for line in differences(arm.trained_by, options):
                said.setdefault(line, []).append(name)
    trained = [name for name, arm in study.arms.items() if arm.trains]
    noted: dict[str, Any] = {
        "name": f"TRL {importlib.metadata.version('trl')}",
        "processes": options.world(),
        "accelerate_config": None if options.accelerate is None else str(options.accelerate),
        "vllm": options.vllm,
        "arguments": dict(options.arguments),
        "differences": [line if arms == trained else f"{line} ({', '.join(arms)})" for line, arms in said.items()],
    }
    with folder.turn(WHOLE):
        write_json(folder.path / "provenance.json", read_json(folder.path / "provenance.json") | {"engine": noted})


def launched(options: Options, folder: RunFolder, arm: str, seed: int, under: list[str]) -> Launch:
    """What an arm needs to be trained by TRL; `under` as `saved_start` has it."""
    adapter = folder.path.resolve() / unit_of(arm, seed) / "adapter"
    kept = folder.path.resolve() / "checkpoints" / arm / f"seed-{seed}"
    return Launch(options, tuple((adapter / path).resolve() for path in under), kept / FOLDER)
