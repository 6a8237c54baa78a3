"""Trackers by name, and what they share: the library that each needs, and one line for whatever it raises."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from openwindow.errors import ConfigError, OpenWindowError
from openwindow.export.exported import Exported

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Target:
    """Where a run is written to: a folder for those trackers that write files, None for where they write by themselves."""

    out: Path | None
    """--out"""


Write = Callable[[Exported, Target, Say], str]
"""writes a run and returns, in a line, where it is and how to look at it"""


@dataclass(frozen=True, slots=True)
class Tracker:
    """One tracker."""

    module: str
    """Our module that writes to it."""
    needs: str
    """The library that must be installed."""
    pip: str
    """What installs it."""
    takes_out: bool
    """Whether --out is a folder for it."""


TRACKERS = {
    "tensorboard": Tracker("openwindow.export.to_tensorboard", "tensorboard", "openwindow[trackers]", True),
    "trackio": Tracker("openwindow.export.to_trackio", "trackio", "openwindow[trackers]", False),
    "wandb": Tracker("openwindow.export.to_wandb", "wandb", "wandb", True),
    "mlflow": Tracker("openwindow.export.to_mlflow", "mlflow", "mlflow", False),
}


def writer(name: str, out: Path | None) -> Write:
    """The function that writes to a tracker. Raises ConfigError for an unknown one, or if its library is not installed."""
    tracker = TRACKERS.get(name)
    if tracker is None:
        raise ConfigError(f"--to is {name[:60]!r}; expected {', '.join(TRACKERS)}; choose one")
    if out is not None and not tracker.takes_out:
        raise ConfigError(f"--out {out} with --to {name}, which keeps its own files; expected no folder; drop it")
    library(tracker.needs, f"--to {name}", tracker.pip)
    write: Write = vars(importlib.import_module(tracker.module))["write"]
    return write


def library(name: str, what: str, pip: str) -> ModuleType:
    """An optional library. Raises ConfigError with the line that installs it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(f"{what} needs {error.name or name}, which is not installed; pip install '{pip}'") from error


@contextlib.contextmanager
def foreign(what: str) -> Iterator[None]:
    """Turns whatever a tracker raises into one line; what it prints goes to standard error. Raises ConfigError."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except (OpenWindowError, KeyboardInterrupt):
        raise
    except Exception as error:
        said = " ".join(str(error).split())[:240] or type(error).__name__
        raise ConfigError(
            f"{what} refuses ({said}); expected it to take the run; fix that, then give the same command again"
        ) from error
