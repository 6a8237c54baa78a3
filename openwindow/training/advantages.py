"""The mathematics of group-relative policy optimisation, as pure functions on tensors.

Sources: GRPO (Shao et al. 2024, arXiv 2402.03300), its clipped objective from PPO (Schulman et al. 2017, arXiv 1707.06347), the
separate upper bound and the token-level loss from DAPO (Yu et al. 2025, arXiv 2503.14476), advantages without the division
and the constant divisor from Dr. GRPO (Liu et al. 2025, arXiv 2503.20783), the KL estimate from Schulman's note (http://joschu.net/blog/kl-approx.html).

`_G` is a rollout of one group, `_R` a rollout, `_N` a completion token, `_V` the vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch

Loss = Literal["token", "sequence", "constant"]
_EPSILON = 1e-4  # keeps the division by the deviation finite; TRL's value
_CHUNK = 512  # tokens whose whole distributions are held in memory at once


def group_advantages(rewards_G: torch.Tensor, *, scale: bool) -> torch.Tensor:
    """Each rollout's reward (G,) minus its group's mean; with `scale` over the group's deviation (G - 1 in the denominator)."""
    exact_G = rewards_G.double()
    centred_G = exact_G - exact_G.mean()
    if scale and len(rewards_G) > 1:
        centred_G = centred_G / (exact_G.std() + _EPSILON)
    return centred_G.float()


def has_signal(rewards: Sequence[float]) -> bool:
    """Whether a group's rewards differ, so that its advantages are not all 0."""
    return len(rewards) > 1 and max(rewards) > min(rewards)


def token_weights(lengths: Sequence[int], loss: Loss, budget: int = 0) -> torch.Tensor:
    """Weight (N,) in the loss of every completion token of rollouts of these lengths (tokens).

    The rollouts are to be all that were scored in a step, with a signal or not: the divisor is that of the sampled batch.
    `token`: one over all their tokens (DAPO). `sequence`: one over the rollouts and the rollout's own tokens (GRPO as first
    published). `constant`: one over `budget`, the tokens that a step can have at most, whatever was sampled (Dr. GRPO).
    """
    lengths_R = torch.tensor(lengths, dtype=torch.float32)
    if loss == "sequence":
        return (1.0 / (lengths_R.clamp(min=1) * len(lengths))).repeat_interleave(lengths_R.long())
    tokens = int(lengths_R.sum())
    return torch.full((tokens,), 1.0 / max(budget if loss == "constant" else tokens, 1))


def clipped_surrogate(
    logp_N: torch.Tensor, old_N: torch.Tensor, advantage_N: torch.Tensor, clip_low: float, clip_high: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Loss per token (N,), to be minimised, and which tokens (N,) the clip leaves without a gradient.

    `logp_N` are the log-probabilities of the sampled tokens now, `old_N` before the batch's first update. Their ratio is kept
    within
    [1 - clip_low, 1 + clip_high] on the side to which the advantage would push it.
    """
    ratio_N = torch.exp(logp_N - old_N)
    bounded_N = ratio_N.clamp(1 - clip_low, 1 + clip_high)
    loss_N = -torch.minimum(ratio_N * advantage_N, bounded_N * advantage_N)
    clipped_N = ((advantage_N > 0) & (ratio_N > 1 + clip_high)) | ((advantage_N < 0) & (ratio_N < 1 - clip_low))
    return loss_N, clipped_N


def truncated_importance(old_N: torch.Tensor, sampler_N: torch.Tensor, cap: float) -> torch.Tensor:
    """Weight (N,) of each token: how much likelier it was under the policy in training than under the sampler, at most `cap`.

    `old_N` and `sampler_N` are the two log-probabilities of the sampled tokens before the first update. Without a bound the mean
    over sampled tokens is that of tokens drawn from the policy in training; with one it has less variance and a little bias
    (Espeholt et al. 2018, arXiv 1802.01561; between a sampler and a trainer of one policy Yao et al. 2025, "Your efficient RL
    framework secretly brings you off-policy RL training"; TRL's `token_truncate`).
    """
    return torch.exp(old_N - sampler_N).clamp(max=cap)


def kl_to_reference(logp_N: torch.Tensor, reference_N: torch.Tensor) -> torch.Tensor:
    """An estimate per token (N,) of KL(policy || reference) from sampled tokens: never negative, unbiased (Schulman's k3)."""
    log_ratio_N = reference_N - logp_N
    return torch.exp(log_ratio_N) - log_ratio_N - 1


def token_logprobs(logits_NV: torch.Tensor, targets_N: torch.Tensor, temperature: float) -> torch.Tensor:
    """Log-probabilities (N,), in float32, of the target tokens under the distribution that was sampled from."""
    scaled_NV = logits_NV.float() / temperature
    return -torch.nn.functional.cross_entropy(scaled_NV, targets_N, reduction="none")


@torch.no_grad()
def entropy(logits_NV: torch.Tensor, temperature: float) -> torch.Tensor:
    """Entropy (N,) in nats of the distribution that was sampled from."""
    parts = []
    for part in torch.split(logits_NV.detach(), _CHUNK):
        logp = torch.log_softmax(part.float() / temperature, dim=-1)
        parts.append(-(logp.exp() * logp).sum(dim=-1))
    return torch.cat(parts) if parts else logits_NV.new_empty(0, dtype=torch.float32)
