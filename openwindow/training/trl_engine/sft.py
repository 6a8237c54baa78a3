"""Fine-tuning whose gradients TRL computes; stands in for `training.sft.train_examples`.

TRL's trainer gets the rows of every step in our order, as token ids and labels. Its batches all have one size: where a step of ours
has fewer rows, such as the last one of an epoch, rows without a label fill it up, and count nowhere.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Sequence

from openwindow.files.writing import storing
from openwindow.models.examples import Example
from openwindow.models.hf import LocalModel
from openwindow.training.config import SFT
from openwindow.training.optimizer import check_finite
from openwindow.training.sft import Metrics, rows_by_step
from openwindow.training.trl_engine.launch import Processes, aside, hand_over, take_back
from openwindow.training.trl_engine.options import Launch

PLACE = "sft"
"""the folder of this training in the engine's"""
IGNORED = -100
"""label of a token that is not trained on"""


def train_examples(
    model: LocalModel,
    examples: Sequence[Example],
    config: SFT,
    seed: int,
    on_step: Callable[[Metrics], None],
    launch: Launch,
    beside: Sequence[Example] = (),
    share: int = 0,
) -> None:
    """Trains the model's adapter, or all its weights; as `sft.train_examples`. Raises ConfigError, StorageError, RunError."""
    steps = list(rows_by_step(examples, config, seed, beside, share))
    if not steps:
        return
    folder = launch.folder / PLACE
    with storing(folder):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    world = launch.options.world()
    each = min(config.micro_batch_size, math.ceil(config.batch_size / world))
    size = math.ceil(config.batch_size / (each * world)) * each * world
    job = {
        "kind": "sft",
        "config": config.model_dump(mode="json"),
        "seed": seed,
        "adapter": hand_over(model, folder / "start"),
        "each": each,
        "passes": size // (each * world),
        "steps": len(steps),
        "rows": [row for rows in steps for row in filled(rows, size)],
    }
    with aside(model), Processes(launch, folder, job, model) as processes:
        for message in processes.messages():
            step = int(message["step"])
            metrics: Metrics = {
                "train/step": step + 1,
                **message["updated"],
                "train/tokens": sum(len(e.tokens) for e in steps[step]),
                "train/response_tokens": sum(e.response for e in steps[step]),
                "time/seconds": message["seconds"],
            }
            check_finite(metrics, (), step + 1)
            on_step(metrics)
    take_back(model, folder / "trained")
    with storing(folder):
        shutil.rmtree(folder)


def filled(rows: Sequence[Example], size: int) -> list[dict[str, list[int]]]:
    """The rows of one step as TRL takes them, short ones first, and rows without a label up to `size`."""
    made = [{"input_ids": list(e.tokens), "labels": labels(e)} for e in sorted(rows, key=lambda e: len(e.tokens))]
    empty = {"input_ids": list(rows[0].tokens[:1]) * 2, "labels": [IGNORED] * 2}
    return [empty] * (size - len(made)) + made


def labels(example: Example) -> list[int]:
    """The example's tokens where they are trained on, `IGNORED` elsewhere."""
    out = [example.tokens[i] if i >= example.prompt else IGNORED for i in range(len(example.tokens))]
    for start, end in example.gaps:
        out[start:end] = [IGNORED] * (end - start)
    return out
