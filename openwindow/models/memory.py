"""How the C library treats the memory that large tensors leave behind."""

from __future__ import annotations

import contextlib
import ctypes
import sys


def keep_freed_memory() -> None:
    """Tells glibc's allocator to reuse freed memory instead of returning it to the system.

    Every step frees and requests the same large tensors again; where fresh pages are expensive (virtual machines), the stalls take
    many
    times as long as the step itself. Does nothing with another C library.
    """
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        for parameter, value in ((-3, 2**31 - 1), (-1, 2**31 - 1), (-2, 64 << 20)):  # mmap threshold, trim threshold, top pad
            mallopt(parameter, value)


def give_back_memory() -> None:
    """Returns freed memory to the system: between two phases, so that their peaks do not add up."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
