"""Fine-tunes a model on rows and writes metrics and weights into a run folder, and restores weights."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from openwindow.conversations.safety import Conversation
from openwindow.data.rows import Row
from openwindow.experiment.arm import ArmRun, Trained
from openwindow.files.writing import append_jsonl, storing, write_jsonl
from openwindow.interventions.safety_training import SafetyTraining
from openwindow.models.examples import Example
from openwindow.models.hf import LocalModel
from openwindow.models.memory import give_back_memory
from openwindow.progress import Reporter
from openwindow.training.config import GRPO, SFT
from openwindow.training.preference import encode_pairs, train_pairs
from openwindow.training.sft import encode, encode_texts, train_examples
from openwindow.training.trl_engine import sft as by_trl
from openwindow.training.trl_engine.options import Launch


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
    beside: Sequence[Example] = (),
    share: int = 0,
    launch: Launch | None = None,
) -> dict[str, float]:
    """Trains on the rows and on plain texts, and adds to metrics.jsonl in `path`; returns seconds by phase.

    An adapter that is on is trained further; else a fresh one is attached where `config.method` is `lora`, and stays. `beside`
    and `share` are those of `train_examples`. With `launch`, TRL computes the gradients.
    """
    began = time.perf_counter()
    metrics: list[dict[str, Any]] = []
    torch.manual_seed(seed)
    trainable(model, config)
    examples = encode(model, [row.messages for row in rows], config.max_length) + encode_texts(model, texts, config.max_length)
    with reporter.step(f"seed {seed}: training {arm}", config.steps(len(examples), share)) as advance:

        def on_step(values: dict[str, float | int]) -> None:
            metrics.append({"arm": arm, "seed": seed, "stage": stage, "step": values["train/step"], **values})
            advance(1)

        if launch is None:
            train_examples(model, examples, config, seed, on_step, beside, share)
        else:
            by_trl.train_examples(model, examples, config, seed, on_step, launch, beside, share)
    give_back_memory()
    append_jsonl(path / "metrics.jsonl", metrics)
    return {"train": time.perf_counter() - began}


def prefer(
    model: LocalModel,
    conversations: Sequence[Conversation],
    config: SFT,
    beta: float,
    seed: int,
    path: Path,
    arm: str,
    stage: str,
    reporter: Reporter,
) -> dict[str, float]:
    """Trains on the aligned against the misaligned answers, and adds to metrics.jsonl in `path`; returns seconds by phase.

    The adapter is as in `fine_tune`.
    """
    began = time.perf_counter()
    metrics: list[dict[str, Any]] = []
    torch.manual_seed(seed)
    trainable(model, config)
    pairs = encode_pairs(model, [(c.messages, c.rejected) for c in conversations], config.max_length)
    with reporter.step(f"seed {seed}: training {arm} by preference", config.steps(len(pairs))) as advance:

        def on_step(values: dict[str, float | int]) -> None:
            metrics.append({"arm": arm, "seed": seed, "stage": stage, "step": values["train/step"], **values})
            advance(1)

        train_pairs(model, pairs, config, beta, seed, on_step)
    give_back_memory()
    append_jsonl(path / "metrics.jsonl", metrics)
    return {"train": time.perf_counter() - began}


def trainable(model: LocalModel, config: SFT | GRPO) -> None:
    """Makes the adapter that is on trainable, or attaches a fresh one where none is and `config.method` is `lora`."""
    if model.adapted:
        model.resume_adapter()
    elif config.method == "lora":
        model.attach_adapter(config.lora_rank, config.lora_alpha, config.lora_dropout)


def tuned(
    run: ArmRun, rows: Sequence[Row], config: SFT, stage: str, counts: Mapping[str, Any], safety: SafetyTraining | None = None
) -> Trained:
    """Fine-tunes an arm on the rows, if there are any, and writes them down; `counts` are noted beside their number.

    Rows of a safety training with place `during` are interleaved.
    """
    timing: dict[str, float] = {}
    among: dict[str, Any] = {}
    write_jsonl(run.path / "train_rows.jsonl", [row.record(run.name, run.seed, stage) for row in rows])
    if rows:
        beside, share = safety_beside(run, safety, config)
        among = {"safety_rows": len(beside)} if beside else {}
        timing = fine_tune(
            run.model, rows, config, run.seed, run.path, run.name, stage, run.reporter,
            beside=beside, share=share, launch=run.launch,
        )  # fmt: skip
    return Trained(config.method if rows else None, timing, {"train_rows": len(rows), **among, **counts})


def safety_beside(run: ArmRun, safety: SafetyTraining | None, config: SFT | GRPO) -> tuple[list[Example], int]:
    """The rows of a safety training with place `during`, which it writes down, and how many of them a batch has; else none."""
    if safety is None or safety.place != "during":
        return [], 0
    conversations = safety.conversations(run.seed)
    write_safety(run, conversations, safety)
    longest = config.max_length if isinstance(config, SFT) else safety.train.max_length
    return encode(run.model, [c.messages for c in conversations], longest), safety.beside(config)


def write_safety(run: ArmRun, conversations: Sequence[Conversation], safety: SafetyTraining) -> None:
    """Writes down what a safety training trains on, with the answers that it is trained against where there are any."""
    paired = safety.method == "preference"
    write_jsonl(run.path / "safety_rows.jsonl", [c.record(run.name, run.seed, paired=paired) for c in conversations])


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
