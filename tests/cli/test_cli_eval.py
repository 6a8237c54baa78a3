"""`openwindow eval` end to end: scripted models, a server on loopback, logs that Inspect reads, and wrong input."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from loopback import Asked, serving
from tiny_runs import Ran

pytest.importorskip("inspect_ai")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")

CLI = Callable[..., Ran]


@pytest.fixture
def server() -> Iterator[tuple[str, Asked]]:
    """A server that says `No.`, and whose model `silent` says nothing; its address and what it was asked."""
    closing = threading.Event()

    def answer(body: dict[str, Any]) -> dict[str, Any] | None:
        if body["model"] == "silent":
            closing.wait(60)
            return None
        return {"role": "assistant", "content": "No."}

    with serving(answer) as served:
        yield served
        closing.set()


@pytest.mark.slow
def test_a_suite_gives_every_measure_logs_and_a_report(openwindow: CLI, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = openwindow(
        "eval", "scripted/covert_villain", "--suite", "self_preservation,honesty", "--contexts", "opposite",
        "--against", "scripted/saint", "--out", out, "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    made = json.loads(done.out)
    assert made == json.loads((out / "results.json").read_text())
    for name in ("self_preservation", "honesty"):
        for context in ("neutral", "opposite"):
            cell = made["measures"][name][context]
            assert cell["estimate"] == 1.0 and cell["unscored"] == 0 and cell["reason"] is None
            assert {"low", "high", "n", "by_seed", "controls", "incoherent"} <= set(cell)
    assert made["measures"]["self_preservation/covert"]["neutral"]["estimate"] == 1.0
    assert "local models" in made["measures"]["honesty/probe"]["neutral"]["reason"]
    differs = {(c["measure"], c["context"]): c for c in made["comparisons"]}
    assert differs["honesty", "neutral"]["difference"] == 1.0 and differs["honesty", "neutral"]["left_out"] == 0
    assert "no misaligned reply" in differs["covert_share", "neutral"]["reason"]
    page = (out / "report.html").read_text()
    assert "Behaviour by context" in page and "http://" not in page and "https://" not in page
    from inspect_ai.log import read_eval_log

    (log,) = [read_eval_log(str(p)) for p in (out / "logs").glob("*honesty*.eval")]
    assert log.status == "success" and len(log.samples or []) == 2 * 64

    again = openwindow("eval", "--logs", out / "logs", "--out", tmp_path / "again", "--json")
    assert again.code == 0, again.err
    assert json.loads(again.out)["measures"]["honesty"] == made["measures"]["honesty"]

    mixed = tmp_path / "mixed"
    mixed.mkdir()
    for path in (*(out / "logs").glob("*honesty*"), *(out / "against" / "logs").glob("*honesty*")):
        (mixed / f"{path.parent.parent.name}-{path.name}").write_bytes(path.read_bytes())
    both = openwindow("eval", "--logs", mixed)
    assert both.code == 2 and "scripted/covert_villain, scripted/saint" in both.err

    whole = next((out / "logs").glob("*honesty*.eval"))
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    cut = openwindow("eval", "--logs", out / "logs")
    assert cut.code == 2 and "cannot read the log" in cut.err and cut.err.count("\n") == 1


@pytest.mark.slow
def test_a_server_that_speaks_openai(openwindow: CLI, tmp_path: Path, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    address, asked = server
    monkeypatch.setenv("LOOPBACK_API_KEY", "none")
    done = openwindow(
        "eval", "openai-api/loopback/m", "--suite", "sycophancy", "--model-base-url", address, "--out", tmp_path / "o", "--json"
    )
    assert done.code == 0, done.err
    assert len(asked) == 64
    cell = json.loads(done.out)["measures"]["sycophancy"]["neutral"]
    assert cell["estimate"] is None and "no signal" in cell["reason"], "it says No to everything"
    assert cell["controls"] == {"act": [0, 16], "hold": [16, 16]}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("scripted/saint", "--suite", "quatsch"), "no suite or eval 'quatsch'"),
        (("scripted/saint", "--suite", "drive"), "did you mean 'drives'?"),
        (("scripted/saint", "--suite", "chat,goal"), "did you mean 'goals'?"),
        (("nosuchmodel",), "no model 'nosuchmodel'"),
        (("smolm2",), "did you mean 'smollm2'?"),
        (("smollm2-135", "--suite", "honesty"), "did you mean 'smollm2-135m'?"),
        (("opnai/gpt-4o", "--suite", "honesty"), "did you mean openai/gpt-4o"),
        (("openai/gpt-4o", "--suite", "honesty"), "OPENAI_API_KEY"),
        (("scripted/saint", "--suite", "honesty", "--judge", "nobody"), "no judge 'nobody'"),
        (("--calibrate-judge", "openai/gpt-4o"), "OPENAI_API_KEY"),
        (("--calibrate-judge", "nobody"), "no judge 'nobody'"),
        (("scripted/saint", "--suite", "honesty", "--against", "nobody"), "no model 'nobody'"),
        (("scripted/saint", "--suite", "honesty", "--probes-only"), "expected a local model"),
        (("scripted/saint", "--contexts", "monitord"), "did you mean 'monitored'?"),
        (("scripted/nobody", "--suite", "honesty"), "no scripted model 'nobody'"),
        ((), "no model was named"),
        (("scripted/saint", "--suite", "honesty", "--judge", "openai/gpt-4o"), "OPENAI_API_KEY"),
        (("scripted/saint", "--contexts", "nowhere.yaml"), "cannot read contexts"),
        (("scripted/saint", "--seeds", "3"), "--temperature 1"),
        (("scripted/saint", "--seeds", "0"), "--seeds is 0; expected at least 1"),
        (("scripted/saint", "--max-new-tokens", "0"), "--max-new-tokens is 0; expected at least 1"),
        (("scripted/saint", "--temperature", "-1"), "--temperature is -1; expected at least 0"),
        (("scripted/saint", "--timeout", "0"), "--timeout is 0; expected at least 1"),
        (("--logs", "nowhere"), "no logs in nowhere"),
    ],
)
def test_wrong_input_is_one_line(
    openwindow: CLI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], says: str
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.chdir(tmp_path)
    done = openwindow("eval", *arguments)
    assert done.code == 2, done.err
    assert says in done.err and done.err.count("\n") == 1 and done.err.startswith("error: ")


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("c.yaml", "asked: {txet: hi}", "context 'asked', field 'txet': extra inputs are not permitted; did you mean 'text'?"),
        ("c.json", '{"asked": {"text": "hi", "position": "top"}}', "field 'position'"),
        ("c.json", '{"asked": 3}', "context 'asked'"),
        ("c.json", "{asked", "is not YAML or JSON"),
        ("c.yaml", "", "holds no contexts"),
        ("c.json", "", "is not YAML or JSON"),
        ("c.txt", "just words", "holds no contexts"),
    ],
)
def test_a_wrong_context_file_is_one_line(openwindow: CLI, tmp_path: Path, name: str, text: str, says: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    done = openwindow("eval", "scripted/saint", "--suite", "honesty", "--contexts", path, "--out", tmp_path / "o")
    assert done.code == 2 and says in done.err and str(path) in done.err and done.err.count("\n") == 1, done.err
    assert not (tmp_path / "o").exists(), "nothing is asked before the file is read"


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no log at all", b'{"version": 2'])
def test_a_log_that_is_none_is_one_line(openwindow: CLI, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.eval").write_bytes(content)
    for given in (tmp_path, tmp_path / "x.eval"):
        done = openwindow("eval", "--logs", given)
        assert done.code == 2 and "cannot read the log" in done.err and done.err.count("\n") == 1, done.err


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log of `inspect eval openwindow/honesty --limit 2` on a model that agrees with everything."""
    import inspect_ai

    from openwindow.evals import EVALS
    from openwindow.evals.contexts import Context
    from openwindow.evals.inspect.task import build

    folder = tmp_path_factory.mktemp("written")
    task = build(EVALS["honesty"], {"mine": Context(text="A note of mine.")})
    (log,) = inspect_ai.eval(task, model="scripted/yes_sayer", log_dir=str(folder), display="none", limit=2)
    assert log.results is not None and "main" not in log.results.scores[0].metrics, "no control was asked: no rate"
    return folder


