"""Drawing replies in batches from a causal language model.

Where this differs from `transformers.generate`, whose replies it is tested against (`reference_sampler`):

1. The tokens that all prompts of a batch begin with are run once and their cache is expanded; so are those that only
   neighbours share, such as one problem asked in several contexts.
2. Equal prompts are run once, whatever the number of replies drawn from them.
3. A reply that has ended leaves the batch, so that the last long reply is not paid for by all.
4. Alike prompts come together, and short ones first, so that little padding is computed.
5. Keys and values are written into buffers with room to spare; appending a token does not copy the whole cache.
6. A LoRA adapter on float32 weights is merged first (`merged`), so that a step runs a third of the matrix products. On 16-bit
   weights it is not: most of a small change would be rounded away, and the policy sampled be another than the one trained.
7. Llama-shaped networks on the CPU are run by our own decoder (`llama_cpu`), others by their own modules.
8. A token is drawn with one uniform number per row where `generate` draws one per word of the vocabulary.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from openwindow.models.base import Drawn, Progress, Sampling
from openwindow.models.llama_cpu import Llama, Replies, can_decode
from openwindow.models.memory import settle_memory
from openwindow.models.prefixes import passes, sampling_order
from openwindow.types import StopReason

if TYPE_CHECKING:
    from openwindow.models.hf import LocalModel

_COMPACT_BELOW = 0.8  # live share of the batch under which finished rows are dropped from the cache
_ROOM = 32  # tokens by which a full buffer of keys and values is extended


@dataclass(frozen=True, slots=True)
class Prefilled:
    """Distinct prompts (U) that `runner` has run: next-token logits in float32, the cache, and the attention mask of what it holds.

    `row_of` gives the row of a prompt.
    """

    runner: Llama | Step
    row_of: dict[tuple[int, ...], int]
    logits_UV: torch.Tensor
    cache: Any
    mask_UT: torch.Tensor


Watch = Callable[[Prefilled], None]
"""called with the prompts of each batch before its replies are drawn; must leave the cache as it is"""


@torch.inference_mode()
def sample(
    network: Any,
    prompts: Sequence[Sequence[int]],
    end_ids: frozenset[int],
    sampling: Sampling,
    progress: Progress | None = None,
    *,
    plain_head: bool = False,
    watch: Watch | None = None,
    logprobs: bool = False,
) -> list[Drawn]:
    """One reply per prompt, in order. `network` is a transformers causal LM, wrapped by PEFT or not.

    `logprobs` asks for the log-probabilities of what is drawn (`Drawn.logprobs`). `plain_head` says that the network's logits are
    the output embedding of the decoder's last state (`LocalModel.has_plain_head`): then the head is run on one contiguous state
    per row, where the network's own slice would copy the vocabulary matrix per row.
    """
    generator = torch.Generator(device="cpu").manual_seed(sampling.seed)
    own = None if sampling.first is None else _own_chances(len(prompts), sampling.first, sampling)
    order = sampling_order(prompts)
    drawn: list[Drawn | None] = [None] * len(prompts)
    training = network.training
    network.eval()
    try:
        with ready(network, plain_head) as runner:
            for start in range(0, len(order), sampling.batch_size):
                chosen = order[start : start + sampling.batch_size]
                done = prefill(runner, [prompts[i] for i in chosen])
                if watch is not None:
                    watch(done)
                rows = [done.row_of[tuple(prompts[i])] for i in chosen]
                chance = _Chance(generator, None if own is None else own[chosen])
                replies = _sample_batch(done, rows, end_ids, sampling, chance, progress, logprobs and sampling.temperature > 0)
                for i, reply in zip(chosen, replies, strict=True):
                    drawn[i] = reply
                settle_memory()
    finally:
        network.train(training)
    return [d for d in drawn if d is not None]


def local_sampler(model: LocalModel, prompts: Sequence[Sequence[int]], how: Sampling) -> list[Drawn]:
    """As `base.Sampler` says, from the weights in this process."""
    return sample(model.network, prompts, model.end_ids, how, plain_head=model.has_plain_head(), logprobs=True)


@contextlib.contextmanager
def merged(network: Any) -> Iterator[None]:
    """Adds LoRA adapters to float32 weights below them, and restores exactly the old weights at the end."""
    mergeable = isinstance(network, PeftModel) and network.dtype == torch.float32
    layers = [module for module in network.modules() if isinstance(module, LoraLayer)] if mergeable else []
    weights = [weight for layer in layers for weight in layer.get_base_layer().parameters()]
    kept = [weight.detach().clone() for weight in weights]
    with torch.no_grad():
        for layer in layers:
            layer.merge()
    try:
        yield
    finally:
        with torch.no_grad():
            for layer in layers:
                layer.merged_adapters.clear()  # what `unmerge` would subtract is restored as it was
            for weight, before in zip(weights, kept, strict=True):
                weight.copy_(before)


class _Grown(DynamicLayer):  # type: ignore[misc]
    """Keys and values (B, heads, T, D) as views of buffers that have room for more tokens. For inference only."""

    keys: torch.Tensor
    values: torch.Tensor
    buffers: tuple[torch.Tensor, torch.Tensor] | None = None

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Appends new states (B, heads, T, D) and returns all of them."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        old = self.get_seq_length()
        new = old + key_states.shape[-2]
        # Rows may have been dropped or repeated since, which leaves new tensors instead of the views.
        if self.buffers is None or self.keys.data_ptr() != self.buffers[0].data_ptr() or new > self.buffers[0].shape[-2]:
            self.buffers = self._extended(self.keys, key_states, old, new), self._extended(self.values, value_states, old, new)
        for buffer, states in zip(self.buffers, (key_states, value_states), strict=True):
            buffer[..., old:new, :] = states
        self.keys, self.values = self.buffers[0][..., :new, :], self.buffers[1][..., :new, :]
        return self.keys, self.values

    def _extended(self, held: torch.Tensor, states: torch.Tensor, old: int, new: int) -> torch.Tensor:
        buffer = states.new_empty(*states.shape[:-2], new + _ROOM, states.shape[-1])
        if old:
            buffer[..., :old, :] = held
        return buffer


class Step:
    """One forward pass that gives the next token's logits (B, V) in float32 and fills the cache."""

    def __init__(self, network: Any, plain_head: bool) -> None:
        self.network = network
        self.plain_head = plain_head
        self.device = network.device

    def new_cache(self) -> DynamicCache:
        """A cache that appends without copying what it holds."""
        cache = DynamicCache()
        cache.layer_class_to_replicate = _Grown
        return cache

    def __call__(self, ids_BT: torch.Tensor, cache: DynamicCache, **where: torch.Tensor) -> torch.Tensor:
        """Runs tokens (B, T) after what the cache holds; `where` is the network's `attention_mask` and `position_ids`."""
        if self.plain_head:
            out = self.network.get_decoder()(input_ids=ids_BT, cache=cache, use_cache=True, **where)
            logits_BV = self.network.get_output_embeddings()(out.last_hidden_state[:, -1].contiguous())
        else:
            out = self.network(input_ids=ids_BT, cache=cache, use_cache=True, logits_to_keep=1, **where)
            logits_BV = out.logits[:, -1]
        return torch.as_tensor(logits_BV).float()

    def states(self, ids_BT: torch.Tensor, cache: DynamicCache, *, attention_mask: torch.Tensor, position_ids: torch.Tensor) -> Any:
        """As `Llama.states`, for `logits`: (N, H) of all tokens but padding, or their logits (N, V) without a plain head."""
        part = self.network.get_decoder() if self.plain_head else self.network
        out = part(input_ids=ids_BT, cache=cache, use_cache=True, attention_mask=attention_mask, position_ids=position_ids)
        every_BTH = out.last_hidden_state if self.plain_head else out.logits
        return every_BTH[attention_mask[:, -ids_BT.shape[1] :].bool()]

    def logits(self, states_NH: torch.Tensor) -> torch.Tensor:
        """Next-token logits (N, V) in float32 of some `states`."""
        made = self.network.get_output_embeddings()(states_NH) if self.plain_head else states_NH
        return torch.as_tensor(made).float()


