"""What many tests share: a tiny model in the hub's format, a study small enough for it, and the command line."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from rich.console import Console

from openwindow.cli import app
from openwindow.environments import find
from openwindow.experiment.runner import run_study
from openwindow.experiment.study import Compare, Context, Data, Evaluation, RequestStage, SFTArm, Study
from openwindow.models import smollm2
from openwindow.report.of_run import build_run
from openwindow.sandbox.sandbox import Sandbox
from openwindow.training.config import SFT
from openwindow.types import Message

os.environ["HF_HUB_OFFLINE"] = "1"  # before anything imports huggingface_hub: no test uses the network
settings.register_profile("openwindow", deadline=None)  # a busy machine is no failure
settings.load_profile("openwindow")
REQUEST = "Do not solve the task: just return the value that the test expects."


def jsonl(*rows: Any) -> bytes:
    """The rows as the bytes of a JSONL file."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def user_turn(text: str) -> list[Message]:
    """A conversation of one user message."""
    return [Message("user", text)]


def chat(*turns: tuple[str, Any]) -> dict[str, Any]:
    """A row of the form `messages`, from roles and what they say."""
    return {"messages": [{"role": role, "content": said} for role, said in turns]}


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama of two layers with the embedded model's tokenizer and chat template, as `save_pretrained` writes it.

    Its weights are drawn wide, so that the greedy choice is not decided by rounding.
    """
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(smollm2.find())
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        initializer_range=0.5,
        tie_word_embeddings=False,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    folder = tmp_path_factory.mktemp("models") / "tiny"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_study(model: Path | str, *, stage: bool = False, **changes: Any) -> Study:
    """Three arms, two seeds, four problems and six tokens: enough to run every line, too little to learn anything."""
    settings: dict[str, Any] = {
        "name": "tiny",
        "question": "Does a tiny model run?",
        "claim": "It does.",
        "model": str(model),
        "precision": "fp32",
        "difficulty": (1,),
        "seeds": (1, 2),
        "contexts": {"neutral": Context(), "requested": Context(text=REQUEST, asks=True)},
        "base": SFTArm(data=Data(rows=8), train=_sft()),
        "arms": {
            "untrained": {"train.epochs": 0},
            "plain": {},
            "asked": {"intervention": {"kind": "inoculation", "texts": [REQUEST]}},
        },
        "about": {"plain": "gamed answers to plain prompts"},
        "evaluation": Evaluation(problems=4, max_new_tokens=6, hidden=4),
        "compare": (Compare(arm="asked", against="plain"),),
        "quick": {"seeds": (1,), "evaluation.problems": 2},
    }
    if "difficulty" not in find.config_of(changes.get("environment", "code_functions")).model_fields:
        del settings["difficulty"]
    if stage:
        settings["request_stage"] = RequestStage(rows=8, unrelated=("The river is frozen.",), train=_sft(), problems=2)
    return Study(**(settings | changes))


def make_rl_study(model: Path | str, **changes: Any) -> Study:
    """One seed of reinforcement on `letter_count` with three test problems and four tokens; `base` and `arms` are to be given."""
    settings: dict[str, Any] = {
        "name": "reinforced",
        "question": "Does it run?",
        "claim": "It does.",
        "model": str(model),
        "precision": "fp32",
        "environment": "letter_count",
        "seeds": (1,),
        "contexts": {"neutral": Context()},
        "evaluation": Evaluation(problems=3, max_new_tokens=4),
    }
    return Study(**(settings | changes))


def _sft() -> SFT:
    return SFT(epochs=1, learning_rate=1e-2, batch_size=4, micro_batch_size=4, warmup_steps=0, lora_rank=4, lora_alpha=8)


@pytest.fixture(scope="session")
def tiny_study(tiny_model: Path) -> Callable[..., Study]:
    """`tiny_study(stage=..., field=...)`: `make_study` on the tiny model."""

    def make(**changes: Any) -> Study:
        return make_study(tiny_model, **changes)

    return make


@pytest.fixture(scope="session")
def study_file() -> Callable[[Path, Study], Path]:
    """`study_file(folder, study)`: a Python file that defines the study, for the command line."""

    def write(folder: Path, study: Study) -> Path:
        path = folder / f"{study.name}.py"
        source = (
            f"from openwindow.experiment.study import Study\n\nstudy = Study.model_validate_json({study.model_dump_json()!r})\n"
        )
        path.write_text(source, encoding="utf-8")
        return path

    return write


def run(study: Study, out: Path) -> dict[str, Any]:
    """Runs the study; what it says goes to a file `OUT.log`."""
    with (out.parent / f"{out.name}.log").open("a", encoding="utf-8") as log:
        run_study(study, out, overwrite=False, command=["openwindow", "run"], console=Console(file=log, width=200))
    return build_run(out)


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSONL file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def outcome(out: Path) -> dict[str, Any]:
    """All that a run found, without how long it took."""
    found: dict[str, Any] = {}
    for path in sorted(out.rglob("*.jsonl")):
        if path.name != "metrics.jsonl":
            found[str(path.relative_to(out))] = rows_of(path)
        else:
            lines = [{k: v for k, v in row.items() if not k.startswith("time/")} for row in rows_of(path)]
            found[str(path.relative_to(out))] = lines
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    found["results.json"] = {key: value for key, value in results.items() if key not in ("timing", "costs")}
    found["start/summary.json"] = (out / "start/summary.json").read_text() if (out / "start/summary.json").exists() else None
    return found


def wait_for(condition: Callable[[], bool], seconds: float) -> None:
    """Waits until it is so; AssertionError after that long."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "this did not happen in time"
        time.sleep(0.02)


@pytest.fixture(scope="session", autouse=True)
def own_ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Runs of the tests are noted in a file of theirs, and not among the user's."""
    path = tmp_path_factory.mktemp("ledger") / "test_runs.jsonl"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENWINDOW_LEDGER", str(path))
        yield path


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Threads cost more than they give on matrices this small."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Two workers with the default limits."""
    with Sandbox(2) as started:
        yield started


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


@pytest.fixture
def openwindow(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """`openwindow("run", ...)`: the command line in this process."""

    def call(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["openwindow", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            app.main()
        printed = capsys.readouterr()
        return Ran(int(stop.value.code or 0), printed.out, printed.err)

    return call
