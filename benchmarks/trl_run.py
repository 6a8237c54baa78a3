"""One training run with a TRL trainer, with timed steps."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Sequence
from typing import Any

import torch
from datasets import Dataset
from device import finish
from transformers import TrainerCallback

from openwindow.models.hf import LocalModel
from openwindow.training.config import GRPO, SFT


class _Clock(TrainerCallback):  # type: ignore[misc]
    def __init__(self) -> None:
        self.times: list[float] = []

    def on_step_end(self, *_: Any, **__: Any) -> None:
        finish()
        self.times.append(time.perf_counter())


def run(
    trainer: type[Any],
    config: type[Any],
    model: LocalModel,
    rows: Sequence[dict[str, Any]],
    settings: dict[str, Any],
    *,
    adapter: GRPO | SFT | None,
    **more: Any,
) -> tuple[list[float], float]:
    """Seconds of each step after the first, which warms up, and the mean loss.

    The model gets the adapter that `adapter` describes, as ours does, or all its weights are trained. It is attached here because
    TRL
    would make its factors float32 whatever the model's dtype. `settings` are added to the trainer's configuration that every run
    has,
    and `more` goes to the trainer itself.
    """
    clock = _Clock()
    torch.manual_seed(0)
    if adapter is not None:
        model.attach_adapter(adapter.lora_rank, adapter.lora_alpha, adapter.lora_dropout)
    else:
        model.network.requires_grad_(True)
    trained = {name: weight.detach().clone() for name, weight in model.network.named_parameters() if weight.requires_grad}
    with tempfile.TemporaryDirectory() as folder:
        arguments = config(
            output_dir=folder,
            learning_rate=1e-4,
            use_cpu=model.device.type == "cpu",
            bf16=False,  # the weights keep their precision, as ours do
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
            callbacks=[clock],
            **more,
        ).train()
    assert any(not torch.equal(model.network.get_parameter(name), weight) for name, weight in trained.items()), (
        "nothing was trained"
    )
    return [after - before for before, after in itertools.pairwise(clock.times)], float(done.training_loss)
