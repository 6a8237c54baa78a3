"""Objects of a Python file or a module of the user's, as `my_env.py:MyEnv` and `my_package.envs:MyEnv` name them."""

from __future__ import annotations

import difflib
import functools
import importlib.util
import pkgutil
import re
import sys
from pathlib import Path
from types import ModuleType

from openwindow.errors import ConfigError, EnvironmentFault, ForeignError
from openwindow.files.bounded import missing, open_regular
from openwindow.user_code import called

_LARGEST = 1 << 24
"""maximum size of a Python file, in bytes"""
OBJECT = re.compile(r"(?P<where>.+\.py|[A-Za-z_][\w.]*):(?P<name>[A-Za-z_]\w*)")
"""FILE.py:OBJECT or MODULE:OBJECT"""


def named_object(spec: str) -> tuple[object, Path | None]:
    """The object of FILE.py:OBJECT or MODULE:OBJECT, and its file if it has one. Raises UserError."""
    match = OBJECT.fullmatch(spec)
    if match is None:
        raise ConfigError(f"{spec!r} names no object; expected FILE.py:OBJECT or MODULE:OBJECT; write it so")
    where, name = match["where"], match["name"]
    if where.endswith(".py"):
        path = Path(where).expanduser()
        return object_of(path, name), path
    if (here := str(Path.cwd())) not in sys.path:  # a module of the user's own is found where the command is run
        sys.path.insert(0, here)
    try:
        module = called(spec, importlib.import_module, where)
    except ForeignError as error:
        raise EnvironmentFault(
            f"cannot load {spec} ({error.said}): expected a file or a module that can be imported from here; check the name"
        ) from error
    try:
        found = called(spec, pkgutil.resolve_name, f"{where}:{name}")  # a module may make its names when they are asked for
    except ForeignError:
        known = [n for n in vars(module) if not n.startswith("_")]
        raise EnvironmentFault(
            f"{where} has no {name!r}: expected MODULE:OBJECT with one of {', '.join(known[:20]) or 'none'}; name one"
        ) from None
    return found, None if module.__file__ is None else Path(module.__file__)


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
