"""The loss that our loop takes and TRL's, on one fixed batch of a tiny model."""

import pytest
import torch

from openwindow.models.hf import load
from openwindow.models.scoring import Group, completion_logits
from openwindow.training import grpo
from openwindow.training.advantages import group_advantages, token_logprobs, token_weights
from openwindow.training.config import GRPO
from openwindow.training.rollouts import Asked, Rollout
from openwindow.types import Message, Problem, StopReason

trl = pytest.importorskip("trl")
GROUPS = [Group((5, 6, 7, 8), ((9, 10), (11, 12, 13))), Group((5, 20), ((21,), (9, 9, 9, 14)))]
ADVANTAGES = [0.7, -0.7, 1.2, -1.2]
# Of each token, now to when it was sampled: on both sides of every bound, and 0.24 from 1, so that the bounds cannot be swapped.
RATIOS = [1.24, 1.4, 0.76, 0.6, 1.3, 0.6, 0.9, 0.74, 1.1, 0.5]
CLIPPED = 5 / 10  # of the tokens: 1.4 where it would pay; 0.76, 0.6, 0.74 and 0.5 where they would
BUDGET = 2 * 2 * 5
LOSSES = [("dapo", "token"), ("bnpo", "token"), ("grpo", "sequence"), ("dr_grpo", "constant")]


def their_trainer(model, tmp_path, loss_type, **more):
    from datasets import Dataset

    args = trl.GRPOConfig(
        output_dir=str(tmp_path),
        per_device_train_batch_size=4,
        num_generations=2,
        max_completion_length=5,
        loss_type=loss_type,
        epsilon=0.2,
        epsilon_high=0.28,
        temperature=0.9,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        report_to="none",
        **more,
    )
    trainer = trl.GRPOTrainer(
        model=model.network,
        args=args,
        train_dataset=Dataset.from_list([{"prompt": "x"}] * 4),
        processing_class=model.tokenizer,
        reward_funcs=lambda completions, **_: [0.0] * len(completions),
    )
    trainer.current_gradient_accumulation_steps = 1
    return trainer


def their_gradients(trainer, inputs):
    network = trainer.model.requires_grad_(True)
    network.train()
    loss = trainer._compute_loss(network, inputs)
    loss.backward()
    gradients = [p.grad.clone() for p in network.parameters()]
    network.zero_grad()
    return float(loss), gradients


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("loss_type", "ours"), LOSSES)
@pytest.mark.parametrize("beta", [0.0, 0.3])
@pytest.mark.parametrize("cap", [None, 1.2], ids=["", "capped"])
def test_the_loss_and_its_gradient_are_trls(tiny_model, tmp_path, loss_type, ours, beta, cap):
    model = load(str(tiny_model), precision="fp32")
    trainer = their_trainer(model, tmp_path, loss_type, beta=beta)
    torch.manual_seed(0)
    completions = [c for g in GROUPS for c in g.completions]
    lengths = [len(c) for c in completions]
    with torch.no_grad():
        now = token_logprobs(*completion_logits(model.network, GROUPS, model.device, True), 0.9).split(lengths)
    old = [part - ratio.log() for part, ratio in zip(now, torch.tensor(RATIOS).split(lengths), strict=True)]
    reference = [part + torch.randn(len(part)) * 0.3 for part in now]
    sampler = [part - torch.randn(len(part)) * 0.3 for part in old]
    inputs = _inputs(completions, old, reference)
    if cap is not None:
        trainer.use_vllm = trainer.vllm_importance_sampling_correction = True
        ratios = [(a - b).exp().clamp(max=cap).tolist() for a, b in zip(old, sampler, strict=True)]
        inputs["importance_sampling_ratio"] = _pad(ratios, 4, at_left=False, value=0.0)
    theirs, gradients = their_gradients(trainer, inputs)

    advantage = torch.tensor(ADVANTAGES).repeat_interleave(torch.tensor(lengths))
    part = grpo.Micro(GROUPS, advantage, token_weights(lengths, ours, BUDGET), torch.cat(sampler))
    config = GRPO(clip_low=0.2, clip_high=0.28, kl_weight=beta, temperature=0.9, loss=ours, importance_cap=cap)
    policy = token_logprobs(*completion_logits(model.network, GROUPS, model.device, True), 0.9)
    mine, clipped = grpo.policy_loss(policy, torch.cat(old), torch.cat(reference), part, config)
    mine.backward()
    assert float(clipped.sum()) / len(RATIOS) == CLIPPED
    assert trainer._metrics["train"]["clip_ratio/region_mean"] == pytest.approx([CLIPPED])
    assert float(mine) == pytest.approx(theirs, abs=1e-4)
    for gradient, weight in zip(gradients, trainer.model.parameters(), strict=True):
        assert torch.allclose(gradient, weight.grad, atol=1e-4)


