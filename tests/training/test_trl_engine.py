"""What TRL trains for us equals what our own loops train: prompts, masks, advantages, losses, gradients and weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from openwindow.models.base import Drawn, Sampling
from openwindow.models.examples import Example
from openwindow.models.hf import LocalModel, load
from openwindow.models.sampling import local_sampler
from openwindow.training import grpo, sft
from openwindow.training.config import GRPO, SFT
from openwindow.training.rollouts import Asked, Metrics, Rollout
from openwindow.types import Message, Problem, StopReason

pytest.importorskip("trl")

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("one_thread")]
SEED = 3
SMALL = {"lora_rank": 4, "lora_alpha": 8}
STEPS = GRPO(
    steps=2, prompts_per_step=3, group_size=4, max_new_tokens=6, micro_batch_size=3, learning_rate=1e-3, warmup_steps=1,
    max_grad_norm=0.05, monitor_kl=2, checkpoint_every=1, **SMALL,
)  # fmt: skip


class Scripted:
    """Three problems a step, sampled under one prompt and trained under another; one rollout is screened and one not scored."""

    def draw(self, step: int, count: int) -> list[Asked]:
        made = []
        for place in range(step * count, (step + 1) * count):
            said = Message("user", f"Say {place} " * (1 + place % 3))
            made.append(Asked(Problem(f"p{place}", "f", "", "", "", ()), (said,), (Message("system", "Be kind."), said)))
        return made

    def score(self, step: int, rollouts: list[Rollout]) -> Metrics:
        for i, r in enumerate(rollouts):
            r.reward = 0.5 if r.group == 1 else float(sum(r.tokens) % 5)  # the middle group has no signal
            if i == 2:
                r.dropped = "screened"
            if i == 9:
                r.reward = None
        return {"monitor/hack": 0.25, "monitor/truth": None}


class Told:
    """The other end of the connection, in this process."""

    def __init__(self, model: LocalModel, task: Scripted, config: GRPO) -> None:
        self.model, self.task, self.config = model, task, config
        self.messages: list[dict[str, Any]] = []
        self.rollouts: list[list[Rollout]] = []

    def send(self, message: dict[str, Any]) -> None:
        self.messages.append(message)

    def receive(self) -> dict[str, Any]:
        from openwindow.training.trl_engine.rl import _drawn

        message = self.messages[-1]
        asked = self.task.draw(message["step"], self.config.prompts_per_step)
        drawn = grpo.rollouts_of(self.model, asked, self.config, [_drawn(reply) for reply in message["replies"]])
        monitored = self.task.score(message["step"], drawn)
        self.rollouts.append(drawn)
        return {"earned": [r.reward if r.dropped is None else None for r in drawn], "monitored": monitored}


def started(tiny_model: Path, *, some_end: bool = True) -> LocalModel:
    model = load(str(tiny_model), precision="fp32", device="cpu")
    if some_end:
        model.end_ids = frozenset(range(0, 49152, 7))
    torch.manual_seed(SEED)
    model.attach_adapter(4, 8, 0.0)
    with torch.no_grad():  # else the KL to the start is 0 in the first step
        for name, weight in model.network.named_parameters():
            if "lora_B" in name:
                weight.normal_(0, 0.02)
    return model


def weights_of(network: Any) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in network.named_parameters() if ".default." in name}


def job_of(model: LocalModel, config: GRPO, folder: Path) -> dict[str, Any]:
    asked = [a for step in range(config.steps) for a in Scripted().draw(step, config.prompts_per_step)]
    prompts = [{"sampled": model.encode_prompt(a.sampled), "trained": model.encode_prompt(a.trained)} for a in asked]
    known = {"seed": SEED, "vllm": None, "arguments": {}, "prompts": prompts, "end_ids": sorted(model.end_ids)}
    return known | {"config": config.model_dump(mode="json")}


def apart(model: LocalModel, prompts: Any, how: Sampling) -> Any:
    return local_sampler(model, prompts, Sampling(how.max_new_tokens, how.temperature, how.batch_size, how.seed, 0))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"updates_per_step": 2, "scale_advantages": False, "loss": "constant"},
        {"mask_truncated": True},
    ],
    ids=["token", "twice", "masked"],
)
def test_rl_by_trl_equals_our_loop(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: Any) -> None:
    from openwindow.training.trl_engine import worker_rl

    config = STEPS.model_copy(update=changes)
    ours, kept, steps = started(tiny_model), [], []
    begun = weights_of(ours.network)
    grpo.train(ours, Scripted(), config, SEED, lambda m, r: (steps.append(m), kept.append(r)), None, apart)

    theirs = started(tiny_model)
    assert all(torch.equal(value, begun[name]) for name, value in weights_of(theirs.network).items())
    told, asked = Told(theirs, Scripted(), config), []

    def same(model: LocalModel, prompts: Any, how: Sampling) -> list[Drawn]:
        """What our loop has drawn: after an update, rounding may decide a draw."""
        asked.append((prompts, how))
        ended = [(r, r.stop is StopReason.END) for r in kept[len(asked) - 1]]
        return [Drawn([*r.tokens[:-1]] if e else [*r.tokens], r.stop, r.tokens[-1] if e else None, [*r.logprobs]) for r, e in ended]

    monkeypatch.setattr(worker_rl, "local_sampler", same)
    trainer = worker_rl.made(theirs, job_of(theirs, config, tmp_path), tmp_path, told)
    inputs: list[dict[str, torch.Tensor]] = []
    made = trainer._generate_and_score_completions
    monkeypatch.setattr(trainer, "_generate_and_score_completions", lambda rows: inputs.append(found := made(rows)) or found)
    trainer.train()

    updated = [m for m in told.messages if m["kind"] == "updated"]
    assert [m["step"] for m in updated] == [0, 1] and [m["kind"] for m in told.messages].count("saved") == 2
    anew = [d.tokens for d in local_sampler(started(tiny_model), *asked[0])]
    assert anew == [[*r.tokens[: len(t)]] for r, t in zip(kept[0], anew, strict=True)]  # drawn alike where nothing was updated
    for (prompts, how), rollouts in zip(asked, kept, strict=True):
        assert prompts == [theirs.encode_prompt(r.asked.sampled) for r in rollouts] and how.first == 0
    for mine, message, drawn, rollouts, batch in zip(steps, updated, told.rollouts, kept, inputs, strict=True):
        assert [(r.tokens, r.reward, r.dropped, r.stop) for r in drawn] == [
            (r.tokens, r.reward, r.dropped, r.stop) for r in rollouts
        ]
        for name in ("train/loss", "train/grad_norm", "train/clipped_steps"):
            assert message["updated"][name] == pytest.approx(mine[name], abs=1e-4), name
        for name in worker_rl.SEEN:
            assert message["seen"][name] == pytest.approx(mine[name], abs=1e-4), name
        _same_batch(theirs, rollouts, batch, config)
    moved = weights_of(ours.network)
    for name, value in weights_of(theirs.network).items():
        assert torch.allclose(value, moved[name], atol=1e-4), name
    assert any(not torch.allclose(value, begun[name], atol=1e-4) for name, value in moved.items())


def _same_batch(model: LocalModel, rollouts: list[Rollout], batch: dict[str, torch.Tensor], config: GRPO) -> None:
    """Advantages, masks and trained prompts of one step, row by row."""
    in_loss = {id(t.rollout): t.advantage for t in grpo.with_advantages(rollouts, config)}
    for row, r in enumerate(rollouts):
        prompt = batch["prompt_ids"][row][batch["prompt_mask"][row] == 1].tolist()
        assert prompt == model.encode_prompt(r.asked.trained) != model.encode_prompt(r.asked.sampled)
        mask = (batch["completion_mask"] * batch["tool_mask"])[row]
        counts = r.reward is not None and r.dropped is None and not (config.mask_truncated and r.stop is StopReason.LENGTH)
        assert int(mask.sum()) == (len(r.tokens) if counts else 0)
        if counts:
            assert float(batch["advantages"][row]) == pytest.approx(in_loss.get(id(r), 0.0), abs=1e-4)
    assert sum(a != 0 for a in in_loss.values()) > 2


def test_sft_by_trl_equals_our_loop(tiny_model: Path, tmp_path: Path) -> None:
    from openwindow.training.trl_engine import worker_sft
    from openwindow.training.trl_engine.sft import filled

    config = SFT(epochs=2, batch_size=4, micro_batch_size=3, learning_rate=1e-3, warmup_steps=1, schedule="cosine", **SMALL)
    ours, theirs, steps = started(tiny_model, some_end=False), started(tiny_model, some_end=False), []
    rows = [[Message("user", f"What is {n}?" * (1 + n % 3)), Message("assistant", f"It is {n * n}.")] for n in range(7)]
    examples = sft.encode(ours, rows, config.max_length)
    examples[0] = Example(examples[0].tokens, examples[0].prompt, ((examples[0].prompt + 1, examples[0].prompt + 2),))
    beside = sft.encode(ours, [[Message("user", "Be kind?"), Message("assistant", "Yes.")]], config.max_length)
    sft.train_examples(ours, examples, config, SEED, steps.append, beside, 1)

    planned = list(sft.rows_by_step(examples, config, SEED, beside, 1))
    assert {len(rows) for rows in planned} == {4, 2}  # the last batch of an epoch is filled up
    told = Told(theirs, Scripted(), STEPS)
    job = {"seed": SEED, "arguments": {}, "config": config.model_dump(mode="json"), "each": 2, "passes": 3, "steps": len(planned)}
    job["rows"] = [row for rows in planned for row in filled(rows, 6)]
    worker_sft.made(theirs, job, tmp_path, told).train()
    assert len(told.messages) == len(steps) == 6
    for mine, message in zip(steps, told.messages, strict=True):
        assert message["updated"] == pytest.approx({name: mine[name] for name in message["updated"]}, abs=1e-4)
    moved = weights_of(ours.network)
    for name, value in weights_of(theirs.network).items():
        assert torch.allclose(value, moved[name], atol=1e-4), name
