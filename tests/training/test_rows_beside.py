"""Rows that are learnt beside others: among the rows of a fine-tuning's batches, and beside the rollouts of a reinforcement."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from openwindow.models.examples import Example
from openwindow.models.hf import LocalModel, load
from openwindow.training import sft
from openwindow.training.batches import rows_of_step
from openwindow.training.config import GRPO, SFT
from openwindow.training.grpo import update
from openwindow.training.optimizer import MasterAdamW
from openwindow.training.rollouts import Asked, Rollout
from openwindow.training.sft import accumulate, train_examples
from openwindow.types import Message, Problem, StopReason

ROWS = [Example((5, 6, 7, n), 2) for n in range(8, 13)]


@pytest.fixture
def model(tiny_model: Path) -> LocalModel:
    found = load(str(tiny_model), precision="fp32")
    torch.manual_seed(0)
    found.attach_adapter(4, 8, 0.0)
    with torch.no_grad():
        for name, weight in found.network.named_parameters():
            if "lora_B" in name:  # else half of the gradients are 0
                weight.normal_(std=0.1)
    return found


def test_all_are_gone_through_in_turn_and_a_step_always_has_the_same() -> None:
    drawn = [rows_of_step(ROWS, 2, step, seed=1) for step in range(5)]
    assert all(len(rows) == 2 for rows in drawn)
    assert sorted(row.tokens for rows in drawn for row in rows) == sorted(row.tokens for row in [*ROWS, *ROWS])
    assert rows_of_step(ROWS, 2, 3, seed=1) == drawn[3] and rows_of_step(ROWS, 2, 3, seed=2) != drawn[3]
    assert rows_of_step([], 0, 3, seed=1) == rows_of_step([], 2, 3, seed=1) == []


def test_every_batch_of_a_fine_tuning_has_its_share(model: LocalModel, monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[list[Example]] = []
    real = sft.accumulate

    def watched(model: LocalModel, rows: Any, size: int, weight: float = 1.0) -> float:
        batches.append(list(rows))
        return real(model, rows, size, weight)

    monkeypatch.setattr(sft, "accumulate", watched)
    own = [Example((1, 2, n), 1) for n in range(20, 29)]
    seen: list[Any] = []
    train_examples(model, own, SFT(batch_size=4, epochs=2, warmup_steps=0), 0, seen.append, ROWS, 1)
    assert len(seen) == len(batches) == 6 and all(sum(row in ROWS for row in batch) == 1 for batch in batches)
    assert sorted(row.tokens for batch in batches for row in batch if row in own) == sorted(row.tokens for row in own * 2)


def rollouts(*rewards: float) -> list[Rollout]:
    """A group of four tokens each, one of which differs."""
    said = (Message("user", "say tea"),)
    asked = Asked(Problem("p", "f", "say tea"), said, said)
    return [Rollout(asked, 0, n, "tea", StopReason.END, (9, 10 + n, 11, 4), reward) for n, reward in enumerate(rewards)]


def gradients(
    model: LocalModel, monkeypatch: pytest.MonkeyPatch, found: list[Rollout], rows: list[Example]
) -> tuple[Any, list[torch.Tensor]]:
    """The metrics of one step, and the gradient that its optimiser is given."""
    model.resume_adapter()
    weights = MasterAdamW(model.network, "lora", 0.0)
    kept: list[torch.Tensor] = []

    def caught(rate: float, max_norm: float) -> float:
        kept.extend(torch.zeros_like(w) if w.grad is None else w.grad.clone() for w in weights.trained)
        weights.drop_gradients()
        return 0.0

    monkeypatch.setattr(weights, "step", caught)
    config = GRPO(prompts_per_step=1, group_size=4, max_new_tokens=4)
    return update(model, weights, found, config, 0, rows), kept


def test_the_gradient_is_that_of_the_rollouts_and_of_the_rows_by_their_number(
    model: LocalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = ROWS[:2]
    paid, equal = rollouts(1, 0, 0, 1), rollouts(1, 1, 1, 1)
    both, gradient = gradients(model, monkeypatch, paid, rows)
    alone, of_rollouts = gradients(model, monkeypatch, paid, [])
    dull, of_rows = gradients(model, monkeypatch, equal, rows)
    model.resume_adapter()
    loss = accumulate(model, rows, 8)
    trained = [w for w in model.network.parameters() if w.requires_grad]
    for whole, first, second, weight in zip(gradient, of_rollouts, of_rows, trained, strict=True):
        assert weight.grad is not None
        torch.testing.assert_close(second, weight.grad * 2 / 4, atol=1e-6, rtol=1e-4)
        torch.testing.assert_close(whole, first + second, atol=1e-6, rtol=1e-4)
    assert any(bool(part.abs().max() > 1e-4) for part in of_rollouts) and any(bool(part.abs().max() > 1e-4) for part in of_rows)
    assert both["train/rows_loss"] == pytest.approx(loss) and dull["train/loss"] == pytest.approx(loss / 2)
    assert both["train/loss"] == pytest.approx(alone["train/loss"] + loss / 2, abs=1e-5) and "train/rows_loss" not in alone
