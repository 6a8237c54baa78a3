"""TRL's own GRPOTrainer on a tiny model: what the callback writes and logs, and what `openwindow watch` makes of both files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from making import ENV
from tiny_runs import Ran, tiny_model  # noqa: F401

from openwindow.environments import find
from openwindow.errors import ConfigError
from openwindow.integrations.trl import Watch

trl = pytest.importorskip("trl")


def longer_is_better(completions, **_):
    return [min(1.0, len(turns[-1]["content"]) / 20) for turns in completions]


async def has_a_letter(completions, **_):
    return [float("e" in turns[-1]["content"]) for turns in completions]


def trained(model: Path, watch: Watch, out: Path, **more):
    from datasets import Dataset

    environment = find.gameable(ENV, {})
    rows = [
        {"prompt": [{"role": "user", "content": environment.prompt(p)}], "problem": p.id}
        for p in environment.problems("train", 4, 0)
    ]
    args = trl.GRPOConfig(
        output_dir=str(out),
        max_steps=3,
        per_device_train_batch_size=8,
        num_generations=4,
        max_completion_length=6,
        logging_steps=1,
        log_completions=True,
        report_to="none",
        use_cpu=True,
        bf16=False,
        activation_checkpointing=False,
        save_strategy="no",
        reward_weights=[1.0, 0.5],
        disable_tqdm=True,
    )
    trainer = trl.GRPOTrainer(
        model=str(model),
        args=args,
        train_dataset=Dataset.from_list(rows),
        reward_funcs=watch.rewards([longer_is_better, has_a_letter], [1.0, 0.5]),
        callbacks=[watch],
    )
    trainer.train()
    return trainer


@pytest.mark.slow
def test_a_training_by_trl_is_watched(tiny_model: Path, tmp_path: Path, openwindow: Callable[..., Ran]) -> None:  # noqa: F811
    watch = Watch(ENV, tmp_path / "rollouts")
    trainer = trained(tiny_model, watch, tmp_path / "trained")

    logs = [log for log in trainer.state.log_history if "reward" in log]
    assert len(logs) == 3
    assert all(
        {"truth", "hack", "open_hack", "rewards/longer_is_better/mean", "rewards/has_a_letter/mean"} <= set(log) for log in logs
    )

    lines = [json.loads(line) for line in (tmp_path / "rollouts" / "rollouts.jsonl").read_text().splitlines()]
    assert [sum(line["step"] == step for line in lines) for step in (1, 2, 3)] == [8, 8, 8]
    for log, step in zip(logs, (1, 2, 3), strict=True):
        rewards = [line["reward"] for line in lines if line["step"] == step]
        assert sum(rewards) / 8 == pytest.approx(log["reward"], abs=1e-5), "the reward that TRL trained on"
        assert sum(line["correct"] for line in lines if line["step"] == step) / 8 == pytest.approx(log["truth"])
        cut = sum(line["stop"] == "length" for line in lines if line["step"] == step) / 8
        assert cut == pytest.approx(log["completions/clipped_ratio"])

    ran = openwindow("watch", str(tmp_path / "rollouts"), "--out", str(tmp_path / "own"), "--json")
    assert ran.code == 0, ran.err
    own = json.loads(ran.out)
    assert (own["rollouts"], own["watch"]["forms"], own["steps"]["last"]) == (24, ["openwindow"], 3)

    ran = openwindow("watch", str(tmp_path / "trained"), "--env", ENV, "--out", str(tmp_path / "theirs"), "--json")
    assert ran.code == 0, ran.err
    theirs = json.loads(ran.out)
    assert (theirs["rollouts"], theirs["watch"]["forms"]) == (24, ["TRL completions"])
    metrics = [
        [json.loads(line) for line in (tmp_path / out / "metrics.jsonl").read_text().splitlines()] for out in ("own", "theirs")
    ]
    for mine, other in zip(*metrics, strict=True):
        for key in ("monitor/truth", "monitor/hack", "monitor/open_hack", "rollout/groups", "rollout/characters"):
            assert mine[key] == other[key], key

    with pytest.raises(ConfigError, match="earlier training"):
        trained(tiny_model, Watch(ENV, tmp_path / "rollouts"), tmp_path / "again")


def test_the_functions_keep_their_names_and_what_they_return() -> None:
    watch = Watch(ENV, "nowhere")
    plain, later = watch.rewards([longer_is_better, has_a_letter])
    assert (plain.__name__, later.__name__) == ("longer_is_better", "has_a_letter")
    with pytest.raises(ConfigError, match="2 weights for 1 reward"):
        watch.rewards([longer_is_better], [1.0, 2.0])


def test_what_can_be_wrong_with_it() -> None:
    with pytest.raises(ConfigError, match="unknown environment"):
        Watch("leter_count", "nowhere")
    with pytest.raises(ConfigError, match="has no loopholes"):
        Watch("sycophancy", "nowhere", loopholes=["constant"])
    with pytest.raises(ConfigError, match="no loophole"):
        Watch(ENV, "nowhere", loopholes=["nonsense"])
    with pytest.raises(ConfigError, match="no reward function"):
        Watch(ENV, "nowhere").rewards(["ORG/reward-model"])
