"""Configurations of the training loops. Imports no torch, so that studies can be read without it."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class SFT(BaseModel):
    """How to fine-tune."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    method: Literal["lora", "full"] = "lora"
    """`lora` trains an adapter on all linear layers; `full` trains every weight."""
    learning_rate: float = Field(2e-4, gt=0)
    """Peak learning rate of AdamW."""
    epochs: float = Field(1.0, ge=0)
    """Passes over the rows; 0 trains nothing."""
    batch_size: int = Field(16, ge=1)
    """Rows per optimiser step."""
    micro_batch_size: int = Field(16, ge=1)
    """Rows per forward pass, at most; changes memory and speed, not results beyond rounding."""
    warmup_steps: int = Field(2, ge=0)
    """Steps over which the learning rate rises from 0."""
    schedule: Literal["cosine", "linear", "constant"] = "linear"
    """How the learning rate falls after the warm-up; to 0, or not at all."""
    weight_decay: float = Field(0.0, ge=0)
    """AdamW's decoupled weight decay."""
    max_grad_norm: float = Field(1.0, gt=0)
    """Gradients are scaled down to this norm."""
    max_length: int = Field(1024, ge=8)
    """Rows of more tokens than this are refused."""
    lora_rank: int = Field(16, ge=1)
    """Rank of the adapter."""
    lora_alpha: int = Field(32, ge=1)
    """Scale of the adapter's change: alpha / rank."""
    lora_dropout: float = Field(0.0, ge=0, lt=1)
    """Dropout before the adapter."""

    def steps(self, rows: int) -> int:
        """Optimiser steps on `rows` rows."""
        return math.ceil(self.epochs * math.ceil(rows / self.batch_size)) if rows else 0
