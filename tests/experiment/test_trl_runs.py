"""Whole runs whose arms TRL trains: the same records in one process and in two, stopped and resumed, and what is refused."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tiny_runs import make_rl_study, rows_of

from openwindow.environments.toy.letter_count import LetterCount
from openwindow.environments.verdicts import Verdict
from openwindow.errors import ConfigError, RunError
from openwindow.experiment import engine, reinforcing
from openwindow.experiment.arms import RLArm, SFTArm
from openwindow.experiment.runner import run_study
from openwindow.experiment.study import Study
from openwindow.report.of_run import build_run
from openwindow.training.config import GRPO
from openwindow.training.trl_engine import options as trl_options
from openwindow.training.trl_engine.options import Options

pytest.importorskip("trl")

UNIT = "arms/first/seed-1"
slow = pytest.mark.slow
TIMES = ("time/", "started")


@pytest.fixture
def study(tiny_model: Path) -> Study:
    """One arm that is asked in one way and trained in another."""
    train = GRPO(
        steps=2, prompts_per_step=2, group_size=4, max_new_tokens=4, lora_rank=4, checkpoint_every=1, learning_rate=1e-2,
        micro_batch_size=2,
    )  # fmt: skip
    return make_rl_study(
        tiny_model,
        name="by_trl",
        base=RLArm(problems=8, train=train),
        arms={"first": {"intervention": {"kind": "recontextualization", "sampled": ["Hurry."]}}},
    )


def run(study: Study, out: Path, options: Options | None) -> None:
    with (out.parent / f"{out.name}.log").open("a", encoding="utf-8") as log:
        run_study(study, out, overwrite=False, command=["x"], console=Console(file=log, width=200), device="cpu", engine=options)


def pays_something(patch: pytest.MonkeyPatch) -> None:
    """Lets a random model earn something, whose amount no rounding decides."""
    patch.setattr(LetterCount, "_verdict", lambda self, problem, reply: Verdict(len(reply) % 2 == 0, len(reply) % 4 == 0, ()))


def left(out: Path, name: str) -> list[dict[str, Any]]:
    """The rows of a file of the arm without what is timing."""
    return [{k: v for k, v in row.items() if not k.startswith(TIMES)} for row in rows_of(out / UNIT / name)]


def nearly(row: dict[str, Any]) -> dict[str, Any]:
    return {k: pytest.approx(v, rel=1e-4, abs=1e-4) if isinstance(v, float) else v for k, v in row.items()}


@slow
@pytest.mark.usefixtures("one_thread")
def test_two_processes_leave_the_records_of_one(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pays_something(monkeypatch)
    file = tmp_path / "two.yaml"
    file.write_text("distributed_type: MULTI_GPU\nnum_processes: 2\nnum_machines: 1\nmixed_precision: 'no'\nuse_cpu: true\n")
    run(study, tmp_path / "one", Options())
    run(study, tmp_path / "two", Options(accelerate=file))
    one, two = left(tmp_path / "one", "training.jsonl"), left(tmp_path / "two", "training.jsonl")
    assert len(one) == 2 * 2 * 4 and one == two
    assert one[0]["trained_under"] and len({row["reward"] for row in one}) > 1
    for mine, theirs in zip(left(tmp_path / "one", "metrics.jsonl"), left(tmp_path / "two", "metrics.jsonl"), strict=True):
        assert mine == nearly(theirs)
        assert mine["train/grad_norm"] > 0 and mine["train/sampler_gap"] is not None
    assert left(tmp_path / "one", "rollouts.jsonl") == left(tmp_path / "two", "rollouts.jsonl")
    for out in ("one", "two"):
        assert (tmp_path / out / UNIT / "checkpoints" / "step-1" / "adapter_model.safetensors").is_file()
        assert not (tmp_path / out / "checkpoints/first/seed-1").exists() and (tmp_path / out / UNIT / "adapter").is_dir()
    noted = json.loads((tmp_path / "two" / "provenance.json").read_text())["engine"]
    assert noted["processes"] == 2 and noted["differences"]
    build_run(tmp_path / "two")
    page = (tmp_path / "two" / "report.html").read_text()
    assert "trained by TRL 1.16" in page and "in 2 processes" in page


@slow
@pytest.mark.usefixtures("one_thread")
def test_a_stopped_run_goes_on_from_trls_checkpoint(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pays_something(monkeypatch)
    run(study, tmp_path / "whole", Options())
    real, steps = reinforcing.append_jsonl, []

    def append(path: Path, rows: Any) -> None:
        real(path, rows)
        if path.name == "metrics.jsonl":
            steps.append(rows[0]["step"])
            if steps == [1, 2]:
                raise KeyboardInterrupt

    monkeypatch.setattr(reinforcing, "append_jsonl", append)
    with pytest.raises(KeyboardInterrupt):
        run(study, tmp_path / "out", Options())
    with pytest.raises(ConfigError, match=r"begun with .* engine trl"):
        run(study, tmp_path / "out", None)
    run(study, tmp_path / "out", Options())
    assert steps == [1, 2, 2]
    for name in ("training.jsonl", "rollouts.jsonl"):
        assert left(tmp_path / "out", name) == left(tmp_path / "whole", name)
    assert [nearly(row) for row in left(tmp_path / "out", "metrics.jsonl")] == left(tmp_path / "whole", "metrics.jsonl")


@slow
@pytest.mark.usefixtures("one_thread")
def test_rows_are_trained_as_by_our_loop(tiny_study: Any, tmp_path: Path) -> None:
    study = tiny_study(stage=True, seeds=(1,))
    run(study, tmp_path / "ours", None)
    run(study, tmp_path / "theirs", Options())
    for arm in ("plain", "asked"):
        unit = f"arms/{arm}/seed-1"
        ours, theirs = (rows_of(tmp_path / out / unit / "train_rows.jsonl") for out in ("ours", "theirs"))
        assert ours == theirs
        metrics = [rows_of(tmp_path / out / unit / "metrics.jsonl") for out in ("ours", "theirs")]
        for mine, row in zip(*metrics, strict=True):
            assert list(mine) == list(row)
            assert {**mine, "time/seconds": 0} == nearly({**row, "time/seconds": 0})
    assert not list((tmp_path / "theirs" / "checkpoints").glob("*/*"))


@slow
def test_processes_that_fail_end_the_run_with_their_last_error(study: Study, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"TRL's processes ended early .*cannot be used.*output.log"):
        run(study, tmp_path / "out", Options(arguments={"fp16": True, "bf16_full_eval": True, "optim": "cannot be used"}))
    assert (tmp_path / "out/checkpoints/first/seed-1/engine/rl/output.log").read_text()


@dataclass
class Takes:
    """Arguments, as TRL's configurations have them."""

    temperature: float
    gradient_checkpointing: bool


