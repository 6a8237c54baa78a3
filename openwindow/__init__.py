"""openwindow: what does a flawed training signal teach a model besides the task, and what keeps that from spreading?

`load_study`, `run` and `read_run` are the Python interface (docs/python.md). They are imported when they are first used, so that
`import openwindow` stays light.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openwindow.api import Run, Study, load_study, read_run, run

__version__ = "0.1.0"
__all__ = ["Run", "Study", "__version__", "load_study", "read_run", "run"]


def __getattr__(name: str) -> Any:
    """What `__all__` names, from `openwindow.api`. Raises AttributeError."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return vars(import_module("openwindow.api"))[name]


def __dir__() -> list[str]:
    """What a notebook offers to complete."""
    return sorted({*globals(), *__all__})
