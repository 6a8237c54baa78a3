"""Checkpoints of a training loop: what it resumes from, and the adapter at that step, complete or not at all."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from openwindow.errors import ConfigError, RunError
from openwindow.files.writing import storing
from openwindow.training.config import GRPO
from openwindow.training.optimizer import MasterAdamW

if TYPE_CHECKING:
    from openwindow.models.hf import LocalModel

STATE = "state.pt"


def write(folder: Path, weights: MasterAdamW, model: LocalModel, config: GRPO, step: int) -> None:
    """Saves the adapter as `step-N`, and then, in one move, the state that training resumes from. Raises StorageError."""
    with storing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if config.method == "lora":
            scratch = folder / f".step-{step}"
            shutil.rmtree(scratch, ignore_errors=True)
            model.save(scratch, [])
            final = folder / f"step-{step}"
            shutil.rmtree(final, ignore_errors=True)
            scratch.rename(final)
    store(folder, {"step": step, "config": config.model_dump(mode="json"), **weights.state_dict()})


def store(folder: Path, state: Mapping[str, Any]) -> None:
    """Makes `state` what training in `folder` resumes from, complete or not at all. Raises StorageError."""
    with whole(folder) as path:
        torch.save(dict(state), path)


@contextmanager
def whole(folder: Path) -> Iterator[Path]:
    """A path to write the state of `folder` to; it replaces the former state once everything is written. Raises StorageError."""
    with storing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        beside = folder / f".{STATE}"
        yield beside
        beside.replace(folder / STATE)


def discard(folder: Path) -> None:
    """Deletes the state and everything next to it, if there is any.

    It is renamed first, so that an interrupted delete never leaves a partial checkpoint. Raises StorageError.
    """
    if not folder.is_dir():
        return
    dropped = folder.with_name(f".{folder.name}.partial")  # the run folder drops such names
    with storing(folder):
        shutil.rmtree(dropped, ignore_errors=True)
        folder.rename(dropped)
    shutil.rmtree(dropped, ignore_errors=True)


def steps_done(folder: Path) -> int:
    """The step of the last checkpoint in `folder`, 0 without one. Raises RunError if it cannot be read."""
    state = state_in(folder)
    return 0 if state is None else int(state["step"])


def resume(folder: Path, weights: MasterAdamW, config: GRPO) -> int:
    """Loads the last state into `weights`; returns how many steps are done, 0 without a state.

    Raises ConfigError for the state of another configuration, and RunError if it cannot be read.
    """
    state = state_in(folder)
    if state is None:
        return 0
    if state["config"] != config.model_dump(mode="json"):
        raise ConfigError(f"{folder} holds the state of another training configuration; expected the same; give another run folder")
    weights.load_state_dict(state)
    return int(state["step"])


def state_in(folder: Path) -> dict[str, Any] | None:
    """The state of the last checkpoint in `folder`, None without one. Raises RunError if it cannot be read."""
    path = folder / STATE
    if not path.is_file():
        return None
    try:
        state = torch.load(path, weights_only=True)
        return {name: state[name] for name in ("step", "config", "masters", "optimizer")}
    except (OSError, RuntimeError, LookupError, EOFError, ValueError, TypeError, pickle.UnpicklingError) as error:
        what = str(error).partition("\n")[0]
        raise RunError(f"{path} cannot be read ({what}); expected a checkpoint; delete {folder} to train again") from error