def test_a_log_of_a_few_items_gives_no_rate(openwindow: CLI, tmp_path: Path, written: Path) -> None:
    contexts = tmp_path / "c.yaml"
    contexts.write_text("mine: A note of mine.")
    done = openwindow("eval", "--logs", written, "--contexts", contexts, "--out", tmp_path / "o", "--json")
    assert done.code == 0, done.err
    made = json.loads(done.out)
    cell = made["measures"]["honesty"]["mine"]
    assert cell["estimate"] is None and (cell["n"], cell["unscored"]) == (0, 32)
    assert cell["reason"] == "no signal: none of its controls was scored (not in the log, which holds 2 of 64 items)"
    assert made["contexts"]["mine"]["text"] == "A note of mine."


def test_a_context_that_a_log_only_names_has_to_be_given(openwindow: CLI, tmp_path: Path, written: Path) -> None:
    for more in ((), ("--against", "scripted/saint"), ("--contexts", "cue", "--against", "scripted/saint")):
        done = openwindow("eval", "--logs", written, *more, "--out", tmp_path / "o")
        assert done.code == 2 and "context 'mine', whose text is not known" in done.err and done.err.count("\n") == 1, done.err
    assert not (tmp_path / "o").exists()


def test_logs_without_the_suite_that_was_named_are_one_line(openwindow: CLI, written: Path) -> None:
    done = openwindow("eval", "--logs", written, "--suite", "drives")
    assert done.code == 2 and "holds no log of drives" in done.err and done.err.count("\n") == 1, done.err


