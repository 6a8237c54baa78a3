"""The decoder of a Llama-shaped network with LoRA, run for the gradient of its adapters on the CPU.

The modules of transformers and PEFT spend more than half of a training step between the matrix products there.

Where this differs from their modules, whose states and gradients it equals up to rounding (tests/models/test_llama_gradient.py):

1. Tokens are those of a `TokenTree`: what rows begin with is run once, and nothing is padded but the attention.
2. Half a layer is one function with its backward pass written out, which saves each value once and computes no weight's gradient
   but the adapters'.
3. Layers with the same input are one product, and so are their adapters: the input has its products with the first factors beside
   it, and the weight the second factors, scaled. Backwards, the gradient of the outputs has that of these products beside it, and
   the weight the first factors under it. The residual is added by the product.
4. The query heads that share a key head are rows of one product; keys and values are never repeated.
5. The second half of the last layer, and the last norm, are run where the states are asked for.

Nothing is held between two passes: weights, and which adapters are on, are read from the modules each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from openwindow.models.llama_cpu import is_llama
from openwindow.models.token_tree import Heads, Level, TokenTree

_SHORT = 512
"""tokens of a row up to which the weights of the attention are written out; beyond, they take too much memory"""


@dataclass(frozen=True, slots=True)
class _Linear:
    """A linear layer y = x W' + b; with an adapter `down` (R, in), `up` (out, R) and its scale, + scale x down' up'."""

    weight: torch.Tensor
    bias: torch.Tensor | None
    down: torch.Tensor | None = None
    up: torch.Tensor | None = None
    scale: float = 1.0

    @property
    def rank(self) -> int:
        """R, 0 without an adapter."""
        return 0 if self.down is None else len(self.down)

    @property
    def factors(self) -> tuple[torch.Tensor, ...]:
        """What is trained."""
        return () if self.down is None or self.up is None else (self.down, self.up)


@dataclass(frozen=True, slots=True)
class _Half:
    """Half a layer: its norm, the linear layers on its input, and the one on its output."""

    norm: torch.Tensor
    eps: float
    into: tuple[_Linear, ...]
    out: _Linear

    @property
    def factors(self) -> tuple[torch.Tensor, ...]:
        """What is trained, in the order in which gradients are returned."""
        return tuple(factor for linear in (*self.into, self.out) for factor in linear.factors)


def can_run(network: Any, longest: int) -> bool:
    """Whether `states` runs rows of `longest` tokens: Llama or Qwen 2 on the CPU, frozen but for plain LoRA without dropout."""
    if longest > _SHORT or not is_llama(network, _takes):
        return False
    base = network.get_base_model() if isinstance(network, PeftModel) else network
    if base.dtype not in (torch.float32, torch.bfloat16) or (base.training and base.config.attention_dropout > 0):
        return False
    if not torch.is_grad_enabled():
        return True
    reached = {id(factor) for half in _halves(base) for factor in half.factors}
    return all(id(weight) in reached for weight in network.parameters() if weight.requires_grad)


def states(network: Any, tree: TokenTree, chosen_N: torch.Tensor) -> torch.Tensor:
    """The decoder's last states (N, H), after its last norm, of the tokens of `tree` with these numbers."""
    base = network.get_base_model() if isinstance(network, PeftModel) else network
    decoder = base.model
    turn = _turn(decoder, tree.positions_N)
    scale = float(decoder.layers[0].self_attn.scaling)
    halves = _halves(base)
    x_NH = decoder.embed_tokens.weight[tree.ids_N]
    for number, half in enumerate(halves):
        if number + 1 == len(halves):
            x_NH = x_NH.index_select(0, chosen_N)
        if number % 2 == 0:
            x_NH = _Attention.apply(x_NH, half, tree, turn, scale, *half.factors)  # type: ignore[no-untyped-call]
        else:
            x_NH = _Mlp.apply(x_NH, half, *half.factors)  # type: ignore[no-untyped-call]
    return torch.as_tensor(decoder.norm(x_NH))


def heads_of(network: Any) -> Heads:
    """How many heads of each kind the network has."""
    return Heads(int(network.config.num_attention_heads), int(network.config.num_key_value_heads))


def _takes(module: nn.Module) -> bool:
    """Whether `_linear` reads it: a linear layer as torch has it, or one with at most one plain LoRA adapter that is on."""
    if not isinstance(module, LoraLayer):
        return type(module) is nn.Linear
    if module.merged or module.lora_variant or any(module.lora_bias.values()) or type(module.get_base_layer()) is not nn.Linear:
        return False
    active = _active(module)
    dropped = [dropout for name in active if type(dropout := module.lora_dropout[name]) is not nn.Identity]
    return len(active) < 2 and not (module.training and dropped)


