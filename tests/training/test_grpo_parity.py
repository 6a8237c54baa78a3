"""The loss that our loop takes and TRL's, on one fixed batch of a tiny model."""

import pytest
import torch

from openwindow.models.hf import load
from openwindow.training import grpo
from openwindow.training.advantages import token_logprobs, token_weights
from openwindow.training.config import GRPO
from openwindow.training.forward import Group, completion_logits

trl = pytest.importorskip("trl")
GROUPS = [Group((5, 6, 7, 8), ((9, 10), (11, 12, 13))), Group((5, 20), ((21,), (9, 9, 9, 14)))]
ADVANTAGES = [0.7, -0.7, 1.2, -1.2]
# Of each token, now to when it was sampled: on both sides of every bound, and 0.24 from 1, so that the bounds cannot be swapped.
RATIOS = [1.24, 1.4, 0.76, 0.6, 1.3, 0.6, 0.9, 0.74, 1.1, 0.5]
CLIPPED = {"token": 5 / 10, "sequence": 1 / 8 + 2 / 12 + 2 / 16}  # 1.4 where it would pay; 0.76, 0.6, 0.74 and 0.5 where they would


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("loss_type", "ours"), [("bnpo", "token"), ("grpo", "sequence")])
@pytest.mark.parametrize("beta", [0.0, 0.3])
def test_the_loss_and_its_gradient_are_trls(tiny_model, tmp_path, monkeypatch, loss_type, ours, beta):
    from datasets import Dataset

    model = load(str(tiny_model), precision="fp32")
    args = trl.GRPOConfig(
        output_dir=str(tmp_path),
        per_device_train_batch_size=4,
        num_generations=2,
        loss_type=loss_type,
        beta=beta,
        epsilon=0.2,
        epsilon_high=0.28,
        temperature=0.9,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        report_to="none",
    )
    trainer = trl.GRPOTrainer(
        model=model.network,
        args=args,
        train_dataset=Dataset.from_list([{"prompt": "x"}] * 4),
        processing_class=model.tokenizer,
        reward_funcs=lambda completions, **_: [0.0] * len(completions),
    )
    trainer.current_gradient_accumulation_steps = 1
    torch.manual_seed(0)
    completions = [c for g in GROUPS for c in g.completions]
    lengths = [len(c) for c in completions]
    with torch.no_grad():
        now = token_logprobs(*completion_logits(model.network, GROUPS, model.device, True), 0.9).split(lengths)
    old = [part - ratio.log() for part, ratio in zip(now, torch.tensor(RATIOS).split(lengths), strict=True)]
    reference = [part + torch.randn(len(part)) * 0.3 for part in now]
    network = trainer.model.requires_grad_(True)
    network.train()
    theirs = trainer._compute_loss(network, _inputs(completions, old, reference))
    theirs.backward()
    their_gradients = [p.grad.clone() for p in network.parameters()]
    network.zero_grad()

    monkeypatch.setattr(grpo, "_reference", lambda *_: torch.cat(reference))
    advantage = torch.tensor(ADVANTAGES).repeat_interleave(torch.tensor(lengths))
    part = grpo._Micro(GROUPS, advantage, token_weights(lengths, ours))
    config = GRPO(clip_low=0.2, clip_high=0.28, kl_weight=beta, temperature=0.9, loss=ours)
    sums = dict.fromkeys(("loss", "entropy", "kl", "kl_tokens", "clipped"), 0.0)
    mine = grpo._part_loss(model, part, config, [torch.cat(old)], 0, sums)
    mine.backward()
    assert sums["clipped"] == pytest.approx(CLIPPED[ours])
    assert float(mine) == pytest.approx(float(theirs), abs=1e-4)
    for gradient, weight in zip(their_gradients, network.parameters(), strict=True):
        assert torch.allclose(gradient, weight.grad, atol=1e-4)


def _inputs(completions, old, reference):
    prompts = [g.prompt for g in GROUPS for _ in g.completions]
    left, right = max(map(len, prompts)), max(map(len, completions))

    def pad(rows, width, *, at_left, value=0):
        return torch.tensor(
            [[value] * (width - len(r)) + list(r) if at_left else list(r) + [value] * (width - len(r)) for r in rows]
        )

    return {
        "prompt_ids": pad(prompts, left, at_left=True),
        "prompt_mask": pad([[1] * len(p) for p in prompts], left, at_left=True),
        "completion_ids": pad(completions, right, at_left=False),
        "completion_mask": pad([[1] * len(c) for c in completions], right, at_left=False),
        "old_per_token_logps": pad([o.tolist() for o in old], right, at_left=False, value=-4.0),
        "ref_per_token_logps": pad([r.tolist() for r in reference], right, at_left=False, value=-4.0),
        "advantages": torch.tensor(ADVANTAGES),
        "num_items_in_batch": torch.tensor(float(sum(len(c) for c in completions))),
    }
