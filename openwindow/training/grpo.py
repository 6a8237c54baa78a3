"""Group-relative policy optimisation: one visible loop on one device.

Each step draws problems, samples a group of rollouts for each, has them scored, and makes what did better than its group more
likely. How it departs from the plainest loop (and from TRL's `GRPOTrainer`):

1. The prompt that a rollout is sampled under and the prompt that it is trained under are two fields (`rollouts.Asked`). With equal
   ones this is GRPO; with different ones recontextualization (Azarbal et al. 2025, arXiv 2512.19027).
2. A prompt is run once for its whole group, in sampling and in the gradient; logits are computed for completion tokens only.
3. Groups whose rewards do not differ have no gradient: they are left out of the forward pass and counted in the divisor of the
   loss, so that the gradient is that of the whole sampled batch. Where the KL is weighed they have that of the KL and stay in.
   A step in which no group has a gradient is a step of the optimiser with gradient 0, whose momentum continues.
4. The ratio that is clipped is to the policy before the first update, under the prompt that is trained, as its own forward pass
   has it: 1 in the first update whatever was sampled. How far that is from what the sampler said of the same tokens is measured
   (`train/sampler_gap`), and corrected only with `importance_cap`. With two prompts it is mostly the distance between them.
5. The reference for the KL is the same network with its adapter switched off.
6. A rollout that could not be scored has no reward: it is recorded, counted, and left out of its group, never scored 0.
7. Entropy, KL and the gap to the sampler are measured at every step before the update, in a pass of their own over the first
   rollouts of every group, whatever their rewards: one population in all steps. All are under the prompt that is trained, on
   tokens that were drawn under the one that was sampled: with two prompts the KL is a mean of its terms and no estimate of it.
8. What all steps ask is drawn before the first one, so that a prompt that is too long is refused there.
9. Rows of supervised fine-tuning may be learnt beside the rollouts (PPO-ptx, Ouyang et al. 2022, arXiv 2203.02155): at every step
   the mean cross-entropy of their response tokens is added to the loss, times rows over rollouts, so that a row weighs as much
   as a rollout does. One step of one optimiser, so nothing else has to be resumed.
10. All chance is drawn from (seed, step), so that a run resumed from a checkpoint equals the run that was never interrupted.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from openwindow.errors import ConfigError, ModelError, RunError
from openwindow.models.base import Drawn, Sampler, Sampling
from openwindow.models.examples import Example
from openwindow.models.hf import LocalModel
from openwindow.models.sampling import local_sampler
from openwindow.models.scoring import Group, completion_logits
from openwindow.training import checkpoint
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
from openwindow.training.batches import rows_of_step
from openwindow.training.config import GRPO
from openwindow.training.forward import training_mode
from openwindow.training.optimizer import MasterAdamW, check_finite
from openwindow.training.rollouts import Asked, Metrics, Rollout, Task, outcome
from openwindow.training.sft import accumulate
from openwindow.types import StopReason


def train(
    model: LocalModel,
    task: Task,
    config: GRPO,
    seed: int,
    on_step: Callable[[Metrics, list[Rollout]], None],
    folder: Path | None = None,
    sampler: Sampler = local_sampler,
    *,
    beside: Sequence[Example] = (),
    share: int = 0,
) -> None:
    """Trains `model.network` in place; `on_step` gets the metrics and rollouts of every step, which `sampler` draws.

    The loss of `share` rows of `beside` is added at every step (9 above).

    With `config.method` `lora` an adapter must have been attached (`LocalModel.attach_adapter`). With `folder`, checkpoints are
    written there, each after its step's `on_step`, and training resumes from the last one, with the step after it. Raises
    ConfigError, ModelError, StorageError, and RunError for a step that leaves a metric or a weight not finite.
    """
    if config.kl_weight > 0 and config.method == "full":
        raise ConfigError(
            "kl_weight is above 0 with method `full`; the reference is the adapter switched off; set method to `lora`"
        )
    network = model.network
    weights = MasterAdamW(network, config.method, config.weight_decay)
    done = checkpoint.resume(folder, weights, config) if folder is not None else 0
    for step, asked in enumerate(all_asked(model, task, config, done), start=done):
        began = time.perf_counter()
        torch.manual_seed(chance(seed, step, "torch"))
        rollouts = sample_groups(model, asked, config, chance(seed, step, "sample"), sampler)
        sampled = time.perf_counter()
        monitored = task.score(step, rollouts)
        scored = time.perf_counter()
        seen = watched(model, rollouts, config)
        updated = update(model, weights, rollouts, config, step, rows_of_step(beside, share, step, seed))
        tokens = sum(len(r.tokens) for r in rollouts)
        seconds = {"sample": sampled - began, "score": scored - sampled, "update": time.perf_counter() - scored}
        timing = {f"time/{phase}": spent for phase, spent in seconds.items()} | {"time/seconds": sum(seconds.values())}
        metrics = {
            "train/step": step + 1,
            **outcome(rollouts),
            **monitored,
            **updated,
            **seen,
            "rollout/tokens": tokens,
            **timing,
        }
        check_finite(metrics, weights.trained, step + 1)
        on_step(metrics, rollouts)
        if folder is not None and ((step + 1) % config.checkpoint_every == 0 or step + 1 == config.steps):
            checkpoint.write(folder, weights, model, config, step + 1)
    network.requires_grad_(False).eval()


def all_asked(model: LocalModel, task: Task, config: GRPO, done: int) -> list[list[Asked]]:
    """What each step after `done` asks. Raises ConfigError for a step with nothing, ModelError for a prompt that is too long."""
    planned = [task.draw(step, config.prompts_per_step) for step in range(done, config.steps)]
    for step, asked in enumerate(planned, start=done + 1):
        if not asked:
            raise ConfigError(f"step {step} has no problem to ask; expected {config.prompts_per_step}; allow more problems")
    prompts = {prompt: a.problem.id for asked in planned for a in asked for prompt in (a.sampled, a.trained)}
    if config.kl_weight > 0 and (other := [a.problem.id for asked in planned for a in asked if a.sampled != a.trained]):
        raise ConfigError(
            f"{other[0]} is trained under another prompt than the sampled one, and kl_weight is {config.kl_weight}; expected 0, "
            "as the KL cannot be estimated from what another prompt drew; drop kl_weight, or train under the prompt of sampling"
        )
    for prompt, problem in prompts.items():
        length = len(model.encode_prompt(prompt))
        if length + config.max_new_tokens > model.context_length:
            raise ModelError(
                f"{problem}: a prompt of {length} tokens with {config.max_new_tokens} new ones exceeds the "
                f"{model.context_length} tokens of {model.name}; shorten the prompt or lower max_new_tokens"
            )
    return planned


def sample_groups(
    model: LocalModel, asked: Sequence[Asked], config: GRPO, seed: int, sampler: Sampler = local_sampler
) -> list[Rollout]:
    """`config.group_size` rollouts for each problem, group by group."""
    prompts = [model.encode_prompt(item.sampled) for item in asked]
    repeated = [(group, number) for group in range(len(asked)) for number in range(config.group_size)]
    how = Sampling(config.max_new_tokens, config.temperature, config.sample_batch_size, seed)
    return rollouts_of(model, asked, config, sampler(model, [prompts[g] for g, _ in repeated], how))


def rollouts_of(model: LocalModel, asked: Sequence[Asked], config: GRPO, drawn: Sequence[Drawn]) -> list[Rollout]:
    """What was drawn, group by group, as rollouts of the problems asked."""
    repeated = [(group, number) for group in range(len(asked)) for number in range(config.group_size)]
    texts = model.tokenizer.batch_decode([d.tokens for d in drawn], skip_special_tokens=True)
    return [
        Rollout(asked[g], g, n, text, d.stop, (*d.tokens, *([] if d.end is None else [d.end])), logprobs=tuple(d.logprobs or ()))
        for (g, n), d, text in zip(repeated, drawn, texts, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Trained:
    """A rollout that has a gradient, with its advantage and the weights (T,) of its tokens in the loss."""

    rollout: Rollout
    advantage: float
    weight_T: torch.Tensor


def with_advantages(rollouts: Sequence[Rollout], config: GRPO) -> list[Trained]:
    """The rollouts that have a gradient, group by group; where the KL is weighed, all that were scored.

    Weights are those in the batch of all scored rollouts, with a gradient or not: what one group adds to the gradient does not
    depend on whether another has a signal. Truncated rollouts that are masked count as rollouts without tokens, as in TRL.
    """
    scored = [r for r in rollouts if r.dropped is None and r.reward is not None]
    masked = [config.mask_truncated and r.stop is StopReason.LENGTH for r in scored]
    lengths = [0 if mask else len(r.tokens) for r, mask in zip(scored, masked, strict=True)]
    budget = config.prompts_per_step * config.group_size * config.max_new_tokens
    weights = torch.split(token_weights(lengths, config.loss, budget), lengths)
    batch: list[Trained] = []
    for group in dict.fromkeys(r.group for r in scored):
        members = [i for i, r in enumerate(scored) if r.group == group]
        rewards = [float(r.reward) for i in members if (r := scored[i]).reward is not None]
        if has_signal(rewards):
            advantages = group_advantages(torch.tensor(rewards), scale=config.scale_advantages).tolist()
        elif config.kl_weight > 0:
            advantages = [0.0] * len(rewards)
        else:
            continue
        batch += [Trained(scored[i], a, weights[i]) for i, a in zip(members, advantages, strict=True) if not masked[i]]
    return batch


def update(
    model: LocalModel, weights: MasterAdamW, rollouts: Sequence[Rollout], config: GRPO, step: int, rows: Sequence[Example] = ()
) -> Metrics:
    """The optimiser steps on the rollouts of one step, and on rows beside them; with gradient 0 where none of them has one.

    Loss and gradient norm, before it is scaled down, are of the first of them; the share of clipped tokens is of the last.
    """
    rate = config.learning_rate * min(1.0, (step + 1) / (config.warmup_steps + 1))
    micro = micro_batches(model, with_advantages(rollouts, config), config)
    scored = sum(len(r.tokens) for r in rollouts if r.dropped is None and r.reward is not None)
    old: list[torch.Tensor] = []
    losses: list[float] = []
    norms: list[float] = []
    rows_losses: list[float] = []
    lengths = [len(g.prompt) + max(map(len, g.completions)) for part in micro for g in part.groups] + [len(r.tokens) for r in rows]
    with training_mode(model.network, max(lengths, default=0)):
        for _ in range(config.updates_per_step):
            sums = {"loss": 0.0, "clipped": 0.0}
            for number, part in enumerate(micro):
                logp_N = _logprobs(model, part.groups, config)
                if len(old) == number:  # in the first update
                    old.append(logp_N.detach())
                reference_N = _reference(model, part.groups, config) if config.kl_weight > 0 else None
                loss, clipped_N = policy_loss(logp_N, old[number], reference_N, part, config)
                torch.autograd.backward(loss)
                sums["loss"] += float(loss.detach())
                sums["clipped"] += float(clipped_N.sum())
            if rows:
                rows_losses.append(accumulate(model, rows, config.micro_batch_size, len(rows) / len(rollouts)))
                sums["loss"] += rows_losses[-1] * len(rows) / len(rollouts)
            if not math.isfinite(sums["loss"]):
                raise RunError(f"the loss at step {step + 1} is {sums['loss']}; a finite one was expected; lower learning_rate")
            norms.append(weights.step(rate, config.max_grad_norm))
            losses.append(sums["loss"])
    return {
        "train/loss": losses[0],
        "train/grad_norm": norms[0],
        "train/clipped_steps": sum(norm > config.max_grad_norm for norm in norms) / len(norms),
        "train/clipped": sums["clipped"] / scored if scored else None,
        **({"train/rows_loss": rows_losses[0]} if rows else {}),
    }


def watched(model: LocalModel, rollouts: Sequence[Rollout], config: GRPO) -> Metrics:
    """What is watched of the first rollouts of every group, as `watched_groups` says."""
    chosen = [r for r in rollouts if r.number < max(config.monitor_kl, 1)]
    parts = [chosen[start : start + config.micro_batch_size] for start in range(0, len(chosen), config.micro_batch_size)]
    return watched_groups(model, [(grouped(model, rows), [row.logprobs for row in rows]) for rows in parts], config)


@torch.no_grad()
def watched_groups(model: LocalModel, parts: Sequence[tuple[Sequence[Group], Sequence[Sequence[float]]]], config: GRPO) -> Metrics:
    """What is watched of completions, over their tokens, under the prompt that is trained; each part is one forward pass.

    A part has the completions, by prompt, and the sampler's log-probabilities of each, empty where they are not known. Mean
    entropy, mean KL to the start, and mean and largest gap to the sampler's own log-probabilities, all in nats a token; and the
    share of tokens whose ratio to the sampler is outside the clip. What is not measured, or not known, is None.
    """
    measures_kl = config.method == "lora" and (config.monitor_kl > 0 or config.kl_weight > 0)
    entropies, kls, gaps = [], [], []
    for groups, drawn_at in parts:
        logits_NV, targets_N = completion_logits(model.network, groups, model.device, model.has_plain_head())
        logp_N = token_logprobs(logits_NV, targets_N, config.temperature)
        entropies.append(entropy(logits_NV, config.temperature))
        if all(drawn_at):
            gaps.append(logp_N - torch.tensor([p for row in drawn_at for p in row], device=model.device))
        if measures_kl:
            kls.append(kl_to_reference(logp_N, _reference(model, groups, config)))
    gap_N = torch.cat(gaps) if gaps else None
    outside = None if gap_N is None else (gap_N.exp() < 1 - config.clip_low) | (gap_N.exp() > 1 + config.clip_high)
    return {
        "train/entropy": float(torch.cat(entropies).mean()),
        "train/kl": float(torch.cat(kls).mean()) if measures_kl else None,
        "train/sampler_gap": None if gap_N is None else float(gap_N.abs().mean()),
        "train/sampler_gap_max": None if gap_N is None else float(gap_N.abs().max()),
        "train/sampler_outside_clip": None if outside is None else float(outside.float().mean()),
    }


@dataclass(frozen=True, slots=True)
class Micro:
    """Rollouts of one forward pass, as groups of one prompt each, with the advantage and weight of each token (N,).

    `sampler_N` are the sampler's log-probabilities, where importance weights are asked for.
    """

    groups: list[Group]
    advantage_N: torch.Tensor
    weight_N: torch.Tensor
    sampler_N: torch.Tensor | None = None


def micro_batches(model: LocalModel, batch: Sequence[Trained], config: GRPO) -> list[Micro]:
    parts = []
    for start in range(0, len(batch), config.micro_batch_size):
        rows = batch[start : start + config.micro_batch_size]
        lengths = torch.tensor([len(row.rollout.tokens) for row in rows])
        advantage_N = torch.tensor([row.advantage for row in rows]).repeat_interleave(lengths).to(model.device)
        weight_N = torch.cat([row.weight_T for row in rows]).to(model.device)
        sampler_N = None
        if config.importance_cap is not None:
            sampler_N = torch.tensor([p for row in rows for p in row.rollout.logprobs], device=model.device)
        parts.append(Micro(grouped(model, [row.rollout for row in rows]), advantage_N, weight_N, sampler_N))
    return parts


def grouped(model: LocalModel, rollouts: Sequence[Rollout]) -> list[Group]:
    """The rollouts as completions of the prompts that they are trained under."""
    by_group: dict[int, list[Rollout]] = {}
    for rollout in rollouts:
        by_group.setdefault(rollout.group, []).append(rollout)
    return [
        Group(tuple(model.encode_prompt(members[0].asked.trained)), tuple(r.tokens for r in members))
        for members in by_group.values()
    ]


def policy_loss(
    logp_N: torch.Tensor, old_N: torch.Tensor, reference_N: torch.Tensor | None, part: Micro, config: GRPO
) -> tuple[torch.Tensor, torch.Tensor]:
    """The share of the loss that the tokens of one pass have, and which of them (N,) the clip keeps from having a gradient.

    All are log-probabilities of the drawn tokens under the prompt that is trained: `logp_N` now, `old_N` before the first update,
    `reference_N` under the model that training began with, which only `config.kl_weight` needs.
    """
    loss_N, clipped_N = clipped_surrogate(logp_N, old_N, part.advantage_N, config.clip_low, config.clip_high)
    if config.importance_cap is not None and part.sampler_N is not None:
        loss_N = loss_N * truncated_importance(old_N, part.sampler_N, config.importance_cap)
    if config.kl_weight > 0 and reference_N is not None:
        kl_N = kl_to_reference(logp_N, reference_N)
        # Times the ratio, whose value is 1 on policy: only then is the gradient that of the KL (DeepSeek-V3.2, arXiv 2512.02556).
        loss_N = loss_N + config.kl_weight * kl_N * torch.exp(logp_N - old_N)
    return (loss_N * part.weight_N).sum(), clipped_N


def _logprobs(model: LocalModel, groups: Sequence[Group], config: GRPO) -> torch.Tensor:
    """Log-probabilities (N,) of the completions under the policy."""
    logits_NV, targets_N = completion_logits(model.network, groups, model.device, model.has_plain_head())
    return token_logprobs(logits_NV, targets_N, config.temperature)


@torch.no_grad()
def _reference(model: LocalModel, groups: Sequence[Group], config: GRPO) -> torch.Tensor:
    """The same under the model that training began with."""
    with model.network.disable_adapter():
        return _logprobs(model, groups, config)


def chance(seed: int, step: int, what: str) -> int:
    """A number drawn from what it is for, so that no state has to be kept."""
    return int.from_bytes(hashlib.sha256(f"grpo/{seed}/{step}/{what}".encode()).digest()[:6], "big")
