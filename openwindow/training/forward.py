"""Forward passes with a gradient that run what many rows share once, and logits only where they are needed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache

from openwindow.training.batches import Example, collate

_SHORT = 512  # tokens; up to here plain attention is faster on a CPU than the fused kernel, beyond it takes too much memory


@dataclass(frozen=True, slots=True)
class Group:
    """Completions of one prompt, as token ids: `prompt` of at least one token, each of `completions` not empty."""

    prompt: tuple[int, ...]
    completions: tuple[tuple[int, ...], ...]


def response_logits(
    network: Any, rows: Sequence[Example], device: torch.device, plain_head: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (N, V) where the rows' response tokens are predicted, and those tokens (N,), in the rows' order.

    The tokens that all prompts begin with are run once; the gradient flows through the expansion of their keys and values.
    `plain_head` as `LocalModel.has_plain_head`.
    """
    batch = collate(rows, device)
    cache = None
    if len(batch.prefix):
        cache = DynamicCache()
        network.get_decoder()(input_ids=batch.prefix[None], cache=cache, use_cache=True)
        cache.batch_repeat_interleave(len(rows))
    return _selected(network, batch.ids, batch.predicts, plain_head, cache=cache, use_cache=cache is not None), batch.targets_N


def completion_logits(
    network: Any, groups: Sequence[Group], device: torch.device, plain_head: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (N, V) where the completions' tokens are predicted, and those tokens (N,), group by group.

    Each prompt is run once, whatever the number of its completions.
    """
    prompts = [group.prompt[:-1] for group in groups]
    rows = [(number, (group.prompt[-1], *completion)) for number, group in enumerate(groups) for completion in group.completions]
    of_row = torch.tensor([number for number, _ in rows], device=device)
    width, length = max(map(len, prompts)), max(len(tokens) for _, tokens in rows) - 1
    prompt_ids = torch.zeros(len(groups), width, dtype=torch.long)
    prompt_mask = torch.zeros(len(groups), width, dtype=torch.long)
    for row, tokens in enumerate(prompts):
        prompt_ids[row, width - len(tokens) :] = torch.tensor(tokens, dtype=torch.long)
        prompt_mask[row, width - len(tokens) :] = 1
    ids = torch.zeros(len(rows), length, dtype=torch.long)
    predicts = torch.zeros(len(rows), length, dtype=torch.bool)
    targets: list[int] = []
    for row, (_, tokens) in enumerate(rows):
        ids[row, : len(tokens) - 1] = torch.tensor(tokens[:-1])
        predicts[row, : len(tokens) - 1] = True
        targets += tokens[1:]
    prompt_mask = prompt_mask.to(device)
    cache = DynamicCache()
    if width:
        positions = (prompt_mask.cumsum(dim=1) - 1).clamp(min=0)
        network.get_decoder()(
            input_ids=prompt_ids.to(device),
            attention_mask=prompt_mask,
            position_ids=positions,
            cache=cache,
            use_cache=True,
        )
        cache.batch_select_indices(of_row)
    mask = torch.cat([prompt_mask[of_row], torch.ones(len(rows), length, dtype=torch.long, device=device)], dim=1)
    positions = prompt_mask.sum(dim=1)[of_row][:, None] + torch.arange(length, device=device)
    where = {"attention_mask": mask, "position_ids": positions, "cache": cache, "use_cache": True}
    return _selected(network, ids.to(device), predicts.to(device), plain_head, **where), torch.tensor(targets, device=device)


def _selected(network: Any, ids: torch.Tensor, predicts: torch.Tensor, plain_head: bool, **where: Any) -> torch.Tensor:
    if plain_head:
        hidden = network.get_decoder()(input_ids=ids, **where).last_hidden_state
        return torch.as_tensor(network.get_output_embeddings()(hidden[predicts]))
    return torch.as_tensor(network(input_ids=ids, **where).logits[predicts])


@contextlib.contextmanager
def training_mode(network: Any, longest: int) -> Iterator[None]:
    """The network in training mode, with the attention that is fastest for rows of `longest` tokens; frozen at the end."""
    attention = network.config._attn_implementation
    network.train()
    if network.device.type == "cpu" and longest <= _SHORT:
        network.set_attn_implementation("eager")
    try:
        yield
    finally:
        network.set_attn_implementation(attention)
        network.eval()
