"""One training run with a trainer of TRL, its steps timed."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Sequence
from typing import Any

from datasets import Dataset
from peft import LoraConfig
from transformers import TrainerCallback

from openwindow.models.hf import LocalModel


class _Clock(TrainerCallback):  # type: ignore[misc]
    def __init__(self) -> None:
        self.times: list[float] = []

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.times.append(time.perf_counter())


def run(
    trainer: type[Any],
    config: type[Any],
    model: LocalModel,
    rows: Sequence[dict[str, Any]],
    settings: dict[str, Any],
    lora: bool = True,
    **more: Any,
) -> tuple[list[float], float]:
    """Seconds of each step after the first, which warms up, and the mean loss.

    `settings` go into the trainer's configuration beside those that every run has, and `more` to the trainer itself.
    """
    clock = _Clock()
    adapter = LoraConfig(r=16, lora_alpha=32, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM")
    if not lora:
        model.network.requires_grad_(True)
    with tempfile.TemporaryDirectory() as folder:
        arguments = config(
            output_dir=folder,
            learning_rate=1e-4,
            use_cpu=True,
            bf16=False,  # the weights are bf16 already, as ours are
            gradient_checkpointing=False,
            logging_strategy="no",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            seed=0,
            **settings,
        )
        done = trainer(
            model=model.network,
            args=arguments,
            train_dataset=Dataset.from_list(list(rows)),
            processing_class=model.tokenizer,
            peft_config=adapter if lora else None,
            callbacks=[clock],
            **more,
        ).train()
    return [after - before for before, after in itertools.pairwise(clock.times)], float(done.training_loss)
