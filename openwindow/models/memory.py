"""How the C library treats the memory that large tensors leave behind."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from pathlib import Path

_GROWTH = 1 << 30
"""bytes by which memory may grow through gaps between blocks before they are returned"""
_WARM = 4
"""pieces of work after which a process has reached the size that it needs"""


def keep_freed_memory() -> None:
    """Tells glibc's allocator to reuse freed memory instead of returning it to the system.

    Every step frees and requests the same large tensors again; where fresh pages are expensive (virtual machines), the stalls take
    many times as long as the step itself. Does nothing with another C library.
    """
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        for parameter, value in ((-3, 2**31 - 1), (-1, 2**31 - 1), (-2, 64 << 20)):  # mmap threshold, trim threshold, top pad
            mallopt(parameter, value)


class _Watched:
    """How large this process was over the first pieces of work since memory was last returned, in bytes."""

    pieces = 0
    size = 0


def give_back_memory() -> None:
    """Returns freed memory to the system: between two phases, so that their peaks do not add up."""
    _Watched.pieces = _Watched.size = 0
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


def settle_memory() -> None:
    """To be called after each piece of work: returns freed memory to the system when the process has grown far beyond its needs.

    Tensors of ever other shapes leave gaps that the next ones do not fit into, so that memory which is kept grows without end.
    """
    size = _resident()
    if _Watched.pieces < _WARM:
        _Watched.pieces, _Watched.size = _Watched.pieces + 1, max(_Watched.size, size)
    elif size > _Watched.size + _GROWTH:
        give_back_memory()


def _resident() -> int:
    """Bytes of this process in memory; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
