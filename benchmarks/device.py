"""What the benchmarks run on: a CPU, or a GPU whose work has to be waited for."""

from __future__ import annotations

import argparse
import resource

import torch


def where(parser: argparse.ArgumentParser) -> None:
    """Adds the options for the model and the device of both sides."""
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:N, or auto for CUDA if there is one")


def finish() -> None:
    """Waits until the GPU, if one is in use, has done what it was given."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def peak() -> str:
    """The most memory in use so far: of the GPU if one is in use, otherwise of the process."""
    if torch.cuda.is_initialized():
        return f"peak memory so far {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB of the GPU"
    return f"peak memory so far {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB"