def test_what_the_study_decides_cannot_be_set() -> None:
    from openwindow.training.trl_engine.arguments import merged

    with pytest.raises(ConfigError, match=r"--engine-set temperature is decided by the study \(1.0\)"):
        merged({"temperature": 1.0}, {"temperature": 2}, Takes)
    own, given = {"gradient_checkpointing": False, "steps": 3}, {"gradient_checkpointing": True, "of_the_other": 1}
    assert merged(own, given, Takes) == {"gradient_checkpointing": True, "steps": 3}


SAFETY = {"kind": "safety_training", "mix": "chat"}


@pytest.mark.parametrize(
    ("arms", "options", "said"),
    [
        ({"b": {"fork": {"arm": "a", "step": 1}}}, Options(), "arm 'b' has fork, "),
        ({"b": {"intervention": SAFETY | {"place": "during"}}}, Options(), "arm 'b' has safety_training with place 'during'"),
        (
            {"b": {"intervention": SAFETY | {"method": "preference"}}},
            Options(),
            "arm 'b' has safety_training with method 'preference'",
        ),
        ({"b": {"train.importance_cap": 3.0}}, Options(), "arm 'b' has train.importance_cap without vLLM"),
        ({}, Options(processes=3), "a step of arm 'a' has 8 rollouts .* for 3 processes"),
    ],
    ids=["fork", "during", "preference", "cap", "shares"],
)
def test_what_trl_cannot_train_is_refused_first(study: Study, tmp_path: Path, arms: Any, options: Options, said: str) -> None:
    other = study.model_copy(update={"arms": {"a": study.base, **{name: study.base.but(**but) for name, but in arms.items()}}})
    with pytest.raises(ConfigError, match=said):
        run(other, tmp_path / "out", options)
    assert not (tmp_path / "out").exists()


def test_weights_that_vllm_cannot_be_handed(study: Study, tmp_path: Path) -> None:
    other = study.model_copy(update={"arms": {"a": study.base.but(**{"train.method": "full"})}})
    with pytest.raises(ConfigError, match=r"--sampler vllm: arm 'a' has train.method 'full'"):
        run_study(other, tmp_path / "out", overwrite=False, command=[], console=Console(), sampler="vllm")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("missing", "options", "line"),
    [
        ("trl", Options(), 'pip install "openwindow[trl]"'),
        ("accelerate", Options(), 'pip install "openwindow[trl]"'),
        ("vllm", Options(vllm="colocate"), 'pip install "openwindow[trl,vllm]"'),
    ],
)
def test_what_is_not_installed_is_said_with_the_line_that_installs_it(
    study: Study, monkeypatch: pytest.MonkeyPatch, missing: str, options: Options, line: str
) -> None:
    real = trl_options.importlib.util.find_spec
    monkeypatch.setattr(trl_options.importlib.util, "find_spec", lambda name: None if name == missing else real(name))
    with pytest.raises(ConfigError, match=missing) as error:
        engine.check(study, options)
    assert line in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read"),
        ("num_machines: 1", "num_processes of .* is None"),
        ("num_processes: two", "is 'two'"),
        ("[", "read"),
    ],
)
def test_a_file_of_accelerate_that_does_not_say_how_many(tmp_path: Path, text: str | None, said: str) -> None:
    file = tmp_path / "a.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError, match=said):
        Options(accelerate=file).world()


def test_how_many_processes() -> None:
    assert (Options().world(), Options(processes=2).world()) == (1, 2)


def test_every_sentence_of_what_differs_is_for_what_it_is_about() -> None:
    plain = trl_options.differences(GRPO(), Options())
    assert trl_options.differences(SFTArm().train.model_copy(update={"epochs": 0}), Options()) == []
    for changes, options, word in (
        ({"loss": "sequence"}, Options(), "divided"),
        ({"kl_weight": 0.1}, Options(), "KL"),
        ({}, Options(vllm="colocate"), "vLLM"),
        ({"method": "full", "weight_decay": 0.1}, Options(), "decay"),
    ):
        more = [line for line in trl_options.differences(GRPO(**changes), options) if line not in plain]
        assert any(word in line for line in more), (word, more)
