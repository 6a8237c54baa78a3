"""AdamW whose weights may be bf16: it steps float32 masters of the trained weights and copies them back.

So that steps smaller than bf16's resolution are not lost (Micikevicius et al. 2018, https://arxiv.org/abs/1710.03740).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import torch

from openwindow.errors import ConfigError, RunError
from openwindow.models.memory import settle_memory


class MasterAdamW:
    """The trained weights of a network, their float32 masters, and the optimiser that steps these.

    A weight that is float32 is its own master.
    """

    def __init__(self, network: Any, method: Literal["lora", "full"], weight_decay: float) -> None:
        """Raises ConfigError for `lora` without an adapter."""
        if method == "full":
            network.requires_grad_(True)
        self.trained: list[torch.Tensor] = [p for p in network.parameters() if p.requires_grad]
        if not self.trained:
            raise ConfigError("method is `lora` but the model has no adapter; attach one, or set method to `full`")
        self.masters = [p.detach().float().clone() if p.dtype != torch.float32 else p for p in self.trained]
        self.optimizer = torch.optim.AdamW(self.masters, weight_decay=weight_decay, fused=True)

    def step(self, rate: float, max_norm: float) -> float:
        """One step at the given learning rate; the gradients' norm before it is scaled down to `max_norm`. Drops all gradients.

        A weight without a gradient has gradient 0: its momentum and its decay continue.
        """
        for master, weight in zip(self.masters, self.trained, strict=True):
            master.grad = torch.zeros_like(master) if weight.grad is None else weight.grad.float()
        norm = float(torch.nn.utils.clip_grad_norm_(self.masters, max_norm))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.drop_gradients()
        self._copy_back()
        settle_memory()
        return norm

    def drop_gradients(self) -> None:
        """Forgets what was accumulated."""
        for master, weight in zip(self.masters, self.trained, strict=True):
            weight.grad = master.grad = None

    def state_dict(self) -> dict[str, Any]:
        """Masters and the optimiser's state, to resume from."""
        return {"masters": [master.detach() for master in self.masters], "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes over what `state_dict` gave, weights included."""
        with torch.no_grad():
            for master, saved in zip(self.masters, state["masters"], strict=True):
                master.copy_(saved)
        self.optimizer.load_state_dict(state["optimizer"])
        self._copy_back()

    @torch.no_grad()
    def _copy_back(self) -> None:
        for master, weight in zip(self.masters, self.trained, strict=True):
            if master is not weight:
                weight.copy_(master)


def check_finite(values: Mapping[str, float | int | None], weights: Iterable[torch.Tensor], step: int) -> None:
    """Raises RunError where, after `step` (from 1), a metric or a weight is no finite number: such a model answers nonsense."""
    wrong = {name: value for name, value in values.items() if value is not None and not math.isfinite(value)}
    if not all(bool(torch.isfinite(weight).all()) for weight in weights):
        wrong = {"a trained weight": math.nan} | wrong
    for name, value in wrong.items():
        raise RunError(f"{name} after step {step} is {value}; a finite number was expected; lower learning_rate")
