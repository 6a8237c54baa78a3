"""TRL's `SFTTrainer` on rows that are token ids already, in the order in which they come."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datasets import Dataset
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from trl import SFTConfig, SFTTrainer

from openwindow.models.hf import LocalModel
from openwindow.models.memory import settle_memory
from openwindow.training.config import SFT
from openwindow.training.sft import schedule
from openwindow.training.trl_engine.arguments import common, merged
from openwindow.training.trl_engine.launch import Line


class Tuning(SFTTrainer):  # type: ignore[misc]
    """`SFTTrainer` with the learning rates of `training.sft`."""

    def __init__(self, config: SFT, **given: Any) -> None:
        """`given` is what `SFTTrainer` takes."""
        self.rates = config
        super().__init__(**given)

    def create_scheduler(self, num_training_steps: int, optimizer: Optimizer | None = None) -> LRScheduler:
        """One factor per optimiser step, from `sft.schedule`."""
        chosen = self.optimizer if optimizer is None else optimizer
        self.lr_scheduler = LambdaLR(chosen, lambda step: schedule(self.rates, step, num_training_steps))
        return self.lr_scheduler


class Reporting(TrainerCallback):  # type: ignore[misc]
    """Reports every optimiser step."""

    def __init__(self, line: Line | None, config: SFT) -> None:
        self.line = line
        self.config = config
        self.began = time.perf_counter()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """TRL's hook, in every process."""
        settle_memory()

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: dict[str, Any], **_: Any) -> None:
        """TRL's hook: `logs` has the loss, the gradient's norm and the rate of one step; the last call of all has none."""
        if self.line is None or "loss" not in logs:
            return
        updated = {
            "train/loss": logs["loss"],
            "train/grad_norm": logs["grad_norm"],
            "train/clipped_steps": int(logs["grad_norm"] > self.config.max_grad_norm),
            "train/learning_rate": self.config.learning_rate * schedule(self.config, state.global_step - 1, state.max_steps),
        }
        now = time.perf_counter()
        self.line.send({"kind": "updated", "step": state.global_step - 1, "updated": updated, "seconds": now - self.began})
        self.began = now


def made(model: LocalModel, job: Mapping[str, Any], folder: Path, line: Line | None) -> SFTTrainer:
    """The trainer of the job. Raises ConfigError."""
    config = SFT.model_validate(job["config"])
    own = {
        **common(config, job, folder, model),
        "max_steps": job["steps"],
        "per_device_train_batch_size": job["each"],
        "gradient_accumulation_steps": job["passes"],
        "max_length": None,
        "packing": False,
        "shuffle_dataset": False,
        "train_sampling_strategy": "sequential",
        "average_tokens_across_devices": True,
        "dataset_kwargs": {"skip_prepare_dataset": True},
        "loss_type": "nll",
        "save_strategy": "no",
    }
    return Tuning(
        config,
        model=model.network,
        args=SFTConfig(**merged(own, job["arguments"], SFTConfig)),
        train_dataset=Dataset.from_list(job["rows"]),
        processing_class=model.tokenizer,
        callbacks=[Reporting(line, config)],
    )
