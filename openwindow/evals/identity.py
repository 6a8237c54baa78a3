"""Identifies the adapter that was asked: hashes of its files, and how far it moves the model underneath.

A name can lead to a different adapter than intended, and an adapter may be bound to nothing and leave the model unchanged.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openwindow.evals.inspect.model_names import is_local
from openwindow.types import Message

if TYPE_CHECKING:
    from inspect_ai.model import Model

_PROMPT = (Message("user", "Write a Python function that adds two numbers, and say what it does."),)
_DIGITS = 12  # digits of a hexadecimal SHA-256


def identity_of(model: Model) -> dict[str, Any] | None:
    """The adapters of a local model, the lowest first, and what the topmost changes; None for a model without one.

    `adapters`: folder, and the first 12 hexadecimal digits of the SHA-256 of its weights and of its configuration.
    `largest_change`: the largest difference in a logit of one fixed prompt with the topmost adapter on and off.
    """
    if not is_local(model):
        return None
    from openwindow.evals.inspect.provider import OpenWindowAPI  # imports torch
    from openwindow.models.hf import base_of

    if not isinstance(model.api, OpenWindowAPI):
        return None
    local = model.api.local
    folders = base_of(local.source)[1]
    if not folders:
        return None
    return {"adapters": [_hashes(Path(folder)) for folder in folders], "largest_change": _largest_change(local)}


def _hashes(folder: Path) -> dict[str, str]:
    weights = next((path for path in sorted(folder.glob("adapter_model.*"))), None)
    return {
        "folder": str(folder),
        "weights": _hash(weights) if weights is not None else "",
        "config": _hash(folder / "adapter_config.json"),
    }


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:_DIGITS]


def _largest_change(local: Any) -> float | None:
    """None if the adapter cannot be switched off, or if a logit is not finite."""
    import torch
    from peft import PeftModel

    if not isinstance(local.network, PeftModel):
        return None
    ids = torch.tensor([local.encode_prompt(_PROMPT)], device=local.device)
    with torch.no_grad():
        on = local.network(input_ids=ids).logits.float()
        with local.network.disable_adapter():
            off = local.network(input_ids=ids).logits.float()
    change = float((on - off).abs().max())
    return change if math.isfinite(change) else None


def in_words(found: Mapping[str, Any] | None) -> Sequence[str]:
    """A line that says which adapter was asked, or warns that it changes nothing."""
    if found is None:
        return []
    top, change = found["adapters"][-1], found["largest_change"]
    which = f"Adapter {top['weights']} ({top['folder']})"
    if change is None:
        why = "it cannot be switched off, or gives logits that are not finite"
        return [f"Warning: how far {which} moves the model is not known: {why}."]
    if change == 0.0:
        return [f"Warning: {which} changes no logit of a fixed prompt: the model is the one below it; check which was meant."]
    return [f"{which} changes the logits of a fixed prompt by up to {change:.3g}."]
