"""Linear layers copied for inference: several as one product, with their LoRA adapters, in oneDNN's layout where that is faster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from peft.tuners.lora import LoraLayer
from torch import nn
from torch.nn import functional as F

Product = Callable[[torch.Tensor], torch.Tensor]
_WIDE = 2048
"""outputs of a float32 product from which oneDNN's layout is the faster one"""


def is_linear(module: nn.Module) -> bool:
    """Whether `product` takes it: a linear layer as torch has it, or one with plain LoRA adapters that are switched on."""
    if isinstance(module, LoraLayer):
        plain = not (module.disable_adapters or module.merged or module.lora_variant or any(module.lora_bias.values()))
        return plain and type(module.get_base_layer()) is nn.Linear
    return type(module) is nn.Linear


def product(*linears: Any) -> Product:
    """The linear layers, with the weights that they have now, as one product whose results stand side by side.

    The weights are copied, in bf16 and where they are wide into the blocked layout that oneDNN multiplies fastest. LoRA adapters
    are merged into float32 weights alone: rounded to 16 bits, most entries of a small change leave the weight below as it was, and
    what is sampled is then not the policy that is trained. Beside 16-bit weights their factors stay apart: the first is stacked
    under the weights, the second takes one small product more.
    """
    bases = [linear.get_base_layer() if isinstance(linear, LoraLayer) else linear for linear in linears]
    weight = torch.cat([base.weight for base in bases])
    bias: torch.Tensor | None = None
    if any(base.bias is not None for base in bases):
        bias = torch.cat([base.weight.new_zeros(len(base.weight)) if base.bias is None else base.bias for base in bases])
    down_RI, up_OR = _factors(linears, weight)
    if weight.dtype == torch.float32:
        return _linear(weight.addmm(up_OR, down_RI), bias)
    if len(down_RI) == 0:
        return _linear(weight, bias)
    if bias is not None:
        bias = torch.cat([bias, bias.new_zeros(len(down_RI))])
    both, out, up_RO = _linear(torch.cat([weight, down_RI]), bias), len(weight), up_OR.T.contiguous()

    def changed(x: torch.Tensor) -> torch.Tensor:
        y = both(x)
        return torch.addmm(y[:, :out], y[:, out:], up_RO)

    return changed


def _factors(linears: Sequence[Any], like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The factors of all active adapters, (R, in) and (out, R), the second scaled; each adapter changes its own layer alone."""
    downs, ups, row = [like.new_zeros(0, like.shape[1])], [like.new_zeros(len(like), 0)], 0
    for linear in linears:
        adapters = linear.active_adapters if isinstance(linear, LoraLayer) else ()
        height = len((linear.get_base_layer() if isinstance(linear, LoraLayer) else linear).weight)
        for name in adapters:
            if name in linear.lora_A:
                second = linear.lora_B[name].weight.float() * linear.scaling[name]
                downs.append(linear.lora_A[name].weight.to(like.dtype))
                ups.append(F.pad(second, (0, 0, row, len(like) - row - height)).to(like.dtype))
        row += height
    return torch.cat(downs), torch.cat(ups, dim=1)


def _linear(weight: torch.Tensor, bias: torch.Tensor | None) -> Product:
    onednn = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    native = weight.dtype == torch.bfloat16 and torch.cpu.get_capabilities().get("avx512_bf16")
    if onednn and (native or (weight.dtype == torch.float32 and len(weight) >= _WIDE)):
        packed = torch.ops.mkldnn._reorder_linear_weight(weight)
        return lambda x: torch.as_tensor(torch.ops.mkldnn._linear_pointwise(x, packed, bias, "none", [], ""))
    return lambda x: F.linear(x, weight, bias)
