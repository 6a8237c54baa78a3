"""Fine-tunes a model on rows and writes metrics and weights into a run folder, and restores weights."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from openwindow.data.rows import Row
from openwindow.experiment.arm import ArmRun, Trained
from openwindow.files.writing import storing, write_jsonl
from openwindow.models.hf import LocalModel
from openwindow.models.memory import give_back_memory
from openwindow.progress import Reporter
from openwindow.training.config import SFT
from openwindow.training.sft import encode, encode_texts, train_examples


def fine_tune(
    model: LocalModel,
    rows: Sequence[Row],
    config: SFT,
    seed: int,
    path: Path,
    arm: str,
    stage: str,
    reporter: Reporter,
    *,
    texts: Sequence[str] = (),
) -> dict[str, float]:
    """Trains on the rows and on plain texts, and writes metrics.jsonl into `path`; returns seconds by phase.

    An adapter stays attached if `config.method` is `lora`.
    """
    began = time.perf_counter()
    metrics: list[dict[str, Any]] = []
    torch.manual_seed(seed)
    if config.method == "lora":
        model.attach_adapter(config.lora_rank, config.lora_alpha, config.lora_dropout)
    examples = encode(model, [row.messages for row in rows], config.max_length) + encode_texts(model, texts, config.max_length)
    with reporter.step(f"seed {seed}: training {arm}", config.steps(len(examples))) as advance:

        def on_step(values: dict[str, float | int]) -> None:
            metrics.append({"arm": arm, "seed": seed, "stage": stage, "step": values["train/step"], **values})
            advance(1)

        train_examples(model, examples, config, seed, on_step)
    give_back_memory()
    write_jsonl(path / "metrics.jsonl", metrics)
    return {"train": time.perf_counter() - began}


def tuned(run: ArmRun, rows: Sequence[Row], config: SFT, stage: str, counts: Mapping[str, Any]) -> Trained:
    """Fine-tunes an arm on the rows, if there are any, and records them; `counts` are stored along with their number."""
    timing: dict[str, float] = {}
    if rows:
        timing = fine_tune(run.model, rows, config, run.seed, run.path, run.name, stage, run.reporter)
        save_trained(run.model, run.path, config.method, run.under)
    write_jsonl(run.path / "train_rows.jsonl", [row.record(run.name, run.seed, stage) for row in rows])
    return Trained(config.method if rows else None, timing, {"train_rows": len(rows), **counts})


def save_trained(model: LocalModel, path: Path, method: str, under: Sequence[str]) -> None:
    """Writes the adapter or all weights into `path`; `under` as `LocalModel.save`."""
    folder = path / ("adapter" if method == "lora" else "weights")
    with storing(folder):
        model.save(folder, under)


def load_trained(model: LocalModel, path: Path, method: str) -> None:
    """Loads what `save_trained` wrote."""
    if method == "lora":
        model.merge_saved_adapter(path / "adapter")
    else:
        model.load_weights(path / "weights")


def snapshot(model: LocalModel) -> dict[str, torch.Tensor]:
    """A copy of all weights, to restore after an arm that trains them."""
    return {name: value.clone() for name, value in model.network.state_dict().items()}
