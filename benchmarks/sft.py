"""Tokens per second of `openwindow.training.sft` against TRL's `SFTTrainer`: same model, rows, batches, LoRA and precision.

    python benchmarks/sft.py [--rows 64] [--batch 8] [--repeats 3] [--method lora|full] [--model smollm2] [--device auto]

Both train the embedded model on the quickstart's flawed rows, loss on the responses only, in interleaved runs; the first
step of each run is warm-up and not counted. Prints a table and, as its last line, `ratio R`: ours over TRL's.
"""

from __future__ import annotations

import argparse
import os
import warnings
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
import trl_run
from device import where
from trl import SFTConfig, SFTTrainer
from turns import by_turns

from openwindow.environments.code.environment import CodeFunctionsEnvironment
from openwindow.environments.code.functions import CodeFunctions
from openwindow.environments.code.gameable import GradedConfig
from openwindow.environments.training_rows import flawed_rows
from openwindow.models.hf import load
from openwindow.training.config import SFT
from openwindow.training.sft import train
from openwindow.types import Message

Conversations = list[tuple[Message, ...]]


def conversations(count: int) -> Conversations:
    """The quickstart's flawed rows."""
    environment = CodeFunctionsEnvironment(GradedConfig(difficulty=(1, 2)))
    problems = CodeFunctions((1, 2)).problems("train", count, 0)
    return [row.messages for row in flawed_rows(environment, problems, 1.0, 0)]


def ours(rows: Conversations, batch: int, method: str, model_name: str, device: str) -> tuple[list[float], str]:
    """Tokens per second, and the loss of the last step."""
    model = load(model_name, device=device)
    torch.manual_seed(0)
    config = SFT(method=method, batch_size=batch, micro_batch_size=batch, learning_rate=1e-4)
    if method == "lora":
        model.attach_adapter(config.lora_rank, config.lora_alpha, 0.0)
    steps: list[dict[str, Any]] = []
    train(model, rows, config, 0, steps.append)
    counted = steps[1:]
    speed = sum(s["train/tokens"] for s in counted) / sum(s["time/seconds"] for s in counted)
    return [speed], f"loss {steps[-1]['train/loss']:.3f}"


def trl(rows: Conversations, batch: int, method: str, model_name: str, device: str) -> tuple[list[float], str]:
    """Tokens per second of `SFTTrainer` on the same rows in its own batches, and its mean loss."""
    model = load(model_name, device=device)  # the same loader, so that the weights are the same
    turns = [[{"role": m.role, "content": m.content} for m in row] for row in rows]
    data = [{"prompt": turn[:-1], "completion": turn[-1:]} for turn in turns]
    settings = {
        "per_device_train_batch_size": batch,
        "num_train_epochs": 1,
        "lr_scheduler_type": "linear",
        "warmup_steps": 2,
        "completion_only_loss": True,
        "dataset_num_proc": None,
        "max_length": 1024,
    }
    seconds, loss = trl_run.run(SFTTrainer, SFTConfig, model, data, settings, adapter=SFT() if method == "lora" else None)
    # Counts the real tokens of a whole epoch, without padding; the share of the steps after the first is timed.
    tokens = sum(len(model.encode_example(row)[0]) for row in rows)
    return [tokens * len(seconds) / (len(seconds) + 1) / sum(seconds)], f"loss {loss:.3f}"


def main() -> None:
    """Runs both in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--method", choices=("lora", "full"), default="lora")
    where(parser)
    chosen = parser.parse_args()
    warnings.filterwarnings("ignore")
    work = conversations(chosen.rows), chosen.batch, chosen.method, chosen.model, chosen.device
    by_turns({"openwindow": lambda: ours(*work), "TRL": lambda: trl(*work)}, chosen.repeats, "tokens/s")


if __name__ == "__main__":
    main()
