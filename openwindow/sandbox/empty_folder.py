"""Empties a folder that a program has written to, however it has nested, named or locked what is in it.

One descriptor is open at a time and no path is ever built, so that neither depth nor the length of names matters, and
a link is never followed. Not covered: a process that still writes to it; whoever calls this has ended them all.
Should one be left that moves folders about, it is noticed on the way up and nothing more is removed.
"""

# ruff: noqa: PTH101
# No pathlib: see isolation.py.

from __future__ import annotations

import contextlib
import os
import time

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def empty(folder: str, seconds: float = 5.0) -> bool:
    """Removes all that the folder holds, and puts its rights and times back; whether that went well, and in time."""
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
    """Puts the folder's rights and times back; a filter under which that is refused has refused it to the program as well.

    By a descriptor, since the path may be somebody's link by now; only who may not even open the folder goes by the path.
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
    """Where in the tree we are: one open folder."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def empty(self, deadline: float) -> bool:
        """Goes through the tree depth first."""
        above: list[tuple[list[str], tuple[int, int]]] = []  # of each folder above: what is left in it, and which it is
        left = self.clear()
        while left or above:
            if left:
                with contextlib.suppress(OSError):  # made without rights and never filled, where rights cannot be changed
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
        """Removes the files in the folder, and gives the names of the folders in it."""
        with os.scandir(self.fd) as entries:
            found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        for name, is_folder in found:
            if not is_folder:
                os.unlink(name, dir_fd=self.fd)
        return [name for name, is_folder in found if is_folder]

    def go(self, name: str) -> None:
        """Goes to a neighbouring folder."""
        other = os.open(name, _OPEN, dir_fd=self.fd)
        os.close(self.fd)
        self.fd = other

    def identity(self) -> tuple[int, int]:
        """Which folder this is."""
        status = os.fstat(self.fd)
        return status.st_dev, status.st_ino
