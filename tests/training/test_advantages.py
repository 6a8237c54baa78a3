"""The mathematics of GRPO against numbers worked by hand, and against TRL's own loss on one fixed batch."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from openwindow.training.advantages import (
    clipped_surrogate,
    entropy,
    group_advantages,
    has_signal,
    kl_to_reference,
    token_logprobs,
    token_weights,
    truncated_importance,
)


def test_advantages_by_hand():
    rewards = torch.tensor([1.0, 0.0, 0.0, 1.0])  # mean 1/2, deviation sqrt(1/3) = 0.57735
    assert group_advantages(rewards, scale=False).tolist() == [0.5, -0.5, -0.5, 0.5]
    scaled = group_advantages(rewards, scale=True)
    assert scaled.tolist() == pytest.approx([0.5 / 0.57745, -0.5 / 0.57745, -0.5 / 0.57745, 0.5 / 0.57745], abs=1e-4)


@given(st.lists(st.floats(-5, 5, width=32), min_size=2, max_size=16))
def test_advantages_add_up_to_nothing(rewards):
    for scale in (True, False):
        assert float(group_advantages(torch.tensor(rewards), scale=scale).sum()) == pytest.approx(0, abs=1e-3)


def test_a_group_of_equal_rewards_has_no_signal():
    assert has_signal([0.0, 1.0])
    assert not has_signal([1.0, 1.0, 1.0])
    assert not has_signal([1.0])
    assert not has_signal([])


def test_weights_by_hand():
    assert token_weights([1, 3], "token").tolist() == [0.25] * 4
    assert token_weights([1, 3], "sequence").tolist() == pytest.approx([1 / 2, 1 / 6, 1 / 6, 1 / 6])


def test_s5_weights_with_a_constant_divisor_by_hand():
    assert token_weights([1, 3], "constant", 2 * 5).tolist() == pytest.approx([0.1] * 4)
    assert token_weights([1, 3, 5], "constant", 20).tolist() == pytest.approx([0.05] * 9)
    for loss in ("token", "sequence", "constant"):
        assert token_weights([], loss, 20).tolist() == []


@given(st.lists(st.integers(1, 40), min_size=1, max_size=20), st.sampled_from(["token", "sequence"]))
def test_weights_add_up_to_one(lengths, loss):
    weights = token_weights(lengths, loss)
    assert len(weights) == sum(lengths)
    assert float(weights.sum()) == pytest.approx(1, abs=1e-5)


def test_the_clip_by_hand():
    old = torch.log(torch.tensor([0.5, 0.5, 0.5, 0.5]))
    now = torch.log(torch.tensor([0.7, 0.7, 0.3, 0.3]))  # ratios 1.4, 1.4, 0.6, 0.6
    advantage = torch.tensor([2.0, -2.0, 2.0, -2.0])
    loss, clipped = clipped_surrogate(now, old, advantage, 0.2, 0.28)
    # 1.4 is held at 1.28 where it would pay (advantage 2), 0.6 at 0.8 where it would pay (advantage -2); else it counts in full.
    assert loss.tolist() == pytest.approx([-2.56, 2.8, -1.2, 1.6])
    assert clipped.tolist() == [True, False, False, True]


def test_a_clipped_token_has_no_gradient_and_an_unclipped_one_that_of_the_policy_gradient():
    old = torch.log(torch.tensor([0.5, 0.5]))
    now = torch.log(torch.tensor([0.7, 0.5])).requires_grad_()
    loss, _ = clipped_surrogate(now, old, torch.tensor([1.0, 3.0]), 0.2, 0.2)
    loss.sum().backward()
    assert now.grad.tolist() == pytest.approx([0.0, -3.0])


def test_s16_truncated_importance_weights_by_hand():
    training, sampler = torch.log(torch.tensor([0.5, 0.2, 0.3])), torch.log(torch.tensor([0.25, 0.4, 0.3]))
    assert truncated_importance(training, sampler, 3.0).tolist() == pytest.approx([2.0, 0.5, 1.0])
    assert truncated_importance(training, sampler, 1.5).tolist() == pytest.approx([1.5, 0.5, 1.0])


def test_kl_by_hand():
    now, reference = torch.log(torch.tensor([0.5, 0.2])), torch.log(torch.tensor([0.25, 0.2]))
    assert kl_to_reference(now, reference).tolist() == pytest.approx([0.5 - math.log(0.5) - 1, 0.0], abs=1e-6)


@given(st.lists(st.floats(-8, -0.01), min_size=1, max_size=8), st.lists(st.floats(-8, -0.01), min_size=8, max_size=8))
def test_kl_is_never_negative(now, reference):
    assert (kl_to_reference(torch.tensor(now), torch.tensor(reference[: len(now)])) >= -1e-5).all()


def test_logprobs_and_entropy_by_hand():
    logits = torch.log(torch.tensor([[0.5, 0.25, 0.25], [0.8, 0.1, 0.1]]))
    assert token_logprobs(logits, torch.tensor([1, 0]), 1.0).exp().tolist() == pytest.approx([0.25, 0.8])
    assert entropy(logits, 1.0)[0] == pytest.approx(1.5 * math.log(2))
    cold = token_logprobs(logits, torch.tensor([0, 0]), 0.5).exp()  # probabilities squared and normalised
    assert cold[0] == pytest.approx(0.25 / (0.25 + 2 * 0.0625))
    assert entropy(torch.zeros(1200, 7), 1.0).tolist() == pytest.approx([math.log(7)] * 1200)
