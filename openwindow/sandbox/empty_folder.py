"""Empties a folder that a program has written to, however it nested, named or locked the contents.

Only one descriptor is open at a time and no path is ever built, so neither depth nor the length of names matters, and a link is
never followed. Not covered: a process that still writes to the folder; callers have ended them all. If one is left that moves
folders around, this is noticed on the way up and nothing more is removed.
"""

# ruff: noqa: PTH101
# No pathlib: see isolation.py.

from __future__ import annotations

import contextlib
import os
import time

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def empty(folder: str, seconds: float = 5.0) -> bool:
    """Removes everything in the folder and restores its permissions and times; returns whether that succeeded in time."""
    try:
        _mark(folder)
        here = _Here(os.open(folder, _OPEN))
        try:
            emptied = here.empty(time.monotonic() + seconds)
        finally:
            os.close(here.fd)
        _mark(folder)
        return emptied and not os.listxattr(folder)
    except OSError:
        return False


def _mark(folder: str) -> None:
    """Restores the folder's permissions and times; a filter that refuses this has refused it to the program as well.

    It uses a descriptor, since the path may be somebody's link by now; the path is used only if the folder cannot even be opened.
    """
    with contextlib.suppress(PermissionError):
        try:
            fd = os.open(folder, _OPEN)
        except PermissionError:
            os.chmod(folder, 0o700)
            fd = os.open(folder, _OPEN)
        try:
            os.fchmod(fd, 0o700)
            os.utime(fd, (0, 0))
        finally:
            os.close(fd)


class _Here:
    """The current place in the tree: one open folder."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def empty(self, deadline: float) -> bool:
        """Walks the tree depth first."""
        above: list[tuple[list[str], tuple[int, int]]] = []  # for each folder above: what is left in it, and its identity
        left = self.clear()
        while left or above:
            if left:
                with contextlib.suppress(OSError):  # created without permissions and unchangeable
                    os.rmdir(left[-1], dir_fd=self.fd)
                    left.pop()
                    continue
                above.append((left, self.identity()))
                with contextlib.suppress(PermissionError):
                    os.chmod(left[-1], 0o700, dir_fd=self.fd)
                self.go(left[-1])
                left = self.clear()
            else:
                self.go("..")
                left, identity = above.pop()
                if self.identity() != identity or time.monotonic() > deadline:
                    return False
                os.rmdir(left.pop(), dir_fd=self.fd)
        return True

    def clear(self) -> list[str]:
        """Removes the files in the folder and returns the names of the folders in it."""
        with os.scandir(self.fd) as entries:
            found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        for name, is_folder in found:
            if not is_folder:
                os.unlink(name, dir_fd=self.fd)
        return [name for name, is_folder in found if is_folder]

    def go(self, name: str) -> None:
        """Moves to a neighbouring folder."""
        other = os.open(name, _OPEN, dir_fd=self.fd)
        os.close(self.fd)
        self.fd = other

    def identity(self) -> tuple[int, int]:
        """The identity of this folder."""
        status = os.fstat(self.fd)
        return status.st_dev, status.st_ino
