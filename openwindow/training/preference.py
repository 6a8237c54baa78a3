"""Direct preference optimisation (DPO, Rafailov et al. 2023, arXiv 2305.18290): one visible loop, on one device.

Of each pair the aligned answer is made more likely against the misaligned one, measured from the model as it was at the beginning.
How it departs from the plainest loop (and from TRL's `DPOTrainer`):

1. The reference is the same network before its first step, with the adapter that it may have had by then; its log-probabilities are
   computed once, before the loop, in the same passes. There is no second model in memory.
2. Log-probabilities are sums over the response tokens, those of calls of tools included and what the tools gave back left out.
   What both answers begin with, such as a first call, cancels.
3. Both answers of a pair are in one forward pass, in which LoRA on the CPU runs their prompt once (`models/llama_gradient.py`); the
   loss is averaged over the pairs of the optimiser's batch, however it is cut.
4. Batches, logits, optimiser and schedule are those of `training/sft.py`; so are checks for what is not finite.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from openwindow.errors import RunError
from openwindow.models.examples import Example
from openwindow.models.hf import LocalModel
from openwindow.models.scoring import response_logits
from openwindow.training.batches import shuffled_batches
from openwindow.training.config import SFT
from openwindow.training.forward import training_mode
from openwindow.training.optimizer import MasterAdamW, check_finite
from openwindow.training.sft import Metrics, encode, schedule
from openwindow.types import Message


@dataclass(frozen=True, slots=True)
class Pair:
    """Two examples that begin with the same prompt: the answer to be preferred, and the other one."""

    aligned: Example
    misaligned: Example

    @property
    def tokens(self) -> int:
        """Tokens of both."""
        return len(self.aligned.tokens) + len(self.misaligned.tokens)


def encode_pairs(model: LocalModel, pairs: Sequence[tuple[Sequence[Message], Sequence[Message]]], max_length: int) -> list[Pair]:
    """Tokenised pairs of whole conversations, the aligned one first. Raises DataError as `sft.encode`."""
    aligned, misaligned = (encode(model, [pair[side] for pair in pairs], max_length) for side in (0, 1))
    return [Pair(*both) for both in zip(aligned, misaligned, strict=True)]


def train_pairs(
    model: LocalModel, pairs: Sequence[Pair], config: SFT, beta: float, seed: int, on_step: Callable[[Metrics], None]
) -> None:
    """Trains `model.network` in place; `on_step` gets the metrics of every optimiser step.

    `config` speaks of pairs where it says rows. With `config.method` `lora` an adapter must be on. Raises ConfigError, RunError.
    """
    total = config.steps(len(pairs))
    rng = random.Random(f"preference/{seed}")
    torch.manual_seed(seed)
    reference = reference_margins(model, pairs, config.micro_batch_size)
    weights = MasterAdamW(model.network, config.method, config.weight_decay)
    batches: list[list[int]] = []
    longest = max(len(e.tokens) for pair in pairs for e in (pair.aligned, pair.misaligned))
    with training_mode(model.network, longest):
        for step in range(total):
            started = time.perf_counter()
            if not batches:
                batches = shuffled_batches(pairs, config.batch_size, rng)
            batch = batches.pop(0)
            loss, gains = 0.0, []
            for part in passes(batch, pairs, config.micro_batch_size):
                gain_B = margins(model, [pairs[i] for i in part]) - torch.tensor([reference[i] for i in part], device=model.device)
                loss_of_part = preference_loss(gain_B, beta).sum() / len(batch)
                torch.autograd.backward(loss_of_part)
                loss += float(loss_of_part.detach())
                gains += gain_B.tolist()
            if not math.isfinite(loss):
                raise RunError(f"the loss at step {step + 1} of {total} is {loss}; a finite one was expected; lower learning_rate")
            rate = config.learning_rate * schedule(config, step, total)
            norm = weights.step(rate, config.max_grad_norm)
            metrics: Metrics = {
                "train/step": step + 1,
                "train/loss": loss,
                "train/margin": sum(gains) / len(gains),
                "train/preferred": sum(gain > 0 for gain in gains) / len(gains),
                "train/grad_norm": norm,
                "train/clipped_steps": int(norm > config.max_grad_norm),
                "train/learning_rate": rate,
                "train/tokens": sum(pairs[i].tokens for i in batch),
                "time/seconds": time.perf_counter() - started,
            }
            check_finite(metrics, weights.trained if step + 1 == total else (), step + 1)
            on_step(metrics)
    model.network.requires_grad_(False)


def preference_loss(gain_B: torch.Tensor, beta: float) -> torch.Tensor:
    """The loss (B,) of each pair: -log sigmoid(beta * gain).

    `gain_B` (B,), in nats, is how much more the policy prefers the aligned answer than the reference does: the difference of their
    log-probabilities under the policy, minus the same under the reference.
    """
    return -torch.nn.functional.logsigmoid(beta * gain_B)


def margins(model: LocalModel, pairs: Sequence[Pair]) -> torch.Tensor:
    """Log-probability (B,) in nats of each pair's aligned answer, minus that of the misaligned one, in one forward pass."""
    rows = [example for pair in pairs for example in (pair.aligned, pair.misaligned)]
    logits_NV, targets_N = response_logits(model.network, rows, model.device, model.has_plain_head())
    logp_N = -torch.nn.functional.cross_entropy(logits_NV.float(), targets_N, reduction="none")
    sums = [part.sum() for part in torch.split(logp_N, [row.response for row in rows])]
    return torch.stack(sums[::2]) - torch.stack(sums[1::2])


@torch.no_grad()
def reference_margins(model: LocalModel, pairs: Sequence[Pair], size: int) -> list[float]:
    """The same of all pairs under the model as it is, in their order."""
    found = [0.0] * len(pairs)
    for part in passes(range(len(pairs)), pairs, size):
        for i, margin in zip(part, margins(model, [pairs[i] for i in part]).tolist(), strict=True):
            found[i] = margin
    return found


def passes(batch: Sequence[int], pairs: Sequence[Pair], size: int) -> list[list[int]]:
    """The pairs of a batch, by index, cut into forward passes of at most `size` rows, short ones first."""
    order, pairs_each = sorted(batch, key=lambda i: pairs[i].tokens), max(1, size // 2)
    return [order[start : start + pairs_each] for start in range(0, len(order), pairs_each)]
