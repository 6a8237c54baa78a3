"""A Llama-shaped network run for sampling by our own code, its weights fused and packed once beforehand.

Where this differs from the modules of transformers, whose results it equals up to rounding (tests/models/test_llama_decode.py):

1. Queries, keys and values are one matrix product, gate and up another; bf16 weights and wide ones are copied once into the
   blocked layout that oneDNN multiplies fastest.
2. Keys and values of a prompt are held once for all replies to it. A step stacks their queries as rows of one product against
   them, and joins these scores with those of each reply's own tokens before one softmax.
3. The query heads that share a key head are rows of one product; keys and values are never repeated.
4. A step's own keys and values are written into buffers with room to spare, laid out as the products read them.

`_U` is a distinct prompt of a batch, `_B` a reply, `_K` a key head, `_S` a query head of a key head, `_D` a dimension of a head.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from peft import PeftModel
from torch import nn
from torch.nn import functional as F
from transformers import LlamaForCausalLM, Qwen2ForCausalLM

from openwindow.models.packed_linear import Product, is_linear, product

_ROOM = 32  # tokens by which full buffers of keys and values are extended
_MOST_BYTES = 4 << 30  # weights above this are not copied
_HIDDEN = -1e30  # score of a padded key; finite, so that a row of nothing but padding has a softmax


def can_decode(network: Any) -> bool:
    """Whether `Llama` runs this network: Llama or Qwen 2 on the CPU, of plain linear layers or switched-on LoRA, without hooks."""
    return is_llama(network, is_linear)


def is_llama(network: Any, takes: Callable[[nn.Module], bool]) -> bool:
    """Whether a network is Llama or Qwen 2 on the CPU, without hooks, of linear layers that `takes` approves of."""
    base = network.get_base_model() if isinstance(network, PeftModel) else network
    if type(base) is Qwen2ForCausalLM and base.config.use_sliding_window:
        return False
    if type(base) not in (LlamaForCausalLM, Qwen2ForCausalLM):
        return False
    parameters = list(base.parameters())
    parts = [part for layer in base.model.layers for part in (*layer.self_attn.children(), *layer.mlp.children())]
    return (
        base.config.hidden_act == "silu"
        and base.config.rope_parameters["rope_type"] not in ("dynamic", "longrope")  # these change with the length
        and type(base.model.embed_tokens) is nn.Embedding
        and all(takes(part) for part in [*parts, base.lm_head] if not type(part).__name__.startswith("SiLU"))
        and {p.device.type for p in parameters} == {"cpu"}
        and len({p.dtype for p in parameters}) == 1
        and sum(p.numel() * p.element_size() for p in parameters) <= _MOST_BYTES
        and not any(module._forward_hooks or module._forward_pre_hooks for module in base.modules())
    )


@dataclass(frozen=True, slots=True)
class _Layer:
    """The products of one layer, and the weights of its two norms."""

    mix: Product
    out: Product
    gate_up: Product
    down: Product
    norm: torch.Tensor
    norm_mlp: torch.Tensor


class Prompts:
    """Keys and values (rows, K, T, D) of each layer after prompts that were run, which is all that a pass leaves behind."""

    def __init__(self, layers: int) -> None:
        self.held: list[tuple[torch.Tensor, torch.Tensor] | None] = [None] * layers

    def batch_select_indices(self, rows: torch.Tensor) -> None:
        """Keeps or repeats rows."""
        self.held = self.chosen(rows).held

    def chosen(self, rows: torch.Tensor) -> Prompts:
        """A cache of its own that holds these rows."""
        other = Prompts(len(self.held))
        other.held = [None if pair is None else (pair[0][rows], pair[1][rows]) for pair in self.held]
        return other


class Llama:
    """The network's weights as they are now, with their LoRA adapters, ready to run prompts. For inference only."""

    def __init__(self, network: Any) -> None:
        base = network.get_base_model() if isinstance(network, PeftModel) else network
        config, model = base.config, base.model
        attention = model.layers[0].self_attn
        self.device = network.device
        self.head_dim, self.scale = int(attention.head_dim), float(attention.scaling)
        self.heads, self.kv_heads = int(config.num_attention_heads), int(config.num_key_value_heads)
        self.eps = float(config.rms_norm_eps)
        self.embedding, self.last_norm, self.rotary = model.embed_tokens.weight, model.norm.weight, model.rotary_emb
        self.head = product(base.lm_head)
        self.layers = [
            _Layer(
                product(layer.self_attn.q_proj, layer.self_attn.k_proj, layer.self_attn.v_proj),
                product(layer.self_attn.o_proj),
                product(layer.mlp.gate_proj, layer.mlp.up_proj),
                product(layer.mlp.down_proj),
                layer.input_layernorm.weight,
                layer.post_attention_layernorm.weight,
            )
            for layer in model.layers
        ]

    def new_cache(self) -> Prompts:
        """An empty cache for `__call__`."""
        return Prompts(len(self.layers))

    def __call__(
        self, ids_BT: torch.Tensor, cache: Prompts, *, attention_mask: torch.Tensor, position_ids: torch.Tensor
    ) -> torch.Tensor:
        """As `states`, with padding on the left: the next token's logits (B, V) in float32."""
        states_NH = self.states(ids_BT, cache, attention_mask=attention_mask, position_ids=position_ids)
        return self.logits(states_NH[attention_mask[:, -ids_BT.shape[1] :].sum(dim=1).cumsum(dim=0) - 1])

    def states(
        self, ids_BT: torch.Tensor, cache: Prompts, *, attention_mask: torch.Tensor, position_ids: torch.Tensor
    ) -> torch.Tensor:
        """Runs tokens (B, T) after what the cache holds, and adds them to it: the last layer's states (N, H) of all but padding.

        `attention_mask` (B, held + T) is 0 for padding, `position_ids` are (B, T). The states are in the order of rows.
        """
        rows, width = ids_BT.shape
        share, whole = self.heads // self.kv_heads, attention_mask.shape[1]
        ahead = torch.arange(whole) > torch.arange(width)[:, None] + whole - width
        hidden = torch.logical_or(ahead, attention_mask[:, None] == 0).repeat(1, share, 1)[:, None]
        bias = torch.zeros(hidden.shape, dtype=self.embedding.dtype).masked_fill_(hidden, _HIDDEN)
        real_N = attention_mask[:, -width:].flatten().nonzero()[:, 0]  # padding takes part in the attention alone
        x_NH = self.embedding[ids_BT.flatten()[real_N]]
        turn = self.turn(position_ids.flatten()[real_N][None])
        for number, layer in enumerate(self.layers):
            every = x_NH.new_zeros(rows * width, self.heads + 2 * self.kv_heads, self.head_dim)
            every[real_N] = torch.cat(self.mixed(layer, x_NH, turn), dim=1)
            q, k, v = every.view(rows, width, -1, self.head_dim).transpose(1, 2).split([self.heads, *[self.kv_heads] * 2], dim=1)
            before = cache.held[number]
            k, v = (k, v) if before is None else (torch.cat([before[0], k], dim=2), torch.cat([before[1], v], dim=2))
            cache.held[number] = (k, v)
            q = q.unflatten(1, (self.kv_heads, share)).flatten(2, 3)
            attended = F.scaled_dot_product_attention(q, k, v, bias, scale=self.scale)
            attended = attended.reshape(rows, -1, share, width, self.head_dim).permute(0, 3, 1, 2, 4)
            x_NH = self.finished(layer, x_NH, attended.reshape(rows * width, -1)[real_N])
        return torch.as_tensor(x_NH)

    def turn(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosines and signed sines (N, 1, D) of the rotary embedding at positions (1, N)."""
        cos, sin = self.rotary(self.embedding, positions)
        half = self.head_dim // 2
        return cos[0, :, None], torch.cat([-sin[..., :half], sin[..., half:]], dim=-1)[0, :, None]

    def mixed(self, layer: _Layer, x_NH: torch.Tensor, turn: tuple[torch.Tensor, torch.Tensor]) -> tuple[torch.Tensor, ...]:
        """Queries (N, heads, D), keys and values (N, K, D); the first two turned to their positions."""
        every = layer.mix(F.rms_norm(x_NH, layer.norm.shape, layer.norm, self.eps)).view(len(x_NH), -1, self.head_dim)
        both, v = torch.split(every, [self.heads + self.kv_heads, self.kv_heads], dim=1)
        both = torch.addcmul(both * turn[0], both.roll(self.head_dim // 2, dims=-1), turn[1])
        return both[:, : self.heads], both[:, self.heads :], v

    def finished(self, layer: _Layer, x_NH: torch.Tensor, attended_NH: torch.Tensor) -> torch.Tensor:
        """The rest of a layer after its attention."""
        x_NH = x_NH + layer.out(attended_NH)
        gate, up = layer.gate_up(F.rms_norm(x_NH, layer.norm_mlp.shape, layer.norm_mlp, self.eps)).chunk(2, dim=-1)
        return x_NH + layer.down(F.silu(gate).mul_(up))

    def logits(self, x_BH: torch.Tensor) -> torch.Tensor:
        """Next-token logits (B, V) in float32."""
        return self.head(F.rms_norm(x_BH, self.last_norm.shape, self.last_norm, self.eps)).float()


class Replies:
    """The replies of one batch under way: `prompt_of[b]` is the row of `prompts`, and of their mask (U, T), before reply b."""

    def __init__(self, llama: Llama, prompts: Prompts, mask_UT: torch.Tensor, prompt_of: Sequence[int]) -> None:
        self.llama = llama
        self.prompt_of = list(prompt_of)
        self.prompts = [(k.transpose(0, 1).contiguous(), v.transpose(0, 1).contiguous()) for k, v in filter(None, prompts.held)]
        self.length_U = mask_UT.sum(dim=1)
        self.bias_UT = torch.where(mask_UT.bool(), 0.0, _HIDDEN).to(llama.embedding.dtype)
        self.length = 0  # tokens of each reply that are in its own buffers
        empty = self.prompts[0][0].new_empty(llama.kv_heads, len(self.prompt_of), 0, llama.head_dim)
        self.own = [(empty, empty) for _ in self.prompts]
        self._arrange()

    def keep(self, rows: Sequence[int]) -> None:
        """Drops all replies but these."""
        index = torch.tensor(rows)
        self.prompt_of = [self.prompt_of[row] for row in rows]
        self.own = [(k[:, index], v[:, index]) for k, v in self.own]
        self._arrange()

    def _arrange(self) -> None:
        """Decides which replies are stacked: up to `stack` of one prompt, with gaps filled by one of them.

        To read the keys of a prompt costs about as much as the queries of three replies; a prompt with many more replies than the
        others is therefore held twice rather than the others stacked with gaps.
        """
        replies_U = [[b for b, prompt in enumerate(self.prompt_of) if prompt == u] for u in range(len(self.length_U))]
        sizes = range(1, max(map(len, replies_U)) + 1)
        self.stack = min(sizes, key=lambda size: sum(-(-len(replies) // size) for replies in replies_U) * (size + 3))
        cut = [(u, r[i : i + self.stack]) for u, r in enumerate(replies_U) for i in range(0, len(r), self.stack)]
        held, stacks = zip(*sorted(cut, key=lambda piece: piece[1]), strict=True)
        if held != tuple(range(len(replies_U))):
            index = torch.tensor(held)
            self.prompts = [(k[:, index], v[:, index]) for k, v in self.prompts]
            self.length_U, self.bias_UT = self.length_U[index], self.bias_UT[index]
        slots = [b for replies in stacks for b in replies + replies[:1] * (self.stack - len(replies))]
        slot_of = {b: slot for slot, b in enumerate(slots)}
        self.prompt_of = [slot_of[b] // self.stack for b in range(len(self.prompt_of))]
        even = slots == list(range(len(slots)))
        self.slots = None if even else torch.tensor(slots)
        self.slot_of = None if even else torch.tensor([slot_of[b] for b in range(len(slot_of))])
        self.padded = bool((self.bias_UT != 0).any())
        self.start_B = self.length_U[torch.tensor(self.prompt_of)]

    def step(self, next_B: torch.Tensor) -> torch.Tensor:
        """Appends a token to each reply: the logits (B, V) in float32 of the one after it."""
        llama = self.llama
        x_BH = llama.embedding[next_B]
        turn = llama.turn((self.start_B + self.length)[None])
        if self.length == self.own[0][0].shape[2]:
            self.own = [(F.pad(k, (0, 0, 0, _ROOM)), F.pad(v, (0, 0, 0, _ROOM))) for k, v in self.own]
        self.length += 1
        for number, layer in enumerate(llama.layers):
            q, k, v = llama.mixed(layer, x_BH, turn)
            x_BH = llama.finished(layer, x_BH, self._attended(number, q, k, v))
        return llama.logits(x_BH)

    def _attended(self, number: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """Attention (B, heads x D) of queries (B, heads, D) to the prompts, the replies so far, and these keys and values."""
        replies, kv_heads, dim = k.shape
        (keys, values), (prompt_k, prompt_v) = self.own[number], self.prompts[number]
        keys[:, :, self.length - 1], values[:, :, self.length - 1] = k.transpose(0, 1), v.transpose(0, 1)
        keys, values = (states[:, :, : self.length].flatten(0, 1) for states in (keys, values))
        q_KBSD = (q * self.llama.scale).view(replies, kv_heads, -1, dim).transpose(0, 1).contiguous()
        share, held = q_KBSD.shape[2], prompt_k.shape[1]
        stacked = self._stacked(q_KBSD).reshape(kv_heads * held, -1, dim)
        to_prompt = torch.bmm(stacked, prompt_k.flatten(0, 1).mT).view(kv_heads, held, self.stack * share, -1)
        if self.padded:
            to_prompt += self.bias_UT[:, None]
        to_prompt = self._unstacked(to_prompt.view(kv_heads, held * self.stack, share, -1))
        to_own = torch.bmm(q_KBSD.flatten(0, 1), keys.mT).view(kv_heads, replies, share, -1)
        weights = torch.cat([to_prompt, to_own], dim=-1).softmax(dim=-1, dtype=torch.float32).to(q.dtype)
        on_prompt, on_own = torch.split(weights, [prompt_k.shape[2], self.length], dim=-1)
        stacked = self._stacked(on_prompt).reshape(kv_heads * held, self.stack * share, -1)
        out = self._unstacked(torch.bmm(stacked, prompt_v.flatten(0, 1)).view(kv_heads, held * self.stack, share, dim))
        out = torch.baddbmm(out.flatten(0, 1), on_own.flatten(0, 1), values)
        return out.view(kv_heads, replies, share, dim).transpose(0, 1).reshape(replies, -1)

    def _stacked(self, of_replies: torch.Tensor) -> torch.Tensor:
        return of_replies if self.slots is None else of_replies[:, self.slots]

    def _unstacked(self, of_slots: torch.Tensor) -> torch.Tensor:
        return of_slots if self.slot_of is None else of_slots[:, self.slot_of]
