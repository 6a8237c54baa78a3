"""Tokens per second of `openwindow.training.sft` against TRL's `SFTTrainer`: same model, rows, batches, LoRA and precision.

    python benchmarks/sft.py [--rows 64] [--batch 8] [--repeats 3] [--method lora|full]

Both train the embedded model on the quickstart's flawed rows, loss on the responses only, in interleaved runs; the first
step of each run is warm-up and not counted. Prints a table and, as its last line, `ratio R`: ours over TRL's.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
import warnings
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from datasets import Dataset
from peft import LoraConfig
from rich.console import Console
from rich.table import Table
from transformers import TrainerCallback
from trl import SFTConfig, SFTTrainer

from openwindow.envs.code_functions import CodeFunctions
from openwindow.models.hf import load
from openwindow.settings.base import Options
from openwindow.settings.code import Code
from openwindow.settings.rows import flawed_rows
from openwindow.training.config import SFT
from openwindow.training.sft import train
from openwindow.types import Message

Conversations = list[tuple[Message, ...]]


def conversations(count: int) -> Conversations:
    """The quickstart's flawed rows."""
    setting = Code("code_functions", Options(difficulty=(1, 2)))
    problems = CodeFunctions((1, 2)).problems("train", count, 0)
    return [row.messages for row in flawed_rows(setting, problems, 1.0, 0)]


def ours(rows: Conversations, batch: int, method: str) -> tuple[float, float]:
    """Tokens per second, and the loss of the last step."""
    model = load("smollm2", "bf16")
    torch.manual_seed(0)
    config = SFT(method=method, batch_size=batch, micro_batch_size=batch, learning_rate=1e-4)  # type: ignore[arg-type]
    if method == "lora":
        model.attach_adapter(config.lora_rank, config.lora_alpha, 0.0)
    steps: list[dict[str, Any]] = []
    train(model, rows, config, 0, steps.append)
    counted = steps[1:]
    return sum(s["train/tokens"] for s in counted) / sum(s["time/seconds"] for s in counted), steps[-1]["train/loss"]


class _Clock(TrainerCallback):  # type: ignore[misc]
    def __init__(self) -> None:
        self.times: list[float] = []

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.times.append(time.perf_counter())


def trl(rows: Conversations, batch: int, method: str) -> tuple[float, float]:
    """Tokens per second of `SFTTrainer` on the same rows in its own batches, and its mean loss."""
    model = load("smollm2", "bf16")  # the same loader, so that the weights are the same
    data = Dataset.from_list(
        [
            {
                "prompt": [{"role": m.role, "content": m.content} for m in row[:-1]],
                "completion": [{"role": row[-1].role, "content": row[-1].content}],
            }
            for row in rows
        ]
    )
    clock = _Clock()
    with tempfile.TemporaryDirectory() as folder:
        config = SFTConfig(
            output_dir=folder,
            per_device_train_batch_size=batch,
            num_train_epochs=1,
            learning_rate=1e-4,
            lr_scheduler_type="linear",
            warmup_steps=2,
            use_cpu=True,
            bf16=False,  # the weights are bf16 already, as ours are
            gradient_checkpointing=False,
            completion_only_loss=True,
            logging_strategy="no",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            dataset_num_proc=None,
            max_length=1024,
            seed=0,
        )
        lora = LoraConfig(r=16, lora_alpha=32, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM")
        if method == "full":
            model.network.requires_grad_(True)
        trainer = SFTTrainer(
            model=model.network,
            args=config,
            train_dataset=data,
            processing_class=model.tokenizer,
            peft_config=lora if method == "lora" else None,
            callbacks=[clock],
        )
        result = trainer.train()
    # What is counted is real tokens of a whole epoch, padding not; the share of the steps after the first is timed.
    tokens = sum(len(model.encode_example(row)[0]) for row in rows)
    steps = len(clock.times)
    return tokens * (steps - 1) / steps / (clock.times[-1] - clock.times[0]), float(result.training_loss)


def main() -> None:
    """Runs both by turns."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--method", choices=("lora", "full"), default="lora")
    chosen = parser.parse_args()
    warnings.filterwarnings("ignore")
    rows = conversations(chosen.rows)
    speeds: dict[str, list[float]] = {"openwindow": [], "TRL": []}
    console = Console()
    with console.status("training by turns") as status:
        for turn in range(chosen.repeats):
            for name, run in (("openwindow", ours), ("TRL", trl)):
                status.update(f"turn {turn + 1} of {chosen.repeats}: {name}")
                speed, loss = run(rows, chosen.batch, chosen.method)
                speeds[name].append(speed)
                console.print(f"turn {turn + 1}  {name:<11} {speed:6.0f} tokens/s  loss {loss:.3f}", highlight=False)
    table = Table("", "median tokens/s", box=None)
    for name, values in speeds.items():
        table.add_row(name, f"{statistics.median(values):.0f}")
    console.print(table)
    print(f"ratio {statistics.median(speeds['openwindow']) / statistics.median(speeds['TRL']):.2f}")


if __name__ == "__main__":
    main()