def our_gradients(model, rewards, config, monkeypatch):
    """The loss and gradients of one update on `GROUPS` with these rewards, in the order of the network's parameters."""
    prompts = {str(number): list(group.prompt) for number, group in enumerate(GROUPS)}
    monkeypatch.setattr(model, "encode_prompt", lambda said: prompts.get(said[-1].content, [5, 6, 7]))
    rollouts = []
    for number, (group, paid) in enumerate(zip(GROUPS, rewards, strict=True)):
        said = (Message("user", str(number)),)
        asked = Asked(Problem(f"p{number}", "f", "", "", "", ()), said, said)
        for i, (completion, reward) in enumerate(zip(group.completions, paid, strict=True)):
            stop = StopReason.LENGTH if len(completion) == 4 else StopReason.END
            rollouts.append(Rollout(asked, number, i, "", stop, completion, reward))
    gradients = []

    class Kept:
        def step(self, rate, max_norm):
            found = [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in model.network.parameters()]
            gradients.extend(found)
            model.network.zero_grad()
            return 0.0

    model.network.requires_grad_(True)
    loss = grpo.update(model, Kept(), rollouts, config, 0)["train/loss"]
    return loss, gradients


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("mask_truncated", [False, True])
@pytest.mark.parametrize("rewards", [[[1.0, 0.0], [1.0, 1.0]], [[0.5, 0.5], [0.2, 0.7]], [[1.0, 0.0], [0.0, 3.0]]])
@pytest.mark.parametrize(("loss_type", "ours"), LOSSES)
def test_s5_with_a_silent_group_in_the_batch_the_gradient_is_trls(
    tiny_model, tmp_path, monkeypatch, loss_type, ours, rewards, mask_truncated
):
    model = load(str(tiny_model), precision="fp32")
    trainer = their_trainer(model, tmp_path, loss_type, beta=0.0)
    completions = [c for g in GROUPS for c in g.completions]
    advantages = torch.cat([group_advantages(torch.tensor(paid), scale=True) for paid in rewards])
    inputs = _inputs(completions, None, None) | {"advantages": advantages}
    if mask_truncated:  # TRL's own way: no token of such a row is in the mask, nor in the number of items
        inputs["completion_mask"] *= torch.tensor([[len(c) != 4] for c in completions])
        inputs["num_items_in_batch"] = inputs["completion_mask"].sum().float()
    theirs, gradients = their_gradients(trainer, inputs)
    sizes = {"prompts_per_step": 2, "group_size": 2, "max_new_tokens": 5, "micro_batch_size": 3}
    config = GRPO(clip_low=0.2, temperature=0.9, loss=ours, mask_truncated=mask_truncated, method="full", **sizes)
    mine, found = our_gradients(model, rewards, config, monkeypatch)
    assert mine == pytest.approx(theirs, abs=1e-5)
    norm = float(torch.cat([g.flatten() for g in gradients]).norm())
    assert norm > 0.1
    for a, b in zip(gradients, found, strict=True):
        assert torch.allclose(a, b, atol=1e-4)


def _inputs(completions, old, reference):
    prompts = [g.prompt for g in GROUPS for _ in g.completions]
    left, right = max(map(len, prompts)), max(map(len, completions))
    return {
        "prompt_ids": _pad(prompts, left, at_left=True),
        "prompt_mask": _pad([[1] * len(p) for p in prompts], left, at_left=True),
        "completion_ids": _pad(completions, right, at_left=False),
        "completion_mask": _pad([[1] * len(c) for c in completions], right, at_left=False),
        "old_per_token_logps": old and _pad([o.tolist() for o in old], right, at_left=False, value=-4.0),
        "ref_per_token_logps": reference and _pad([r.tolist() for r in reference], right, at_left=False, value=-4.0),
        "advantages": torch.tensor(ADVANTAGES),
        "num_items_in_batch": torch.tensor(float(sum(len(c) for c in completions))),
    }


def _pad(rows, width, *, at_left, value=0):
    return torch.tensor([[value] * (width - len(r)) + list(r) if at_left else list(r) + [value] * (width - len(r)) for r in rows])
