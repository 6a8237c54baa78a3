"""The modes of the network during training."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

_SHORT = 512  # tokens; up to here plain attention is faster on a CPU than the fused kernel, beyond it takes too much memory


@contextlib.contextmanager
def training_mode(network: Any, longest: int) -> Iterator[None]:
    """The network in training mode, with the attention that is fastest for rows of `longest` tokens; frozen at the end."""
    attention = network.config._attn_implementation
    network.train()
    if network.device.type == "cpu" and longest <= _SHORT:
        network.set_attn_implementation("eager")
    try:
        yield
    finally:
        network.set_attn_implementation(attention)
        network.eval()