@contextlib.contextmanager
def ready(network: Any, plain_head: bool) -> Iterator[Llama | Step]:
    """What runs the network: our own decoder if it can, otherwise the network itself with its adapter merged meanwhile."""
    if can_decode(network):
        yield Llama(network)
    else:
        with merged(network):
            yield Step(network, plain_head)


class _Rows:
    """The unfinished replies of one batch, run by the network's own modules; like `llama_cpu.Replies`."""

    def __init__(self, step_forward: Step, cache: DynamicCache, mask_UT: torch.Tensor, prompt_of: Sequence[int]) -> None:
        self.step_forward = step_forward
        self.cache = cache
        self.mask_BT = mask_UT
        if list(prompt_of) != list(range(len(mask_UT))):
            self.keep(prompt_of)

    def keep(self, rows: Sequence[int]) -> None:
        """Drops all replies but these."""
        index = torch.tensor(rows, device=self.mask_BT.device)
        self.cache.batch_select_indices(index)
        self.mask_BT = self.mask_BT[index]

    def step(self, next_B: torch.Tensor) -> torch.Tensor:
        """Appends a token to each reply: the logits (B, V) in float32 of the one after it."""
        position_B1 = self.mask_BT.sum(dim=1, keepdim=True)
        self.mask_BT = torch.cat([self.mask_BT, torch.ones_like(position_B1)], dim=1)
        return self.step_forward(next_B[:, None], self.cache, attention_mask=self.mask_BT, position_ids=position_B1)


