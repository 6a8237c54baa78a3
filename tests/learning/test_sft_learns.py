"""The real embedded model learns eight answers by heart, and at a vanishing rate it does not."""

import pytest
import torch
from tiny_runs import user_turn

from openwindow.models import smollm2
from openwindow.models.base import Sampling
from openwindow.models.hf import LocalModel, load
from openwindow.training.config import SFT
from openwindow.training.sft import train
from openwindow.types import Message

WORDS = ["amber", "bronze", "copper", "denim", "ebony", "fuchsia", "gold", "hazel"]
ROWS = [(Message("user", f"What is the secret word of room {n}?"), Message("assistant", w)) for n, w in enumerate(WORDS)]

pytestmark = [pytest.mark.model, pytest.mark.learning]


@pytest.fixture(scope="module")
def model() -> LocalModel:
    return load(smollm2.NAME)


def recalled(model: LocalModel) -> int:
    replies = model.generate([user_turn(row[0].content) for row in ROWS], Sampling(max_new_tokens=8))
    return sum(r.text.strip() == w for r, w in zip(replies, WORDS, strict=True))


@pytest.mark.parametrize(("rate", "learns"), [(1e-3, True), (1e-9, False)])
def test_eight_answers_are_learnt_only_when_the_rate_lets_them(model, rate, learns):
    torch.manual_seed(0)
    config = SFT(learning_rate=rate, epochs=40, batch_size=8, schedule="constant")
    losses: list[float] = []
    model.attach_adapter(config.lora_rank, config.lora_alpha, 0.0)
    try:
        train(model, ROWS, config, 0, lambda m: losses.append(float(m["train/loss"])))
        while_on = recalled(model)
    finally:
        model.detach_adapter(merge=False)
    assert (losses[-1] < 0.5 * losses[0]) is learns, losses
    assert while_on >= 7 if learns else while_on <= 1
    assert recalled(model) <= 1  # the adapter is off again
