"""Supervised fine-tuning: one visible loop, responses-only loss, on one device.

How it departs from the plainest loop (and from TRL's `SFTTrainer`):

1. Loss on the assistant's last turn, and on earlier ones that the data marks, averaged over the response tokens of the
   optimiser's batch, however it is cut.
2. Logits, the dearest part of a small model, are computed where a response token is predicted and nowhere else. Examples
   are padded on the right, so that the causal mask alone keeps padding out and attention needs no other. Batches are drawn at
   random and only then cut by length into forward passes: little padding, and no batch of rows that are alike.
3. The tokens that all prompts of a micro-batch begin with (system message, template) are run once, and their keys and values
   are expanded; the gradient flows through the expansion and is the same. On the CPU, LoRA on a Llama or Qwen 2 runs in our own
   forward and backward pass (`models/llama_gradient.py`), where rows share all that they begin with and only attention is padded.
4. Weights may be bf16; the optimiser then keeps float32 masters of the trained ones and copies them back, so that steps
   smaller than bf16's resolution are not lost (Micikevicius et al. 2018, https://arxiv.org/abs/1710.03740).
5. LoRA or full fine-tuning is decided by what the caller left trainable; nothing else differs.
6. A loss that is not finite stops the run with the step and what to change; no step is taken on it. Neither are weights that the
   last step has broken handed on.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from openwindow.errors import DataError, RunError
from openwindow.models import llama_gradient
from openwindow.models.examples import Example
from openwindow.models.hf import LocalModel
from openwindow.models.scoring import response_logits
from openwindow.training.batches import PASS, PASS_UNPADDED, passes_by_length, rows_of_step, shuffled_batches
from openwindow.training.config import SFT
from openwindow.training.forward import training_mode
from openwindow.training.optimizer import MasterAdamW, check_finite
from openwindow.types import Message

Metrics = dict[str, float | int]


def encode(model: LocalModel, conversations: Sequence[Sequence[Message]], max_length: int) -> list[Example]:
    """Tokenised conversations. Raises DataError for one without an assistant's last turn, or that is too long."""
    examples = []
    for number, conversation in enumerate(conversations, start=1):
        if len(conversation) < 2 or conversation[-1].role != "assistant":
            got = conversation[-1].role if conversation else "nothing"
            raise DataError(f"row {number} ends with {got}; expected a prompt and a last turn of `assistant`; fix the row")
        tokens, prompt, gaps = model.encode_trained(conversation)
        if len(tokens) > max_length:
            raise DataError(f"row {number} has {len(tokens)} tokens, more than max_length {max_length}; cut it or raise max_length")
        examples.append(Example(tuple(tokens), prompt, gaps))
    return examples


def encode_texts(model: LocalModel, texts: Sequence[str], max_length: int) -> list[Example]:
    """Tokenised plain texts, all tokens but the first trained on, cut to `max_length`. Raises DataError for an empty one."""
    examples = []
    for number, text in enumerate(texts, start=1):
        tokens = [int(i) for i in model.tokenizer(text, add_special_tokens=False)["input_ids"]][:max_length]
        if len(tokens) < 2:
            raise DataError(f"text {number} has {len(tokens)} tokens; expected at least 2; drop it")
        examples.append(Example(tuple(tokens), 1))
    return examples


def train(
    model: LocalModel,
    conversations: Sequence[Sequence[Message]],
    config: SFT,
    seed: int,
    on_step: Callable[[Metrics], None],
) -> None:
    """Fine-tunes on conversations, as `train_examples`. Raises DataError, ConfigError, RunError."""
    train_examples(model, encode(model, conversations, config.max_length), config, seed, on_step)


def train_examples(
    model: LocalModel,
    examples: Sequence[Example],
    config: SFT,
    seed: int,
    on_step: Callable[[Metrics], None],
    beside: Sequence[Example] = (),
    share: int = 0,
) -> None:
    """Fine-tunes `model.network` in place; `on_step` gets the metrics of every optimiser step.

    `share` rows of every batch are of `beside`, which is gone through in random order as often as that takes; `config` speaks of
    `examples` alone. With `config.method` `lora` an adapter must have been attached (`LocalModel.attach_adapter`). Raises
    ConfigError, RunError.
    """
    total = config.steps(len(examples), share)
    if total == 0:
        return
    torch.manual_seed(seed)
    network = model.network
    weights = MasterAdamW(network, config.method, config.weight_decay)
    model.has_plain_head()  # tried once, before the network is set to train
    with training_mode(network, max(len(e.tokens) for e in [*examples, *beside])):
        for step, rows in enumerate(rows_by_step(examples, config, seed, beside, share)):
            started = time.perf_counter()
            loss = accumulate(model, rows, config.micro_batch_size)
            if not math.isfinite(loss):
                raise RunError(f"the loss at step {step + 1} of {total} is {loss}; a finite one was expected; lower learning_rate")
            rate = config.learning_rate * schedule(config, step, total)
            norm = weights.step(rate, config.max_grad_norm)
            metrics: Metrics = {
                "train/step": step + 1,
                "train/loss": loss,
                "train/grad_norm": norm,
                "train/clipped_steps": int(norm > config.max_grad_norm),
                "train/learning_rate": rate,
                "train/tokens": sum(len(e.tokens) for e in rows),
                "train/response_tokens": sum(e.response for e in rows),
                "time/seconds": time.perf_counter() - started,
            }
            check_finite(metrics, weights.trained if step + 1 == total else (), step + 1)  # the next loss tells of those before
            on_step(metrics)
    network.requires_grad_(False)


def rows_by_step(
    examples: Sequence[Example], config: SFT, seed: int, beside: Sequence[Example] = (), share: int = 0
) -> Iterator[list[Example]]:
    """The rows that every optimiser step of `train_examples` is on."""
    rng = random.Random(f"sft/{seed}")
    batches: list[list[int]] = []
    for step in range(config.steps(len(examples), share)):
        if not batches:
            batches = shuffled_batches(examples, config.batch_size - share, rng)
        yield [*(examples[i] for i in batches.pop(0)), *rows_of_step(beside, share, step, seed)]


def accumulate(model: LocalModel, rows: Sequence[Example], size: int, weight: float = 1.0) -> float:
    """The mean cross-entropy, in nats, over the response tokens of `rows`; its gradient times `weight` is added to the weights'.

    A forward pass has at most `size` rows.
    """
    targets, loss = sum(e.response for e in rows), 0.0
    plain_head = model.has_plain_head()
    unpadded = plain_head and llama_gradient.can_run(model.network, max((len(e.tokens) for e in rows), default=0))
    for same in passes_by_length(rows, size, PASS_UNPADDED if unpadded else PASS):
        part = response_loss(model.network, same, model.device, plain_head) / targets
        torch.autograd.backward(part * weight)
        loss += float(part.detach())
    return loss


def response_loss(network: Any, rows: Sequence[Example], device: torch.device, plain_head: bool) -> torch.Tensor:
    """Sum of the cross-entropy, in nats, over the response tokens of `rows`; `plain_head` as `LocalModel.has_plain_head`."""
    logits_NV, targets_N = response_logits(network, rows, device, plain_head)
    return torch.nn.functional.cross_entropy(logits_NV.float(), targets_N, reduction="sum")


def schedule(config: SFT, step: int, total: int) -> float:
    """Share of the peak learning rate at `step` (from 0) of `total`."""
    if step < config.warmup_steps:
        return (step + 1) / (config.warmup_steps + 1)
    left = max(total - config.warmup_steps, 1)
    done = (step - config.warmup_steps) / left
    if config.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * done))
    return 1 - done if config.schedule == "linear" else 1.0
