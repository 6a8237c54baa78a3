"""Linear layers copied for inference: several as one product, LoRA adapters merged, bf16 weights in oneDNN's own layout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from peft.tuners.lora import LoraLayer
from torch import nn
from torch.nn import functional as F

Product = Callable[[torch.Tensor], torch.Tensor]


def is_linear(module: nn.Module) -> bool:
    """Whether `product` takes it: a linear layer as torch has it, or one with plain LoRA adapters that are switched on."""
    if isinstance(module, LoraLayer):
        plain = not (module.disable_adapters or module.merged or module.lora_variant or any(module.lora_bias.values()))
        return plain and type(module.get_base_layer()) is nn.Linear
    return type(module) is nn.Linear


def _merged(linear: Any) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Weight and bias of a linear layer, the change of its active LoRA adapters added to the weight."""
    if not isinstance(linear, LoraLayer):
        return linear.weight, linear.bias
    base = linear.get_base_layer()
    weight = base.weight
    for name in linear.active_adapters:
        if name in linear.lora_A:
            change = linear.lora_B[name].weight.float() @ linear.lora_A[name].weight.float() * linear.scaling[name]
            weight = weight + change.to(weight.dtype)
    return weight, base.bias


def product(*linears: Any) -> Product:
    """The linear layers, with the weights that they have now, as one product whose results stand side by side.

    The weights are copied, in bf16 into the blocked layout that oneDNN multiplies fastest.
    """
    weights, biases = zip(*map(_merged, linears), strict=True)
    weight = torch.cat(weights)
    bias: torch.Tensor | None = None
    if any(b is not None for b in biases):
        bias = torch.cat([w.new_zeros(len(w)) if b is None else b for w, b in zip(weights, biases, strict=True)])
    onednn = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if onednn and weight.dtype == torch.bfloat16 and torch.cpu.get_capabilities().get("avx512_bf16"):
        packed = torch.ops.mkldnn._reorder_linear_weight(weight)
        return lambda x: torch.as_tensor(torch.ops.mkldnn._linear_pointwise(x, packed, bias, "none", [], ""))
    return lambda x: F.linear(x, weight, bias)