def _active(module: LoraLayer) -> list[str]:
    return [] if module.disable_adapters else [name for name in module.active_adapters if name in module.lora_A]


def _linear(module: Any) -> _Linear:
    if not isinstance(module, LoraLayer):
        return _Linear(module.weight, module.bias)
    base: Any = module.get_base_layer()
    for name in _active(module):
        return _Linear(base.weight, base.bias, module.lora_A[name].weight, module.lora_B[name].weight, float(module.scaling[name]))
    return _Linear(base.weight, base.bias)


def _halves(base: Any) -> list[_Half]:
    """Attention and the rest of each layer, in turn."""
    halves, eps = [], float(base.config.rms_norm_eps)
    for layer in base.model.layers:
        attention, mlp = layer.self_attn, layer.mlp
        mix = tuple(map(_linear, (attention.q_proj, attention.k_proj, attention.v_proj)))
        halves.append(_Half(layer.input_layernorm.weight, eps, mix, _linear(attention.o_proj)))
        into = (_linear(mlp.gate_proj), _linear(mlp.up_proj))
        halves.append(_Half(layer.post_attention_layernorm.weight, eps, into, _linear(mlp.down_proj)))
    return halves


def _turn(decoder: Any, positions_N: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and signed sines (N, 1, D) of the rotary embedding."""
    cos, sin = decoder.rotary_emb(decoder.embed_tokens.weight, positions_N[None])
    half = cos.shape[-1] // 2
    return cos[0, :, None], torch.cat([-sin[..., :half], sin[..., half:]], dim=-1)[0, :, None]


def _turn_(heads_NHD: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> None:
    """Turns heads to their positions, in place; with the sines' sign changed, back."""
    other = heads_NHD.roll(cos.shape[-1] // 2, dims=-1)
    heads_NHD.mul_(cos).addcmul_(other, sin)


# The norms and linear layers of half a layer, forwards and backwards.


def _normed(x_NH: torch.Tensor, half: _Half, out: torch.Tensor) -> torch.Tensor:
    """Writes the normed input to `out`; returns the reciprocal (N, 1) of its root mean square, in float32."""
    size: torch.Tensor = torch.linalg.vector_norm(x_NH, dim=-1, keepdim=True, dtype=torch.float32)
    scale_N1: torch.Tensor = (size.square_() / x_NH.shape[-1] + half.eps).rsqrt_()
    torch.mul((x_NH * scale_N1).to(x_NH.dtype), half.norm, out=out)
    return scale_N1


def _normed_back(
    grad_NH: torch.Tensor, residual_NH: torch.Tensor, x_NH: torch.Tensor, y_NH: torch.Tensor, scale_N1: torch.Tensor, half: _Half
) -> torch.Tensor:
    """The gradient of the input, from that of the normed one, y, and that of the residual."""
    along_N1 = (grad_NH * y_NH).sum(dim=-1, keepdim=True, dtype=torch.float32) / x_NH.shape[-1]
    grad = (grad_NH * half.norm).float().mul_(scale_N1)
    grad.addcmul_(x_NH.float(), along_N1 * scale_N1.square(), value=-1).add_(residual_NH)
    return grad.to(x_NH.dtype)


def _wide(like: torch.Tensor, linears: Sequence[_Linear], width: int) -> torch.Tensor:
    """Room for `width` columns, and beside them the products with the factors of some layers."""
    return like.new_empty(len(like), width + sum(linear.rank for linear in linears))


def _run(linears: Sequence[_Linear], wide: torch.Tensor, residual: torch.Tensor | None = None) -> torch.Tensor:
    """The outputs (N, out) of layers with the same input side by side, on top of a residual if there is one.

    The input is the first columns of `wide`, whose others become its products with the adapters' first factors.
    """
    width = linears[0].weight.shape[1]
    downs = [linear.down for linear in linears if linear.down is not None]
    if downs:
        torch.mm(wide[:, :width], torch.cat(downs).T, out=wide[:, width:])
    weight = _columns(linears)
    if all(linear.bias is None for linear in linears):
        return wide.mm(weight.T) if residual is None else residual.addmm(wide, weight.T)
    bias = torch.cat([linear.weight.new_zeros(len(linear.weight)) if linear.bias is None else linear.bias for linear in linears])
    out = bias.addmm(wide, weight.T)
    return out if residual is None else out.add_(residual)


def _columns(linears: Sequence[_Linear]) -> torch.Tensor:
    """The weights one under the other, and right of them, scaled, the second factors, each beside its own weight."""
    if len(linears) == 1 and not linears[0].rank:
        return linears[0].weight
    width = linears[0].weight.shape[1]
    height, rank = sum(len(linear.weight) for linear in linears), sum(linear.rank for linear in linears)
    joined = linears[0].weight.new_empty(height, width + rank)
    if len(linears) > 1:
        joined[:, width:].zero_()
    row, column = 0, width
    for linear in linears:
        rows = joined[row : row + len(linear.weight)]
        rows[:, :width] = linear.weight
        if linear.up is not None:
            torch.mul(linear.up, linear.scale, out=rows[:, column : column + linear.rank])
        row, column = row + len(linear.weight), column + linear.rank
    return joined


def _run_back(
    linears: Sequence[_Linear], grad: torch.Tensor, wide: torch.Tensor, needs_input: bool
) -> tuple[torch.Tensor | None, list[torch.Tensor]]:
    """The gradient of the input of some layers, if it is needed, and those of their factors.

    `grad` has the gradients of their outputs, and room beside them as `_wide` makes it; `wide` is what `_run` left.
    """
    width = linears[0].weight.shape[1]
    rank = wide.shape[1] - width
    low_grad = grad[:, grad.shape[1] - rank :]
    grads = grad[:, : grad.shape[1] - rank].split_with_sizes([len(linear.weight) for linear in linears], dim=1)
    ups, at = [], 0
    for linear, own in zip(linears, grads, strict=True):
        if linear.up is not None:
            torch.mm(own, linear.up * linear.scale, out=low_grad[:, at : at + linear.rank])
            low = wide[:, width + at : width + at + linear.rank]
            ups.append(low.T.mm(own).mul_(linear.scale).T)
            at += linear.rank
    downs = [linear.down for linear in linears if linear.down is not None]
    of_downs = torch.split(low_grad.T.mm(wide[:, :width]), [len(down) for down in downs]) if downs else ()
    factors = [factor for both in zip(of_downs, ups, strict=True) for factor in both]
    rows = [*(linear.weight for linear in linears), *downs]
    return grad.mm(torch.cat(rows) if len(rows) > 1 else rows[0]) if needs_input else None, factors


def _out_back(half: _Half, grad_NH: torch.Tensor, wide: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """The same of the layer that ends half a layer."""
    grad = _wide(grad_NH, [half.out], grad_NH.shape[1])
    grad[:, : grad_NH.shape[1]] = grad_NH
    inner, factors = _run_back([half.out], grad, wide, True)
    return torch.as_tensor(inner), factors


# The two halves of a layer.


class _Mlp(torch.autograd.Function):
    """x + down(silu(gate(norm x)) up(norm x))."""

    @staticmethod
    def forward(ctx: Any, x_NH: torch.Tensor, half: _Half, *factors: torch.Tensor) -> torch.Tensor:
        hidden, inner = x_NH.shape[1], half.out.weight.shape[1]
        wide, wide_inner = _wide(x_NH, half.into, hidden), _wide(x_NH, [half.out], inner)
        scale_N1 = _normed(x_NH, half, wide[:, :hidden])
        both = _run(half.into, wide)
        silu = F.silu(both[:, :inner])
        torch.mul(silu, both[:, inner:], out=wide_inner[:, :inner])
        out = _run([half.out], wide_inner, x_NH)
        ctx.half = half
        ctx.save_for_backward(x_NH, wide, scale_N1, both, silu, wide_inner)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_NH: torch.Tensor) -> Any:
        half: _Half = ctx.half
        x_NH, wide, scale_N1, both, silu, wide_inner = ctx.saved_tensors
        hidden, size = x_NH.shape[1], half.out.weight.shape[1]
        inner, of_out = _out_back(half, grad_NH, wide_inner)
        grad = _wide(x_NH, half.into, 2 * size)
        torch.mul(inner, silu, out=grad[:, size : 2 * size])
        gate, up = both.split(size, dim=1)
        torch.ops.aten.silu_backward.grad_input(inner.mul_(up), gate, grad_input=grad[:, :size])
        into, of_into = _run_back(half.into, grad, wide, ctx.needs_input_grad[0])
        x_grad = None if into is None else _normed_back(into, grad_NH, x_NH, wide[:, :hidden], scale_N1, half)
        return (x_grad, None, *of_into, *of_out)


class _Attention(torch.autograd.Function):
    """x + o(attention(q(norm x), k(norm x), v(norm x)))."""

    @staticmethod
    def forward(
        ctx: Any,
        x_NH: torch.Tensor,
        half: _Half,
        tree: TokenTree,
        turn: tuple[torch.Tensor, torch.Tensor],
        scale: float,
        *factors: torch.Tensor,
    ) -> torch.Tensor:
        heads, dim, hidden = tree.heads, turn[0].shape[-1], x_NH.shape[1]
        wide, attended = _wide(x_NH, half.into, hidden), _wide(x_NH, [half.out], half.out.weight.shape[1])
        scale_N1 = _normed(x_NH, half, wide[:, :hidden])
        mixed = _run(half.into, wide)
        _turn_(mixed.view(len(x_NH), heads.all, dim)[:, : heads.queries + heads.keys], *turn)
        weights = []
        for level in tree.levels:
            q, k, v = _padded(mixed, level, heads, dim)
            scores = torch.bmm(q.mul_(scale), k.mT)
            segments, width, keys = level.shape
            scores.view(segments, -1, width, keys).add_(level.bias)
            weights.append(scores.softmax(dim=-1))
            out = torch.bmm(weights[-1], v).view(-1, dim).index_select(0, level.back)
            attended[level.start : level.stop, : heads.queries * dim] = out.view(-1, heads.queries * dim)
        out = _run([half.out], attended, x_NH)
        ctx.half, ctx.tree, ctx.turn, ctx.scale = half, tree, turn, scale
        ctx.save_for_backward(x_NH, wide, scale_N1, mixed, attended, *weights)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_NH: torch.Tensor) -> Any:
        half: _Half = ctx.half
        heads: Heads = ctx.tree.heads
        cos, sin = ctx.turn
        x_NH, wide, scale_N1, mixed, attended, *weights = ctx.saved_tensors
        hidden, dim = x_NH.shape[1], cos.shape[-1]
        attended_grad, of_out = _out_back(half, grad_NH, attended)
        grad = _wide(x_NH, half.into, heads.all * dim)
        of_heads = grad[:, : heads.all * dim].view(len(x_NH), heads.all, dim)
        for level, weight in zip(ctx.tree.levels, weights, strict=True):
            _attended_back(attended_grad, mixed, level, weight, ctx.scale, heads, of_heads)
        _turn_(of_heads[:, : heads.queries + heads.keys], cos, -sin)
        into, of_into = _run_back(half.into, grad, wide, ctx.needs_input_grad[0])
        x_grad = None if into is None else _normed_back(into, grad_NH, x_NH, wide[:, :hidden], scale_N1, half)
        return (x_grad, None, None, None, None, *of_into, *of_out)


def _padded(mixed: torch.Tensor, level: Level, heads: Heads, dim: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Queries (B x K, S x T, D), keys and values (B x K, L, D) of a level."""
    rows, (segments, _, keys) = mixed.view(-1, dim), level.shape
    q = rows.index_select(0, level.queries).view(segments * heads.keys, -1, dim)
    k = rows.index_select(0, level.keys).view(segments * heads.keys, keys, dim)
    v = rows.index_select(0, level.keys + heads.keys).view(segments * heads.keys, keys, dim)
    return q, k, v


def _attended_back(
    grad: torch.Tensor,
    mixed: torch.Tensor,
    level: Level,
    weight: torch.Tensor,
    scale: float,
    heads: Heads,
    into: torch.Tensor,
) -> None:
    """Writes the gradients of a level's queries, keys and values, still turned, to `into` (N, heads, D); adds those before it."""
    dim, segments = into.shape[-1], level.shape[0]
    q, k, v = _padded(mixed, level, heads, dim)
    ours = grad.view(-1, dim)[level.start * heads.queries : level.stop * heads.queries]
    out = ours.index_select(0, level.outputs)
    if level.padded is not None:
        out.index_fill_(0, level.padded, 0)
    out = out.view(q.shape)
    scores = torch._softmax_backward_data(torch.bmm(out, v.mT), weight, -1, weight.dtype)
    q_grad = torch.bmm(scores, k).mul_(scale)
    rows = into[level.start : level.stop]
    rows[:, : heads.queries] = q_grad.view(-1, dim).index_select(0, level.back).view(-1, heads.queries, dim)
    k_grad, v_grad = torch.bmm(scores.mT, q.mul_(scale)), torch.bmm(weight.mT, out)
    for at, some in ((heads.queries, k_grad), (heads.queries + heads.keys, v_grad)):
        rows[:, at : at + heads.keys] = some.view(-1, dim).index_select(0, level.own).view(-1, heads.keys, dim)
        some = some.view(segments, heads.keys, -1, dim)
        for first, last, start, stop, token in level.shared:
            total = some[first:last, :, start:stop].sum(dim=0).transpose(0, 1)
            into[token : token + stop - start, at : at + heads.keys] += total
