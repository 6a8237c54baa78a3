"""The small folders of workers below /tmp: each is held while its creator lives, and those that nobody holds are removed.

A folder is held by a lock on it, which the kernel drops with the process, however that ended. So the next start can distinguish the
folder of a killed worker from that of a running one, in any container.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
import time
from pathlib import Path

from openwindow.sandbox import empty_folder

_PREFIX = "openwindow-box-"
_YOUNG = 60.0  # seconds during which a new folder may not be held yet


class Scratch:
    """A new folder, held until `close`."""

    def __init__(self) -> None:
        """First removes what others have left."""
        sweep()
        self.path = tempfile.mkdtemp(prefix=_PREFIX)
        self.held = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self.held, fcntl.LOCK_EX)

    def close(self) -> None:
        """Removes the folder and everything in it, once, whichever thread comes first."""
        held, self.held = self.held, -1
        if held >= 0:
            _remove(Path(self.path))
            os.close(held)


def sweep() -> None:
    """Removes this user's folders that nobody holds."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if os.geteuid() in (0, os.fstat(fd).st_uid) and time.time() - path.stat().st_mtime > _YOUNG:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    _remove(path)
            finally:
                os.close(fd)


def _remove(path: Path) -> None:
    if path.is_dir() and empty_folder.empty(str(path)):
        path.rmdir()
