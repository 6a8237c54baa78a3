"""The options that hand training to TRL, and what their bad input says in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from command_lines import STUDY, one_line
from tiny_runs import Ran

from openwindow.training.trl_engine import options

pytest.importorskip("trl")

Command = Callable[..., Ran]


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(STUDY, encoding="utf-8")
    (tmp_path / "far.yaml").write_text("num_processes: 8\nnum_machines: 2\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--engine", "verl"), "--engine is 'verl'; expected trl"),
        (("--processes", "2"), "--processes without --engine; expected both"),
        (("--vllm", "colocate"), "--vllm without --engine"),
        (("--accelerate-config", "a.yaml"), "--accelerate-config without --engine"),
        (("--engine-set", "fp16=true"), "--engine-set without --engine"),
        (("--engine", "trl", "--processes", "0"), "--processes is 0; expected 1 or more"),
        (("--engine", "trl", "--processes", "two"), "--processes is 'two'; expected a whole number"),
        (("--engine", "trl", "--vllm", "localhost:8000"), "--vllm is 'localhost:8000'; expected colocate, or a server's address"),
        (("--engine", "trl", "--vllm", "colocate"), r"needs vllm, .* pip install \"openwindow\[trl,vllm\]\""),
        (("--engine", "trl", "--accelerate-config", "none.yaml"), "--accelerate-config none.yaml cannot be read"),
        (("--engine", "trl", "--accelerate-config", "far.yaml"), "num_machines of far.yaml is 2; expected 1"),
        (("--sampler", "sglang"), "--sampler is 'sglang'; expected vllm"),
        (("--sampler", "vllm"), r"--sampler vllm needs vllm, .* pip install \"openwindow\[vllm\]\""),
        (("--sampler", "vllm", "--engine", "trl"), "--sampler with --engine trl, which samples by itself"),
        (("--engine", "trl", "--engine-set", "fp16"), "--engine-set 'fp16'; expected NAME=VALUE"),
    ],
)
def test_bad_input(openwindow: Command, monkeypatch: pytest.MonkeyPatch, given: tuple[str, ...], said: str) -> None:
    real = options.importlib.util.find_spec
    monkeypatch.setattr(options.importlib.util, "find_spec", lambda name: None if name == "vllm" else real(name))
    one_line(openwindow("run", "mine.py", "--dry-run", *given), 2, said)
    assert not Path("runs").exists()


@pytest.mark.slow
def test_an_argument_that_trl_does_not_have(openwindow: Command) -> None:
    ran = openwindow("run", "mine.py", "--dry-run", "--engine", "trl", "--engine-set", "vllm_gpu=0.5")
    one_line(ran, 2, "--engine-set vllm_gpu is no argument of TRL's GRPOConfig or SFTConfig")


def test_a_ranking_takes_no_engine(openwindow: Command) -> None:
    one_line(openwindow("run", "prompt_ranking", "--dry-run", "--engine", "trl"), 2, "--engine with prompt_ranking")
