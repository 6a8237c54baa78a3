"""Objects of a Python file of the user's, as `my_env.py:MyEnv` names them."""

from __future__ import annotations

import difflib
import functools
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from openwindow.errors import ConfigError
from openwindow.files.bounded import missing, open_regular
from openwindow.user_code import called

_LARGEST = 1 << 24
"""maximum size of a Python file, in bytes"""


def object_of(path: Path, name: str) -> object:
    """The object of that name in a Python file. Raises ConfigError, DataError, and ForeignError if the file fails."""
    if missing(path):
        raise ConfigError(f"{path!s:.200} does not exist; expected a Python file that defines {name}; check the path")
    open_regular(path, _LARGEST, name=f"{path!s:.200}", expected="a Python file").close()
    names = vars(_module(path.resolve(), path.stat().st_mtime_ns))
    if name not in names:
        own = [other for other in names if not other.startswith("_")]
        near = difflib.get_close_matches(name, own, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(own[-20:]) or 'nothing'}; name one"
        raise ConfigError(f"{path!s:.200} defines no {name!r}; {hint}")
    return names[name]


@functools.cache
def _module(path: Path, changed: int) -> ModuleType:
    """The file as a module; read again once it has `changed`, its time in ns."""
    name = f"openwindow_user_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{path} cannot be imported; expected a Python file; check its name")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pydantic look up annotations there
    called(str(path), spec.loader.exec_module, module)
    return module