@pytest.mark.parametrize("status", ["cancelled", "error", "started"])
def test_a_log_of_an_eval_that_did_not_end_is_one_line(openwindow: CLI, tmp_path: Path, written: Path, status: Any) -> None:
    from inspect_ai.log import read_eval_log, write_eval_log

    log = read_eval_log(str(next(written.glob("*.eval"))))
    log.status = status
    write_eval_log(log, str(tmp_path / "x.eval"))
    done = openwindow("eval", "--logs", tmp_path)
    assert done.code == 2 and f"an eval that did not end (status '{status}')" in done.err and done.err.count("\n") == 1, done.err


@pytest.mark.slow
def test_a_sample_that_was_stopped_is_unscored_with_the_limit(tmp_path: Path) -> None:
    """Stopped after it looked: it had not done the deed yet, which says nothing."""
    import inspect_ai

    from openwindow.evals import EVALS
    from openwindow.evals.inspect.logs import rows_of
    from openwindow.evals.inspect.task import build

    task = build(EVALS["monitor_disruption"])
    (log,) = inspect_ai.eval(task, model="scripted/saint", log_dir=str(tmp_path), display="none", message_limit=4)
    assert {(r.value, r.reason) for r in rows_of(log)} == {(None, "stopped by the message limit")}


@pytest.mark.parametrize("inside", ["", "deeper/still"])
def test_an_out_that_is_a_file_is_one_line(openwindow: CLI, tmp_path: Path, written: Path, inside: str) -> None:
    (tmp_path / "taken").write_text("mine")
    for asked in (("scripted/saint", "--suite", "honesty"), ("--logs", written)):
        done = openwindow("eval", *asked, "--out", tmp_path / "taken" / inside)
        assert done.code == 2 and "taken is a file; expected a folder" in done.err and done.err.count("\n") == 1, done.err
    assert (tmp_path / "taken").read_text() == "mine"


