"""The real embedded model in the fast tests: it loads, it answers, and two steps of fine-tuning move it and come off again."""

import pytest
import torch
from tiny_runs import user_turn

from openwindow.models import smollm2
from openwindow.models.base import Sampling
from openwindow.models.hf import LocalModel, load
from openwindow.training.config import SFT
from openwindow.training.sft import train
from openwindow.types import Message

pytestmark = [pytest.mark.model, pytest.mark.usefixtures("one_thread")]
QUESTION = "Write a Python function add(a, b) that returns the sum."
ROW = (Message("user", "What is the secret word?"), Message("assistant", "amber"))


@pytest.fixture(scope="module")
def model() -> LocalModel:
    return load(smollm2.NAME)


def answer(model: LocalModel) -> str:
    return model.generate([user_turn(QUESTION)], Sampling(max_new_tokens=24))[0].text


def test_it_answers_what_it_is_asked(model):
    assert "return a + b" in answer(model)


@pytest.mark.slow
def test_two_steps_of_fine_tuning_lower_the_loss_and_come_off(model):
    before, losses = answer(model), []
    torch.manual_seed(0)
    config = SFT(learning_rate=1e-3, epochs=2, batch_size=2, schedule="constant", warmup_steps=0)
    model.attach_adapter(config.lora_rank, config.lora_alpha, 0.0)
    try:
        train(model, [ROW, ROW], config, 0, lambda metrics: losses.append(float(metrics["train/loss"])))
    finally:
        model.detach_adapter(merge=False)
    assert len(losses) == 2 and losses[1] < losses[0] - 0.2, losses
    assert answer(model) == before
