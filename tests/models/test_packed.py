"""Fused linear layers with their LoRA adapters, against numbers worked by hand and against the layers themselves."""

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn

from openwindow.models.packed_linear import product

RANK = 4


class Attention(nn.Module):
    """Three linear layers that read the same input."""

    def __init__(self, bias: bool) -> None:
        super().__init__()
        self.q, self.k, self.v = nn.Linear(64, 48, bias=bias), nn.Linear(64, 16, bias=bias), nn.Linear(64, 16, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.q(x), self.k(x), self.v(x)], dim=-1)


def adapted(*targets: str, dtype: torch.dtype = torch.bfloat16, bias: bool = False) -> PeftModel:
    torch.manual_seed(0)
    config = LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules=list(targets))
    network = get_peft_model(Attention(bias).to(dtype), config, autocast_adapter_dtype=False)
    for name, weight in network.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(std=0.1)
    return network


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("targets", [("q", "k", "v"), ("k",), ("q", "v")])
@torch.inference_mode()
def test_side_by_side_they_give_what_the_layers_give(targets, bias, dtype):
    network = adapted(*targets, dtype=dtype, bias=bias)
    layers, x = network.base_model.model, torch.randn(9, 64).to(dtype)
    close = 1e-5 if dtype == torch.float32 else 0.03
    torch.testing.assert_close(product(layers.q, layers.k, layers.v)(x), network(x), rtol=close, atol=close)


@torch.inference_mode()
def test_a_change_below_the_rounding_of_16_bit_weights_is_there():
    """Every weight is 1, and every entry of the change 2 * 0.0005 * 0.25 = 0.00025: added to the weight it would be rounded away.

    On an input of 32 ones and 32 minus ones the weights give 0, and a change of the same signs 64 * 0.00025 = 0.016.
    """
    network = adapted("q")
    layer, signs = network.base_model.model.q, torch.tensor([1.0, -1.0]).repeat(32)
    layer.get_base_layer().weight.data.fill_(1.0)
    layer.lora_A["default"].weight.data = torch.cat([0.25 * signs[None], torch.zeros(RANK - 1, 64)]).bfloat16()
    layer.lora_B["default"].weight.data.fill_(0.0005)
    assert torch.equal(torch.tensor(1.0).bfloat16() + torch.tensor(0.00025).bfloat16(), torch.tensor(1.0).bfloat16())
    found = product(layer)(signs[None].bfloat16())
    torch.testing.assert_close(found.float(), torch.full((1, 48), 0.016), rtol=0.01, atol=0)
