"""Configurations of the training loops. Imports no torch, so that studies can be read without it."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Weights(BaseModel):
    """What is trained."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    method: Literal["lora", "full"] = "lora"
    """`lora` trains an adapter on all linear layers; `full` trains every weight."""
    weight_decay: float = Field(0.0, ge=0)
    """AdamW's decoupled weight decay."""
    max_grad_norm: float = Field(1.0, gt=0)
    """Gradients are scaled down to this norm; `train/clipped_steps` counts how often."""
    lora_rank: int = Field(16, ge=1)
    """Rank of the adapter."""
    lora_alpha: int = Field(32, ge=1)
    """Scale of the adapter's change: alpha / rank."""
    lora_dropout: float = Field(0.0, ge=0, lt=1)
    """Dropout before the adapter."""


class SFT(_Weights):
    """How to fine-tune."""

    learning_rate: float = Field(2e-4, gt=0)
    """Peak learning rate of AdamW."""
    epochs: float = Field(1.0, ge=0)
    """Passes over the rows; 0 trains nothing."""
    batch_size: int = Field(16, ge=1)
    """Rows per optimiser step."""
    micro_batch_size: int = Field(16, ge=1)
    """Maximum rows per forward pass; affects memory and speed, and results only by rounding."""
    warmup_steps: int = Field(2, ge=0)
    """Steps over which the learning rate rises from 0."""
    schedule: Literal["cosine", "linear", "constant"] = "linear"
    """How the learning rate falls after the warm-up: to 0, or not at all."""
    max_length: int = Field(1024, ge=8)
    """Rows with more tokens than this are refused."""

    def steps(self, rows: int, beside: int = 0) -> int:
        """Optimiser steps on `rows` rows, where `beside` others are in every batch."""
        return math.ceil(self.epochs * math.ceil(rows / (self.batch_size - beside))) if rows else 0


class GRPO(_Weights):
    """How to train by group-relative policy optimisation."""

    learning_rate: float = Field(1e-4, ge=0)
    """AdamW's learning rate, constant after the warm-up; with 0 it samples and scores but learns nothing."""
    warmup_steps: int = Field(0, ge=0)
    """Steps over which the learning rate rises from 0."""
    steps: int = Field(24, ge=1)
    """Batches of rollouts."""
    prompts_per_step: int = Field(6, ge=1)
    """Problems asked in a step."""
    group_size: int = Field(8, ge=2)
    """Rollouts per problem, whose rewards are compared with each other."""
    max_new_tokens: int = Field(32, ge=1)
    """Length limit of a rollout, in tokens."""
    temperature: float = Field(1.0, gt=0)
    """Sampling temperature; log-probabilities are taken under it as well."""
    scale_advantages: bool = True
    """Whether a group's advantages are divided by the deviation of its rewards."""
    clip_low: float = Field(0.2, gt=0, le=1)
    """How far below 1 the importance ratio may lower the objective."""
    clip_high: float = Field(0.28, gt=0)
    """How far above 1; larger than `clip_low`, rare tokens can grow (DAPO)."""
    kl_weight: float = Field(0.0, ge=0)
    """Weight of the KL divergence to the model that training began with; needs `lora`, whose adapter is switched off for it.

    Refused if rollouts are trained under another prompt than they were sampled under: it cannot be estimated from tokens that the
    trained policy did not draw.
    """
    loss: Literal["token", "sequence", "constant"] = "token"
    """What the sum over tokens is divided by, always of all scored rollouts of the step, whether their group has a signal or not.

    `token`: the number of their tokens, so that all tokens count alike (DAPO, arXiv 2503.14476; TRL's `dapo`, its default).
    `sequence`: the number of rollouts times each one's own length, so that all rollouts count alike (GRPO as first published,
    arXiv 2402.03300; TRL's `grpo`). `constant`: prompts_per_step * group_size * max_new_tokens, so that neither a reply's length
    nor that of the others matters (Dr. GRPO, arXiv 2503.20783; TRL's `dr_grpo`); goes with `scale_advantages` false.
    """
    importance_cap: float | None = Field(None, gt=0)
    """Cap of the truncated importance weights, by which each token's part of the objective is multiplied; None: no weights.

    A weight is the token's probability in the gradient's own pass before the first update over that in the sampler, which differ
    in 16 bits (`train/sampler_gap`), or where rollouts are trained under another prompt. TRL's is on, with 3, where vLLM samples.
    """
    updates_per_step: int = Field(1, ge=1)
    """Optimiser steps on each batch of rollouts; from the second on, the ratio to the policy before the first one matters."""
    mask_truncated: bool = False
    """Whether rollouts that hit the length limit are left out of the loss."""
    micro_batch_size: int = Field(24, ge=1)
    """Maximum rollouts per forward pass; affects memory and speed, and results only by rounding."""
    sample_batch_size: int = Field(64, ge=1)
    """Rollouts sampled together."""
    monitor_kl: int = Field(1, ge=0)
    """Rollouts of every group, the first ones, on which entropy and the KL to the start are measured at each step.

    With 0, the KL is measured only if it has a weight, and the entropy on the first rollout of every group as with 1.
    """
    checkpoint_every: int = Field(4, ge=1)
    """Steps between checkpoints, from which an interrupted run resumes."""
