"""Drawing replies in batches from a causal language model.

Where this differs from `transformers.generate`:

1. The tokens that all prompts of a batch begin with are run once and their cache is expanded.
2. Equal prompts are run once, whatever the number of replies drawn from them.
3. A reply that has ended leaves the batch, so that the last long reply is not paid for by all.
4. Prompts are sorted by length first, so that little padding is computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache

from openwindow.models.base import Progress, Sampling
from openwindow.types import StopReason

_COMPACT_BELOW = 0.8  # live share of the batch under which finished rows are dropped from the cache


@dataclass(frozen=True, slots=True)
class Drawn:
    """One drawn reply: its token ids without the end token, and why it ended."""

    tokens: list[int]
    stop: StopReason


@torch.inference_mode()
def sample(
    network: Any,
    prompts: Sequence[Sequence[int]],
    end_ids: frozenset[int],
    sampling: Sampling,
    progress: Progress | None = None,
    *,
    plain_head: bool = False,
) -> list[Drawn]:
    """One reply per prompt, in order. `network` is a transformers causal LM, wrapped by PEFT or not.

    `plain_head` says that its logits are the output embedding of the decoder's last state (`LocalModel.has_plain_head`): then
    the head is run on one contiguous state per row, where the network's own slice would copy the vocabulary matrix per row.
    """
    step = _Step(network, plain_head)
    generator = torch.Generator(device="cpu").manual_seed(sampling.seed)
    order = sorted(range(len(prompts)), key=lambda i: (len(prompts[i]), tuple(prompts[i])))
    drawn: list[Drawn | None] = [None] * len(prompts)
    training = network.training
    network.eval()
    try:
        for start in range(0, len(order), sampling.batch_size):
            chosen = order[start : start + sampling.batch_size]
            replies = _sample_batch(step, [prompts[i] for i in chosen], end_ids, sampling, generator, progress)
            for i, reply in zip(chosen, replies, strict=True):
                drawn[i] = reply
    finally:
        network.train(training)
    return [d for d in drawn if d is not None]


class _Step:
    """One forward pass that gives the next token's logits (B, V) in float32 and fills the cache."""

    def __init__(self, network: Any, plain_head: bool) -> None:
        self.network = network
        self.plain_head = plain_head

    def __call__(self, ids_BT: torch.Tensor, cache: DynamicCache, **where: torch.Tensor) -> torch.Tensor:
        if self.plain_head:
            out = self.network.get_decoder()(input_ids=ids_BT, past_key_values=cache, use_cache=True, **where)
            logits_BV = self.network.get_output_embeddings()(out.last_hidden_state[:, -1].contiguous())
        else:
            out = self.network(input_ids=ids_BT, past_key_values=cache, use_cache=True, logits_to_keep=1, **where)
            logits_BV = out.logits[:, -1]
        return torch.as_tensor(logits_BV).float()


def _sample_batch(
    step_forward: _Step,
    prompts_B: list[Sequence[int]],
    end_ids: frozenset[int],
    sampling: Sampling,
    generator: torch.Generator,
    progress: Progress | None,
) -> list[Drawn]:
    logits_BV, cache, mask_BT = prefill(step_forward, prompts_B)
    live = list(range(len(prompts_B)))  # live[row] = which reply the row of the cache belongs to
    tokens: list[list[int]] = [[] for _ in prompts_B]
    ended = [False] * len(prompts_B)
    position_B = mask_BT.sum(dim=1)
    for step in range(sampling.max_new_tokens):
        next_B = _pick(logits_BV, sampling.temperature, generator)
        for row, token in enumerate(next_B.tolist()):
            reply = live[row]
            if not ended[reply]:
                ended[reply] = token in end_ids
                if not ended[reply]:
                    tokens[reply].append(token)
                elif progress is not None:
                    progress(1)
        keep = [row for row, reply in enumerate(live) if not ended[reply]]
        if not keep or step == sampling.max_new_tokens - 1:
            break
        if len(keep) < _COMPACT_BELOW * len(live):
            rows = torch.tensor(keep, device=mask_BT.device)
            cache.batch_select_indices(rows)
            mask_BT, next_B, position_B = mask_BT[rows], next_B[rows], position_B[rows]
            live = [live[row] for row in keep]
        mask_BT = torch.cat([mask_BT, mask_BT.new_ones(len(live), 1)], dim=1)
        logits_BV = step_forward(next_B[:, None], cache, attention_mask=mask_BT, position_ids=position_B[:, None])
        position_B = position_B + 1
    if progress is not None:
        progress(ended.count(False))
    return [Drawn(t, StopReason.END if e else StopReason.LENGTH) for t, e in zip(tokens, ended, strict=True)]


def prefill(step_forward: _Step, prompts_B: list[Sequence[int]]) -> tuple[torch.Tensor, DynamicCache, torch.Tensor]:
    """Runs the prompts: next-token logits (B, V) in float32, the cache, and the attention mask (B, T) of what it holds.

    The prefix that all prompts share is run once; the rest of each distinct prompt is run once, padded on the left.
    """
    device = step_forward.network.device
    distinct = list(dict.fromkeys(tuple(p) for p in prompts_B))
    row_of = {prompt: row for row, prompt in enumerate(distinct)}
    rows_B = torch.tensor([row_of[tuple(p)] for p in prompts_B], device=device)
    shared = _shared_prefix(distinct)
    cache = DynamicCache()
    if shared:
        prefix = torch.tensor([distinct[0][:shared]], device=device)
        step_forward(prefix, cache)
        cache.batch_repeat_interleave(len(distinct))
    width = max(len(p) for p in distinct) - shared
    ids = torch.zeros(len(distinct), width, dtype=torch.long, device=device)
    mask = torch.ones(len(distinct), shared + width, dtype=torch.long, device=device)
    for row, prompt in enumerate(distinct):
        rest = prompt[shared:]
        ids[row, width - len(rest) :] = torch.tensor(rest, device=device)
        mask[row, shared : shared + width - len(rest)] = 0
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, shared:]
    logits_BV = step_forward(ids, cache, attention_mask=mask, position_ids=positions)
    if len(distinct) < len(prompts_B):
        cache.batch_select_indices(rows_B)
    return logits_BV[rows_B], cache, mask[rows_B]


def _shared_prefix(prompts: Sequence[tuple[int, ...]]) -> int:
    """How many first tokens all prompts share, at most one less than the shortest prompt has."""
    first, last = min(prompts), max(prompts)
    limit = min(len(p) for p in prompts) - 1
    shared = 0
    while shared < limit and first[shared] == last[shared]:
        shared += 1
    return shared


def _pick(logits_BV: torch.Tensor, temperature: float, generator: torch.Generator) -> torch.Tensor:
    """Next tokens (B,): greedy at temperature 0, else drawn by the Gumbel-max trick with the given generator."""
    if temperature == 0:
        return logits_BV.argmax(dim=-1)
    noise = torch.empty(logits_BV.shape).exponential_(generator=generator).log_().neg_()
    return (logits_BV / temperature + noise.to(logits_BV.device)).argmax(dim=-1)
