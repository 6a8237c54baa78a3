"""Memory that tensors of ever other shapes leave behind is returned, not gathered."""

from __future__ import annotations

import subprocess
import sys

import pytest

WORK = """
from openwindow.models import memory
memory.keep_freed_memory()
memory._GROWTH, memory._WARM = 32 << 20, 1
kept, sizes = [], []
for megabytes in (1, 2.5, 6, 14):  # each too large for the gaps that those before it left
    blocks = [bytearray(int(megabytes * (1 << 20)) * b"x") for _ in range(32)]
    for block in blocks[1::2]:
        del block[2000:]  # shrinks where it is
    kept += blocks[1::2]
    del blocks, block
    memory.{call}
    sizes.append(memory._resident() >> 20)
print(max(sizes))
"""


def largest(call: str) -> int:
    """Megabytes of a process at the most, after any of four pieces of work, the largest of which needs 448 at once."""
    done = subprocess.run([sys.executable, "-c", WORK.replace("{call}", call)], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="the allocator is glibc's")
def test_memory_is_returned_where_it_grows() -> None:
    assert largest("_resident()") > 700
    assert largest("settle_memory()") < 500
