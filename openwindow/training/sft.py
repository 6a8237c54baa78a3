"""Supervised fine-tuning: one visible loop, responses-only loss, on one device.

How it departs from the plainest loop (and from TRL's `SFTTrainer`):

1. Loss on the assistant's last turn only, averaged over the response tokens of the optimiser's batch, however it is cut.
2. Logits, the dearest part of a small model, are computed where a response token is predicted and nowhere else. Examples
   are padded on the right, so that the causal mask alone keeps padding out and attention needs no other.
3. The tokens that all prompts of a micro-batch begin with (system message, template) are run once, and their keys and values
   are expanded; the gradient flows through the expansion and is the same.
4. Weights may be bf16; the optimiser then keeps float32 masters of the trained ones and copies them back, so that steps
   smaller than bf16's resolution are not lost (Micikevicius et al. 2018, https://arxiv.org/abs/1710.03740).
5. LoRA or full fine-tuning is decided by what the caller left trainable; nothing else differs.
6. A loss that is not finite stops the run with the step and what to change; no step is taken on it.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import DynamicCache

from openwindow.errors import ConfigError, DataError, RunError
from openwindow.models.hf import LocalModel
from openwindow.training.batches import Example, collate, shuffled_batches
from openwindow.training.config import SFT
from openwindow.types import Message

_SHORT = 512  # tokens; up to here plain attention is faster on a CPU than the fused kernel, beyond it takes too much memory
Metrics = dict[str, float | int]


def encode(model: LocalModel, conversations: Sequence[Sequence[Message]], max_length: int) -> list[Example]:
    """Tokenised conversations. Raises DataError for one without an assistant's last turn, or that is too long."""
    examples = []
    for number, conversation in enumerate(conversations, start=1):
        if len(conversation) < 2 or conversation[-1].role != "assistant":
            got = conversation[-1].role if conversation else "nothing"
            raise DataError(f"row {number} ends with {got}; expected a prompt and a last turn of `assistant`; mend the row")
        tokens, prompt = model.encode_example(conversation)
        if len(tokens) > max_length:
            raise DataError(f"row {number} has {len(tokens)} tokens, more than max_length {max_length}; cut it or raise max_length")
        examples.append(Example(tuple(tokens), prompt))
    return examples


def train(
    model: LocalModel,
    conversations: Sequence[Sequence[Message]],
    config: SFT,
    seed: int,
    on_step: Callable[[Metrics], None],
) -> None:
    """Fine-tunes `model.network` in place; `on_step` gets the metrics of every optimiser step.

    With `config.method` `lora` an adapter must have been attached (`LocalModel.attach_adapter`). Raises DataError,
    ConfigError, RunError.
    """
    examples = encode(model, conversations, config.max_length)
    total = config.steps(len(examples))
    if total == 0:
        return
    rng = random.Random(f"sft/{seed}")
    torch.manual_seed(seed)
    network, device = model.network, model.device
    if config.method == "full":
        network.requires_grad_(True)
    trained = [p for p in network.parameters() if p.requires_grad]
    if not trained:
        raise ConfigError("method is `lora` but the model has no adapter; attach one, or set method to `full`")
    masters = [p.detach().float().clone() if p.dtype != torch.float32 else p for p in trained]
    optimizer = torch.optim.AdamW(masters, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True)
    plain_head = model.has_plain_head()
    network.train()
    attention = network.config._attn_implementation
    if device.type == "cpu" and max(len(e.tokens) for e in examples) <= _SHORT:
        network.set_attn_implementation("eager")
    batches: list[list[int]] = []
    for step in range(total):
        started = time.perf_counter()
        if not batches:
            batches = shuffled_batches(examples, config.batch_size, rng)
        rows = [examples[i] for i in batches.pop(0)]
        targets = sum(e.response for e in rows)
        loss = 0.0
        for start in range(0, len(rows), config.micro_batch_size):
            part = response_loss(network, rows[start : start + config.micro_batch_size], device, plain_head) / targets
            torch.autograd.backward(part)
            loss += float(part.detach())
        if not math.isfinite(loss):
            raise RunError(f"the loss at step {step + 1} of {total} is {loss}; a finite one was expected; lower learning_rate")
        rate = config.learning_rate * schedule(config, step, total)
        norm = step_masters(optimizer, masters, trained, rate, config.max_grad_norm)
        on_step(
            {
                "train/step": step + 1,
                "train/loss": loss,
                "train/grad_norm": norm,
                "train/learning_rate": rate,
                "train/tokens": sum(len(e.tokens) for e in rows),
                "train/response_tokens": targets,
                "time/seconds": time.perf_counter() - started,
            }
        )
    network.set_attn_implementation(attention)
    network.requires_grad_(False).eval()


def step_masters(
    optimizer: torch.optim.Optimizer,
    masters: Sequence[torch.Tensor],
    trained: Sequence[torch.Tensor],
    rate: float,
    max_norm: float,
) -> float:
    """One optimiser step on the float32 masters with the weights' gradients, copied back; the gradient's norm before clipping.

    A weight that is float32 is its own master. All gradients are dropped.
    """
    for master, weight in zip(masters, trained, strict=True):
        if master is not weight:
            master.grad = weight.grad.float() if weight.grad is not None else None
    norm = float(torch.nn.utils.clip_grad_norm_(masters, max_norm))
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.step()
    with torch.no_grad():
        for master, weight in zip(masters, trained, strict=True):
            if master is not weight:
                weight.copy_(master)
            weight.grad = master.grad = None
    return norm


def response_loss(network: Any, rows: Sequence[Example], device: torch.device, plain_head: bool) -> torch.Tensor:
    """Sum of the cross-entropy, in nats, over the response tokens of `rows`; `plain_head` as `LocalModel.has_plain_head`."""
    batch = collate(rows, device)
    decoder = network.get_decoder()
    cache = None
    if len(batch.prefix):
        cache = DynamicCache()
        decoder(input_ids=batch.prefix[None], past_key_values=cache, use_cache=True)
        cache.batch_repeat_interleave(len(rows))
    if plain_head:
        out = decoder(input_ids=batch.ids, past_key_values=cache, use_cache=cache is not None)
        logits_NV = network.get_output_embeddings()(out.last_hidden_state[batch.predicts])
    else:
        out = network(input_ids=batch.ids, past_key_values=cache, use_cache=cache is not None)
        logits_NV = out.logits[batch.predicts]
    return torch.nn.functional.cross_entropy(logits_NV.float(), batch.targets_N, reduction="sum")


def schedule(config: SFT, step: int, total: int) -> float:
    """Share of the peak learning rate at `step` (from 0) of `total`."""
    if step < config.warmup_steps:
        return (step + 1) / (config.warmup_steps + 1)
    left = max(total - config.warmup_steps, 1)
    done = (step - config.warmup_steps) / left
    if config.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * done))
    return 1 - done if config.schedule == "linear" else 1.0