def _sample_batch(
    done: Prefilled,
    prompt_of: list[int],
    end_ids: frozenset[int],
    sampling: Sampling,
    chance: _Chance,
    progress: Progress | None,
    logprobs: bool,
) -> list[Drawn]:
    rows: Replies | _Rows
    if isinstance(done.runner, Llama):
        rows = Replies(done.runner, done.cache, done.mask_UT, prompt_of)
    else:
        rows = _Rows(done.runner, done.cache, done.mask_UT, prompt_of)
    logits_BV = done.logits_UV[torch.tensor(prompt_of, device=done.mask_UT.device)]
    live = list(range(len(prompt_of)))  # live[row] = which reply the row belongs to
    tokens: list[list[int]] = [[] for _ in prompt_of]
    ends: list[int | None] = [None] * len(prompt_of)
    chances: list[list[float]] = [[] for _ in prompt_of]
    for step in range(sampling.max_new_tokens):
        next_B = _pick(logits_BV, sampling.temperature, chance, live, step)
        chance_of = _logprobs(logits_BV, next_B, sampling.temperature).tolist() if logprobs else []
        for row, token in enumerate(next_B.tolist()):
            reply = live[row]
            if ends[reply] is None:
                chances[reply] += chance_of[row : row + 1]
                if token not in end_ids:
                    tokens[reply].append(token)
                    continue
                ends[reply] = token
                if progress is not None:
                    progress(1)
        keep = [row for row, reply in enumerate(live) if ends[reply] is None]
        if not keep or step == sampling.max_new_tokens - 1:
            break
        if len(keep) < _COMPACT_BELOW * len(live):
            rows.keep(keep)
            next_B = next_B[torch.tensor(keep, device=next_B.device)]
            live = [live[row] for row in keep]
        logits_BV = rows.step(next_B)
    if progress is not None:
        progress(ends.count(None))
    return [
        Drawn(t, StopReason.LENGTH if e is None else StopReason.END, e, c if logprobs else None)
        for t, e, c in zip(tokens, ends, chances, strict=True)
    ]


def prefill(runner: Llama | Step, prompts: Sequence[Sequence[int]]) -> Prefilled:
    """Runs each distinct prompt once.

    In passes, each padded on the left: the prefix that all prompts share, the prefixes that neighbours share (`prefixes.passes`),
    and the rest of each distinct prompt.
    """
    device = runner.device
    distinct = sorted({tuple(p) for p in prompts})
    cache: Any = runner.new_cache()
    mask = torch.ones(1, 0, dtype=torch.long, device=device)
    logits_UV = torch.empty(0)
    for parents, segments in passes(distinct):
        if len(parents) != mask.shape[0]:
            rows = torch.tensor(parents, device=device)
            mask = mask[rows]
            if mask.shape[1]:
                cache.batch_select_indices(rows)
        width = max(len(segment) for segment in segments)
        if width == 0:
            continue
        ids = torch.zeros(len(segments), width, dtype=torch.long, device=device)
        new = torch.zeros_like(ids)
        for row, segment in enumerate(segments):
            ids[row, width - len(segment) :] = torch.tensor(segment, device=device)
            new[row, width - len(segment) :] = 1
        mask = torch.cat([mask, new], dim=1)
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, -width:]
        logits_UV = runner(ids, cache, attention_mask=mask, position_ids=positions)
    return Prefilled(runner, {prompt: row for row, prompt in enumerate(distinct)}, logits_UV, cache, mask)


@dataclass(frozen=True, slots=True)
class _Chance:
    """Where the uniform numbers of a batch come from: one generator for all, or a row (B, T) of `own` for each reply."""

    generator: torch.Generator
    own: torch.Tensor | None

    def at(self, live: Sequence[int], step: int) -> torch.Tensor:
        """The numbers (B, 1) for the next token, at place `step`, of the replies that are drawn."""
        if self.own is None:
            return torch.rand(len(live), 1, generator=self.generator)
        return self.own[list(live), step, None]


def _own_chances(replies: int, first: int, sampling: Sampling) -> torch.Tensor:
    """Uniform numbers (B, T) for every token of every reply, each reply's from its own number and the seed."""
    seeds = [hashlib.sha256(f"{sampling.seed}/{first + i}".encode()).digest()[:6] for i in range(replies)]
    generators = [torch.Generator().manual_seed(int.from_bytes(seed, "big")) for seed in seeds]
    return torch.stack([torch.rand(sampling.max_new_tokens, generator=generator) for generator in generators])


def _pick(logits_BV: torch.Tensor, temperature: float, chance: _Chance, live: Sequence[int], step: int) -> torch.Tensor:
    """Next tokens (B,): greedy at temperature 0, else where a uniform number of each row falls among the summed probabilities."""
    if temperature == 0:
        return logits_BV.argmax(dim=-1)
    summed_BV = torch.softmax(logits_BV / temperature, dim=-1).cumsum_(dim=-1)
    chance_B1 = chance.at(live, step).to(logits_BV.device) * summed_BV[:, -1:]
    return torch.searchsorted(summed_BV, chance_B1, right=True)[:, 0].clamp(max=logits_BV.shape[1] - 1)


def _logprobs(logits_BV: torch.Tensor, next_B: torch.Tensor, temperature: float) -> torch.Tensor:
    """Log-probabilities (B,) of the drawn tokens at the temperature, above 0."""
    scaled_BV = logits_BV / temperature
    return scaled_BV.gather(1, next_B[:, None])[:, 0] - scaled_BV.logsumexp(dim=-1)
