"""Tokens per second of `openwindow.models.sampling` against `transformers.generate`: same model, prompts, lengths and precision.

    python benchmarks/sampling.py [--prompts 6] [--group 8] [--tokens 32] [--repeats 3] [--adapter] [--precision auto]
        [--model smollm2] [--device auto]

Both draw `group` replies to each prompt at temperature 1, in one batch, in interleaved runs after one run each to warm up; no reply
ends before `tokens` are drawn, so that both do the same work. `--adapter` puts a LoRA adapter on the model; `--precision auto` is
bf16 where the processor multiplies it in hardware, else fp32. The last line is `ratio R`: ours over theirs.
"""

from __future__ import annotations

import argparse
import os
import warnings
from collections.abc import Sequence

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from device import finish, where
from turns import Way, by_turns, rate

from openwindow.environments.code.functions import CodeFunctions
from openwindow.models.base import Sampling
from openwindow.models.hf import LocalModel, load
from openwindow.models.sampling import sample
from openwindow.types import Message


def ours(model: LocalModel, prompts: Sequence[list[int]], tokens: int) -> int:
    """Tokens drawn by our sampler."""
    how = Sampling(tokens, 1.0, len(prompts), 0)
    return sum(len(d.tokens) for d in sample(model.network, prompts, frozenset(), how, plain_head=model.has_plain_head()))


@torch.inference_mode()
def theirs(model: LocalModel, prompts: Sequence[list[int]], tokens: int) -> int:
    """Tokens drawn by `generate`, prompts padded on the left."""
    width = max(len(p) for p in prompts)
    ids = torch.tensor([[0] * (width - len(p)) + p for p in prompts], device=model.device)
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=model.device)
    out = model.network.generate(
        input_ids=ids, attention_mask=mask, do_sample=True, temperature=1.0, top_k=0, max_new_tokens=tokens, min_new_tokens=tokens
    )
    finish()
    return int(out[:, width:].numel())


def main() -> None:
    """Runs both in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=6)
    parser.add_argument("--group", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--adapter", action="store_true")
    parser.add_argument("--precision", choices=("auto", "bf16", "fp32"), default="auto")
    where(parser)
    chosen = parser.parse_args()
    warnings.filterwarnings("ignore")
    model = load(chosen.model, chosen.precision, chosen.device)
    if chosen.adapter:
        model.attach_adapter(16, 32, 0.0)
    environment = CodeFunctions((2, 3))
    asked = [[Message("user", environment.prompt(p))] for p in environment.problems("train", chosen.prompts, 0)]
    prompts = [model.encode_prompt(a) for a in asked for _ in range(chosen.group)]
    ways: dict[str, Way] = {
        "openwindow": rate(lambda: ours(model, prompts, chosen.tokens)),
        "transformers": rate(lambda: theirs(model, prompts, chosen.tokens)),
    }
    for way in ways.values():
        way()  # warms up
    by_turns(ways, chosen.repeats, "tokens/s")


if __name__ == "__main__":
    main()
