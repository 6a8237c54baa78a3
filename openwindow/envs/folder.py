"""Empties a folder that a program has written to, however it has nested, named or locked what is in it.

Folders inside are flattened first, so that neither depth nor the length of paths matters. Not covered: a process that
still writes to it; whoever calls this has ended them all.
"""

# ruff: noqa: PTH101, PTH104, PTH106, PTH108
# No pathlib: see isolation.py.

from __future__ import annotations

import os


def empty(folder: str) -> bool:
    """Removes all that the folder holds, and puts its rights and times back; whether that went well."""
    try:
        os.chmod(folder, 0o700)
        count = 0
        inner: list[str] = _clear(folder)
        while inner:
            path = inner.pop()
            os.chmod(path, 0o700)
            for name in _clear(path):
                count += 1
                flat = f"{folder}/{os.getpid()}-{count}"
                os.rename(name, flat)
                inner.append(flat)
            os.rmdir(path)
        os.utime(folder, (0, 0))
        return not os.listxattr(folder)
    except OSError:
        return False


def _clear(folder: str) -> list[str]:
    """Removes the files in the folder, and gives the folders in it."""
    with os.scandir(folder) as entries:
        found = [(entry.path, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for path, is_folder in found:
        if not is_folder:
            os.unlink(path)
    return [path for path, is_folder in found if is_folder]
