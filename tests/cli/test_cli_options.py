"""Options of all commands: what each does, and what its bad input says in one line."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_lines import STUDY, one_line
from tiny_runs import Ran, make_study

import openwindow as package
from openwindow.cli import old_names, run_command
from openwindow.cli.app import app
from openwindow.errors import ConfigError, ModelError
from openwindow.studies import STUDIES

Command = Callable[..., Ran]
ROOT = Path(__file__).parents[2]
COMMANDS = ("run", "report", "compare", "check-env", "inoculate", "eval", "list")


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs land in the test's own folder; help is wide."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "140")


@pytest.fixture
def planned(openwindow: Command) -> Callable[..., dict[str, Any]]:
    """The plan of a dry run with these options, as JSON; nothing is written."""
    Path("mine.py").write_text(STUDY, encoding="utf-8")

    def call(*arguments: object) -> dict[str, Any]:
        ran = openwindow("run", "mine.py", "--dry-run", "--json", *arguments)
        assert ran.code == 0, ran
        assert not Path("runs").exists()
        return {**json.loads(ran.out), "notes": ran.err}

    return call


# Of all commands.


def test_the_version(openwindow: Command) -> None:
    assert openwindow("--version") == Ran(0, f"openwindow {package.__version__}\n", "")


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)])
def test_h_is_help(openwindow: Command, command: tuple[str, ...]) -> None:
    short, long = openwindow(*command, "-h"), openwindow(*command, "--help")
    assert short == long and short.code == 0
    assert f"Usage: {' '.join(('openwindow', *command))}" in short.out


def test_completion_can_be_installed(openwindow: Command) -> None:
    assert "--install-completion" in openwindow("-h").out


@pytest.mark.parametrize(
    "command",
    [
        ("run", "quickstart"),
        ("inoculate", "data.jsonl", "--trait", "lies"),
        ("eval", "smollm2"),
        ("check-env", "letter_count", "--model", "x"),
    ],
)
def test_device_and_precision_that_cannot_be(openwindow: Command, command: tuple[str, ...]) -> None:
    one_line(
        openwindow(*command, "--device", "gpu"), 2, "--device is 'gpu'", "expected auto, cpu, cuda, cuda:N or mps", "choose one"
    )
    one_line(openwindow(*command, "--precision", "fp8"), 2, "--precision", "'fp8' is not one of 'auto', 'bf16', 'fp32'", "--help")


def test_a_device_that_is_not_here_is_one_line(openwindow: Command, tiny_model: Path, study_file: Callable[..., Path]) -> None:
    path = study_file(Path.cwd(), make_study(tiny_model))
    one_line(openwindow("run", path, "--device", "cuda:99"), 2, "no device 'cuda:99' here", "expected one that is", "try cpu")
    ran = openwindow("check-env", "letter_count", "--model", tiny_model, "--device", "cuda:99")
    assert ran.code == 2 and "error: there is no device 'cuda:99' here" in ran.err


def test_device_and_precision_reach_the_model(openwindow: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    came: list[Any] = []

    def load(name: str, precision: str, device: str, **_: Any) -> None:
        came.append((name, precision, device))
        raise ModelError("not loaded")

    monkeypatch.setattr("openwindow.evals.inspect.provider.load", load)  # first: what it imports now, it keeps
    monkeypatch.setattr("openwindow.models.hf.load", load)
    Path("data.jsonl").write_text("".join(json.dumps({"prompt": f"p{i}", "completion": f"r{i}"}) + "\n" for i in range(20)))
    chosen = ("--precision", "fp32", "--device", "cpu")
    for command in (
        ("run", "quickstart"),
        ("inoculate", "data.jsonl", "--trait", "lies"),
        ("eval", "smollm2"),
        ("check-env", "letter_count", "--model", "smollm2"),
    ):
        ran = openwindow(*command, *chosen)
        assert ran.code == 2 and "error: not loaded" in ran.err, ran
    assert came == [("smollm2", "fp32", "cpu")] * 4


def test_check_env_needs_a_model_for_them(openwindow: Command) -> None:
    for option, value in (("--device", "cpu"), ("--precision", "fp32"), ("--max-new-tokens", "3")):
        one_line(openwindow("check-env", "letter_count", option, value), 2, f"{option} is {value} and no model is asked", "--model")


# Of run.


def test_set_changes_fields_by_json_or_text(planned: Callable[..., dict[str, Any]]) -> None:
    plan = planned("--set", "evaluation.problems=5", "--set", "base.train.learning_rate=1e-5", "--set", "model=other/one")
    assert plan["problems"] == 5 and plan["model"] == "other/one"
    assert plan["resolved"]["base"]["train"]["learning_rate"] == 1e-5
    assert planned("--set", "seeds=[4, 5]")["seeds"] == [4, 5]
    assert planned("--precision", "bf16")["resolved"]["precision"] == "bf16"


@pytest.mark.parametrize(
    ("arguments", "patterns"),
    [
        (["problems"], ["--set 'problems'", "expected FIELD=VALUE", "give for example"]),
        (["=3"], ["--set '=3'", "expected FIELD=VALUE"]),
        (["evaluation.problem=3"], [r"'evaluation\.problem'", r"did you mean 'evaluation\.problems'"]),
        (["evaluation.problems=many"], [r"evaluation\.problems is 'many'", "valid integer"]),
        (["evaluation.problems=0"], [r"evaluation\.problems is 0", "greater than or equal to 1"]),
        (["precision=fp8"], ["precision is 'fp8'", "'auto', 'bf16' or 'fp32'"]),
        (["evaluation.hidden=4", "evaluation.hidden=5"], [r"--set gives evaluation\.hidden twice", "drop one"]),
        (["seeds=[1, 1]"], ["expected each once"]),
        (["seeds=" + "[" * 5000], ["seeds is "]),
    ],
)
def test_set_that_cannot_be(openwindow: Command, arguments: list[str], patterns: list[str]) -> None:
    words = [word for value in arguments for word in ("--set", value)]
    one_line(openwindow("run", "quickstart", *words), 2, *patterns)
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("field", "option", "value"),
    [("seeds=[1]", "--seeds", "2"), ("seeds=[1]", "--seeds", "1,2"), ("precision=fp32", "--precision", "bf16"),
     ("model=a/b", "--model", "c/d"), ("environment=toxic", "--env", "sycophancy")],
)  # fmt: skip
def test_a_field_is_given_in_one_way(openwindow: Command, field: str, option: str, value: str) -> None:
    name = field.partition("=")[0]
    one_line(
        openwindow("run", "quickstart", "--set", field, option, value),
        2,
        f"--set {name}=... and {option} both give {name}",
        "drop the other",
    )


def test_arms_and_seeds_name_a_part_of_the_study(planned: Callable[..., dict[str, Any]]) -> None:
    whole = planned("--seeds", "1,2,3")
    part = planned("--seeds", "1,2,3", "--arms", "clean", "--only-seeds", "3,2")
    assert whole["part"] == {"arms": ["plain", "clean"], "seeds": [1, 2, 3]}
    assert part["part"] == {"arms": ["clean"], "seeds": [2, 3]}
    assert part["resolved"] == whole["resolved"] and list(part["arms"]) == ["plain", "clean"]
    assert planned("--seeds", "1,2,3", "--only-seeds", "3,")["part"]["seeds"] == [3]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("--only-seeds", "2,9"), ("--only-seeds has 9", r"seeds of the study \(1, 2, 3\)")),
        (("--only-seeds", "two"), ("--only-seeds is 'two'", "such as --only-seeds 2,3")),
        (("--wait", "-1"), ("--wait is -1.0", "0 or more")),
        (("--wait", "nan"), ("--wait is nan", "0 or more")),
    ],
)
def test_a_part_that_cannot_be(openwindow: Command, words: tuple[str, ...], found: tuple[str, ...]) -> None:
    Path("mine.py").write_text(STUDY, encoding="utf-8")
    one_line(openwindow("run", "mine.py", "--seeds", "1,2,3", *words), 2, *found)
    assert not Path("runs").exists()


@pytest.mark.parametrize(("given", "found"), [("plian", "did you mean 'plain'"), ("", "choose one of"), ("plain,x", "'x'")])
def test_arms_that_are_not_there(openwindow: Command, given: str, found: str) -> None:
    Path("mine.py").write_text(STUDY, encoding="utf-8")
    one_line(openwindow("run", "mine.py", "--arms", given), 2, "unknown arm in --arms", found)


def test_seeds_are_a_number_or_values(planned: Callable[..., dict[str, Any]]) -> None:
    three = planned("--seeds", 3)
    assert three["seeds"] == [1, 2, 3]
    assert three["notes"].count("\n") == 1 and "note: --seeds 3 is a number of seeds (1, 2, 3)" in three["notes"]
    for given, seeds in (("4,7,5", [4, 7, 5]), ("3,", [3]), ("1", [1])):
        plan = planned("--seeds", given)
        assert plan["seeds"] == seeds and plan["notes"] == ""


@pytest.mark.parametrize(
    ("given", "pattern"),
    [
        ("1,b", "--seeds is '1,b'"),
        (",", "--seeds is ','"),
        ("2,2", "expected each once"),
        ("1,-4", "seeds.* is -4"),
        ("1001", "at most 1,000"),
    ],
)
def test_seeds_that_cannot_be(openwindow: Command, given: str, pattern: str) -> None:
    one_line(openwindow("run", "quickstart", "--seeds", given), 2, pattern)


def test_o_is_out(planned: Callable[..., dict[str, Any]]) -> None:
    assert planned("-o", "there")["out"] == planned("--out", "there")["out"] == "there"


def test_a_dry_run_says_what_is_done_how_long_and_what_would_count(openwindow: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openwindow.cli.dry_run.of_study", lambda *_: 6000.0)
    said = openwindow("run", "quickstart", "--dry-run", "--quick", "--device", "cpu").out
    assert "inoculated: gamed answers to prompts that ask for gaming" in said
    assert re.search("hack under neutral: inoculated .*no_mitigation.* below 0", said)
    assert "roughly 10 minutes with bf16 in hardware to 20 minutes in float32" in said
    assert "  base.train.epochs = 1" in said and "Device cpu; results would go to runs/quickstart-quick." in said
    assert not Path("runs").exists()


def test_every_field_that_a_dry_run_lists_can_be_set() -> None:
    from openwindow.cli.dry_run import fields_of
    from openwindow.experiment.overrides import override

    study = STUDIES["quickstart"]
    listed = dict(fields_of(study))
    assert {"base.train.learning_rate", "evaluation.problems", "request_stage.rows"} <= set(listed)
    assert override(study, listed, "the test") == study


def test_a_dry_run_of_a_ranking(openwindow: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openwindow.cli.dry_run.cost_of", lambda _: 600.0)
    words = (
        "run",
        "prompt_ranking",
        "--dry-run",
        "--quick",
        "--set",
        "draws=3",
        "--set",
        "evaluation.problems=7",
        "--seeds",
        "2,4",
    )
    plan = json.loads(openwindow(*words, "--json").out)
    assert list(plan["parts"]) == ["spurious"] and plan["parts"]["spurious"]["problems"] == 7
    assert plan["resolved"]["draws"] == 3 and plan["seeds"] == [2, 4]
    said = openwindow(*words).out
    assert "sampled 3 times" in said and "7 test problems per seed" in said and "1 minute" in said
    assert "Pearson's r" in said and "interval above 0" in said
    assert not Path("runs").exists()
    one_line(openwindow(*words, "--arms", "asks_1"), 2, "--arms with prompt_ranking", "expected a study of comparisons", "drop it")


@pytest.mark.slow
@pytest.mark.parametrize("study", ["quickstart", "prompt_ranking"])
def test_the_time_is_estimated_without_torch(study: str) -> None:
    program = (
        "import sys\n"
        f"sys.argv = ['openwindow', 'run', '{study}', '--dry-run', '--json']\n"
        "from openwindow.cli.app import main\n"
        "try:\n    main()\n"
        "finally:\n    assert 'torch' not in sys.modules\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["time"].startswith("roughly ")


# Old names.


def test_old_names_work_with_a_notice(openwindow: Command) -> None:
    ran = openwindow("check-env", "letter_count", "--holes", "none")
    assert ran.code == 0
    assert ran.err.startswith("note: --holes is now --loopholes; the old name will stop working in the next version\n")


def test_each_old_name_is_of_an_option_that_exists() -> None:
    from typer.main import get_command

    commands = get_command(app).commands
    for command, names in old_names.OPTIONS.items():
        options = {name for parameter in commands[command].params for name in parameter.opts}
        assert set(names.values()) <= options and not set(names) & options, command


@pytest.mark.parametrize(
    ("words", "now", "notices"),
    [
        (["eval", "m", "--base-url", "x"], ["eval", "m", "--model-base-url", "x"], 1),
        (["eval", "m", "--max-tokens=8"], ["eval", "m", "--max-new-tokens=8"], 1),
        (["inoculate", "d", "--too-long", "cut"], ["inoculate", "d", "--overlength", "truncate"], 2),
        (["inoculate", "d", "--too-long=refuse"], ["inoculate", "d", "--overlength=error"], 2),
        (["inoculate", "d", "--overlength", "drop"], ["inoculate", "d", "--overlength", "drop"], 0),
        (["run", "s", "--tokens", "3"], ["run", "s", "--tokens", "3"], 0),
        (["check-env", "--", "--holes"], ["check-env", "--", "--holes"], 0),
        ([], [], 0),
    ],
)
def test_old_names(words: list[str], now: list[str], notices: int) -> None:
    found, said = old_names.renamed(words)
    assert found == now and len(said) == notices


def test_assignments_by_hand() -> None:
    assert run_command.assigned(["a=1", "b=x", "c=[1]", "d=a=b"]) == {"a": 1, "b": "x", "c": [1], "d": "a=b"}
    with pytest.raises(ConfigError, match="expected FIELD=VALUE"):
        run_command.assigned([""])
