"""Names that become files and folders: of studies, their arms, contexts, settings and measures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from openwindow.errors import ConfigError

_NAME = re.compile(r"[\w+-][\w.+-]{0,79}")
_BYTES = 200  # of a name as a file system counts it, with room for what is put before and after it


def safe(name: str) -> bool:
    """Whether the name can be that of a file or folder everywhere, and is that of no other place."""
    return _NAME.fullmatch(name) is not None and len(name.encode("utf-8", "replace")) <= _BYTES


def check_names(named: Mapping[str, Iterable[str]]) -> None:
    """Names by what they are of. Raises ConfigError for the first that is not `safe`."""
    for what, names in named.items():
        for name in names:
            if not safe(name):
                shown = f"{name[:60]!r} and so on" if len(name) > 60 else repr(name)
                raise ConfigError(
                    f"{what} {shown} cannot be a file's name; expected 1 to 80 letters, "
                    "digits, _ . + or -, not beginning with a dot; choose another name"
                )
