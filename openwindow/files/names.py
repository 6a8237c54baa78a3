"""Checks names that become files and folders: of studies, arms, contexts, environments and measures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from openwindow.errors import ConfigError

_NAME = re.compile(r"[\w+-][\w.+-]{0,79}")
_BYTES = 200  # maximum bytes of a name in a file system, with room for a prefix and a suffix


def safe(name: str) -> bool:
    """Whether the name is valid for a file or folder on every system and cannot point anywhere else."""
    return _NAME.fullmatch(name) is not None and len(name.encode("utf-8", "replace")) <= _BYTES


def check_names(named: Mapping[str, Iterable[str]]) -> None:
    """`named` groups names by what they name. Raises ConfigError for the first name that is not `safe`."""
    for what, names in named.items():
        for name in names:
            if not safe(name):
                shown = f"{name[:60]!r} and so on" if len(name) > 60 else repr(name)
                raise ConfigError(
                    f"{what} {shown} cannot be a file's name; expected 1 to 80 letters, "
                    "digits, _ . + or -, not beginning with a dot; choose another name"
                )