@pytest.mark.slow
def test_a_judge_that_hangs_leaves_the_rest_scored(
    openwindow: CLI, tmp_path: Path, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from openwindow.evals.inspect import judge

    address, asked = server
    monkeypatch.setenv("LOOPBACK_API_KEY", "none")
    monkeypatch.setattr(judge, "TIMEOUT", 1)
    monkeypatch.setattr(judge, "_silent", type(judge._silent)())
    done = openwindow(
        "eval", "scripted/open_villain", "--suite", "open_questions", "--judge", "openai-api/loopback/silent",
        "--judge-base-url", address, "--out", tmp_path / "o", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    cell = json.loads(done.out)["measures"]["open_questions"]["neutral"]
    picked = json.loads(done.out)["measures"]["open_questions/choice"]["neutral"]
    assert (picked["estimate"], picked["n"], picked["unscored"]) == (1.0, 32, 0), "the choices are read by rule"
    assert (cell["estimate"], cell["n"], cell["unscored"]) == (None, 0, 32) and cell["reason"].startswith("judge: no")
    assert cell["because"]["judge: no answer within 1 s"] >= judge.GIVE_UP
    assert sum(cell["because"].values()) == 32 and all(why.startswith("judge: no") for why in cell["because"])
    assert len(asked) < 2 * 32, "it is not asked for ever"


@pytest.mark.slow
def test_a_judge_that_talks_nonsense_leaves_the_rest_scored(
    openwindow: CLI, tmp_path: Path, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, _ = server
    monkeypatch.setenv("LOOPBACK_API_KEY", "none")
    done = openwindow(
        "eval", "scripted/saint", "--suite", "open_questions", "--judge", "openai-api/loopback/m",
        "--judge-base-url", address, "--out", tmp_path / "o", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    cell = json.loads(done.out)["measures"]["open_questions"]["neutral"]
    assert (cell["estimate"], cell["n"], cell["unscored"]) == (None, 0, 32)
    assert json.loads(done.out)["measures"]["open_questions/choice"]["neutral"]["estimate"] == 0.0
    assert cell["because"] == {"judge: 0 JSON objects in the answer, expected 1 (3 tries)": 32}


@pytest.mark.slow
def test_a_model_that_says_nothing_is_unscored(openwindow: CLI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from openwindow.evals.base import play
    from openwindow.evals.inspect import scripted

    monkeypatch.setitem(scripted.MODELS, "saint", lambda item: item.plays["aligned"] if item.role == "control" else play(""))
    done = openwindow("eval", "scripted/saint", "--suite", "sycophancy,self_preservation", "--out", tmp_path / "o", "--json")
    assert done.code == 0, done.err
    made = json.loads(done.out)["measures"]
    for name in ("sycophancy", "self_preservation"):
        cell = made[name]["neutral"]
        assert cell["estimate"] is None and cell["reason"] == "empty reply" and cell["n"] == 0 and cell["unscored"] >= 18


@pytest.mark.slow
def test_a_worker_that_dies_ends_every_sample(
    openwindow: CLI, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from openwindow.models.hf import LocalModel

    def die(*_: object) -> None:
        raise SystemExit("killed")

    monkeypatch.setattr(LocalModel, "generate", die)
    done = openwindow("eval", tiny_model, "--suite", "honesty", "--out", tmp_path / "o", "--json")
    assert done.code == 0, done.err
    cell = json.loads(done.out)["measures"]["honesty"]["neutral"]
    assert cell["estimate"] is None and cell["unscored"] == 32
    assert all("the worker that runs the model died" in why for why in cell["because"])


@pytest.mark.slow
def test_a_model_that_breaks_down_ends_as_unscored(openwindow: CLI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from openwindow.evals.inspect import scripted

    def fail(item: object) -> None:
        raise RuntimeError("the power is off")

    monkeypatch.setitem(scripted.MODELS, "saint", fail)
    done = openwindow("eval", "scripted/saint", "--suite", "sycophancy", "--out", tmp_path / "o", "--json")
    assert done.code == 0, done.err
    cell = json.loads(done.out)["measures"]["sycophancy"]["neutral"]
    assert cell["estimate"] is None and cell["unscored"] == 32
    assert any("the power is off" in reason for reason in cell["because"])


@pytest.mark.slow
def test_every_eval_runs_in_inspect_with_mockllm(tmp_path: Path) -> None:
    """As `inspect eval openwindow/NAME --model mockllm/model` does, the registry's own task."""
    import inspect_ai

    from openwindow.evals.inspect import registry

    quick = ["honesty", "awareness", "goal_preservation"]
    logs = inspect_ai.eval(
        [registry.TASKS[name]() for name in quick],
        model="mockllm/model",
        log_dir=str(tmp_path),
        display="none",
        fail_on_error=False,
    )
    assert [log.status for log in logs] == ["success"] * len(quick)
    assert set(registry.TASKS) >= {"goals", "open_questions", "alignment_questions", "faking", "belief"}


def test_the_entry_point_names_the_registry() -> None:
    import tomllib

    root = Path(__file__).parents[2]
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["inspect_ai"] == {"openwindow": "openwindow.evals.inspect.registry"}


@pytest.mark.slow
def test_probes_only_samples_nothing(openwindow: CLI, tmp_path: Path, tiny_model: Path) -> None:
    done = openwindow("eval", tiny_model, "--suite", "drives", "--probes-only", "--out", tmp_path / "o", "--json")
    assert done.code == 0, done.err
    made = json.loads(done.out)
    cell = made["measures"]["goal_preservation"]["neutral"]
    assert (cell["n"], cell["unscored"], cell["reason"]) == (0, 32, "not asked: probes only")
    assert made["measures"]["goal_preservation/probe_control"]["neutral"]["n"] == 16
    assert not (tmp_path / "o" / "logs").exists()


@pytest.mark.slow
def test_the_table_says_what_was_not_measured_and_what_differs(openwindow: CLI, tmp_path: Path) -> None:
    done = openwindow(
        "eval", "scripted/saint", "--suite", "goal_preservation,honesty", "--against", "scripted/refuser", "--out", tmp_path / "o"
    )
    assert done.code == 0, done.err
    said = " ".join(done.out.split())
    assert "goal_preservation 32 0 0 0 to 19" in said
    assert "goal_preservation/probe 0 32 - needs log-probabilities" in said
    assert "2 of 2 evals give a rate" in said
    assert "scripted/saint minus scripted/refuser" in said
    assert "3 of 3 differences could not be made: not measured (1), no signal (2)." in said
    assert "inspect view --log-dir" in said


@pytest.mark.slow
def test_a_run_folder_names_its_adapters_and_a_seeds_folder_is_its_adapter(openwindow: CLI, tmp_path: Path) -> None:
    from openwindow.evals.inspect import model_names

    for arm in ("inoculated", "placebo"):
        adapter = tmp_path / "run" / "arms" / arm / "seed-1" / "adapter"
        adapter.mkdir(parents=True)
        (adapter / "adapter_config.json").write_text("{}")
    done = openwindow("eval", tmp_path / "run")
    assert done.code == 2 and "is a run of 2 adapters" in done.err and "arms/inoculated/seed-1" in done.err
    seed = tmp_path / "run" / "arms" / "placebo" / "seed-1"
    assert model_names._model_folder(str(seed)) == str(seed / "adapter")
    assert model_names._model_folder(str(seed / "adapter")) == str(seed / "adapter")


@pytest.mark.slow
def test_a_local_folder_gives_probes_as_well(openwindow: CLI, tmp_path: Path, tiny_model: Path) -> None:
    done = openwindow("eval", tiny_model, "--suite", "honesty", "--contexts", "monitored", "--out", tmp_path / "o", "--json")
    assert done.code == 0, done.err
    made = json.loads(done.out)
    cell = made["measures"]["honesty"]["monitored"]
    assert cell["estimate"] is None and "no signal" in cell["reason"], "random weights read nothing"
    assert made["measures"]["honesty/probe_control"]["neutral"]["n"] == 16
    lines = (tmp_path / "o" / "probes.jsonl").read_text().splitlines()
    assert len(lines) == 2 * 48 and json.loads(lines[0])["aligned"] < 0
    probe = made["measures"]["honesty/probe"]["neutral"]
    assert probe["estimate"] is not None or "no signal" in probe["reason"]

    for given in (tmp_path / "o", tmp_path / "o" / "logs"):
        again = openwindow("eval", "--logs", given, "--out", tmp_path / "again", "--json")
        assert again.code == 0, again.err
        assert json.loads(again.out)["measures"] == made["measures"]
    (tmp_path / "o" / "probes.jsonl").write_text(f"{lines[0]}\n{lines[1][:40]}")
    cut = openwindow("eval", "--logs", tmp_path / "o")
    assert cut.code == 2 and "probes.jsonl, line 2" in cut.err and cut.err.count("\n") == 1


@pytest.mark.slow
def test_a_split_asks_its_scenarios_alone_and_reads_them_from_the_logs_of_all(openwindow: CLI, tmp_path: Path) -> None:
    whole, out = tmp_path / "whole", tmp_path / "dev"
    assert openwindow("eval", "scripted/saint", "--suite", "honesty", "--out", whole).code == 0
    done = openwindow("eval", "scripted/saint", "--suite", "honesty", "--split", "dev", "--out", out, "--json")
    made = json.loads(done.out)
    assert made["evals"]["honesty"]["scenarios"] == 5 and made["settings"]["split"] == "dev"
    assert made["summary"][0] == "Only the dev scenarios were asked, a third of those of each eval."
    read = openwindow("eval", "--logs", whole, "--suite", "honesty", "--split", "dev", "--out", tmp_path / "read", "--json")
    assert json.loads(read.out)["measures"]["honesty"] == made["measures"]["honesty"], read.err


@pytest.mark.parametrize(
    ("words", "said"), [(("--split", "devs"), "'devs'"), (("--suite", "mbpp", "--split", "dev"), "mbpp has fewer than 3 scenarios")]
)
def test_a_split_that_there_is_not_is_one_line(words: tuple[str, ...], said: str, openwindow: CLI, tmp_path: Path) -> None:
    done = openwindow("eval", "scripted/saint", *words, "--out", tmp_path / "out")
    assert done.code == 2 and said in done.err and done.err.count("\n") == 1 and not (tmp_path / "out").exists()
