"""Every mistake that a user can make at the command line gets one line: what came, what was expected, what to do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command_lines import ARMS, OPEN, STUDY, one_line
from tiny_runs import Ran, make_study

from openwindow.experiment.run_folder import RunFolder
from openwindow.experiment.runner import describe
from openwindow.experiment.study import Study

Command = Callable[..., Ran]
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs land in the test's own folder."""
    monkeypatch.chdir(tmp_path)


# The words of the command.


@pytest.mark.parametrize(
    ("arguments", "patterns"),
    [
        (["rnu"], ["No such command 'rnu'", "--help"]),
        (["run"], ["(?i)missing argument 'study'", "--help"]),
        (["run", "quickstart", "--modle", "x"], ["--modle", "--model", "--help"]),
        (["run", "quickstart", "--seeds"], ["--seeds", "requires an argument", "--help"]),
        (["run", "quickstart", "--seeds", "abc"], ["--seeds is 'abc'", "expected a whole number", "give one"]),
        (["run", "quickstart", "--seeds", "1.5"], [r"--seeds is '1\.5'", "expected a whole number", "give one"]),
        (["run", "quickstart", "--seeds", "0"], ["--seeds is 0", "expected 1 or more"]),
        (["run", "quickstart", "--seeds", "-1"], ["--seeds is -1", "expected 1 or more"]),
        (["run", "quickstart", "again"], ["unexpected extra argument", "again", "--help"]),
        (["run", "quikstart"], ["unknown study 'quikstart'", "did you mean 'quickstart'"]),
        (["run", "zzz"], ["unknown study 'zzz'", "quickstart", "Python file"]),
        (["report"], ["(?i)missing argument 'dir...'", "--help"]),
        (["list", "--yaml"], ["--yaml", "--help"]),
    ],
    ids=lambda value: " ".join(value) if value and isinstance(value[0], str) else None,
)
def test_words_of_the_command(openwindow: Command, arguments: list[str], patterns: list[str]) -> None:
    one_line(openwindow(*arguments), 2, *patterns)
    assert not Path("runs").exists()


# The study file.


@pytest.mark.parametrize(
    ("source", "patterns"),
    [
        (STUDY + "study = (\n", ["mine.py, line 9", "never closed", "expected valid Python", "fix the line"]),
        ("x = 1\n", ["defines no `study`", r"expected `study = Study\(", "add it"]),
        ("study = {'name': 'mine'}\n", ["a `study` that is a dict", r"expected `study = Study\("]),
        ("raise ValueError('two\\nlines')\n", ["fails with ValueError: two lines", "expected a file that runs", "fix it"]),
        ("import sys\nsys.exit(0)\n", ["fails with SystemExit", "expected a file that runs"]),
        ("import not_installed_anywhere\n", ["ModuleNotFoundError", "not_installed_anywhere"]),
        (STUDY.replace("claim=", "clam="), ["unknown field 'clam'", "did you mean 'claim'"]),
        (STUDY.replace('claim="It is.",', ""), ["the study has no field 'claim'", "add it"]),
        (STUDY.replace(OPEN, OPEN + 'evaluation={"problem": 3}, '), [r"'evaluation\.problem'", "did you mean 'problems'"]),
        (STUDY.replace(OPEN, OPEN + 'evaluation={"problems": 0}, '), [r"evaluation\.problems is 0", "greater than or equal to 1"]),
        (
            STUDY.replace(ARMS, 'arms={"plain": {"train.epoch": 2}},'),
            ["arm 'plain'", r"'train\.epoch'", r"did you mean 'train\.epochs'"],
        ),
        (STUDY.replace(ARMS, 'arms={"plain": {"trian.epochs": 2}},'), [r"'trian\.epochs'", r"did you mean 'train\.epochs'"]),
        (
            STUDY.replace(ARMS, 'arms={"plain": {"train.epochs": "many"}},'),
            ["arm 'plain'", r"train\.epochs is 'many'", "should be a valid number"],
        ),
        (
            STUDY.replace(ARMS, 'arms={"plain": {"intervention": {"kind": "inocculation", "texts": ["x"]}}},'),
            ["arm 'plain'", "intervention", "'inoculation', 'placebo'"],
        ),
        (
            STUDY.replace(ARMS, 'arms={"plain": {"intervention.texts": ["x"]}},'),
            [r"'intervention\.texts'", "'intervention' is None there", "as a whole"],
        ),
        (STUDY.replace(ARMS, "arms={},"), ["arms is {}", "at least 1"]),
        (
            STUDY.replace(OPEN, OPEN + 'compare=[Compare(arm="plane", against="clean")], '),
            ["unknown arm in compare: 'plane'", "did you mean 'plain'"],
        ),
        (
            STUDY.replace(OPEN, OPEN + 'compare=[Compare(arm="plain", against="clean", context="neutrl")], '),
            ["unknown context: 'neutrl'", "did you mean 'neutral'"],
        ),
        (
            STUDY.replace(OPEN, OPEN + 'compare=[Compare(arm="plain", against="clean", measure="hacks")], '),
            ["unknown measure: 'hacks'", "did you mean 'hack'"],
        ),
        (STUDY.replace(OPEN, OPEN + 'about={"plian": "x"}, '), ["unknown arm in about: 'plian'", "did you mean 'plain'"]),
        (
            STUDY.replace(", asks=True", "").replace(OPEN, OPEN + "request_stage=RequestStage(), "),
            ["no context asks all arms", "asks=True", "add one"],
        ),
        (STUDY.replace(OPEN, OPEN + "seeds=(1, 2, 1), "), [r"seeds are \[1, 2, 1\]", "each once", "drop"]),
        (
            STUDY.replace(OPEN, OPEN + 'environment="code_function", '),
            ["unknown environment: 'code_function'", "did you mean 'code_functions'"],
        ),
        (STUDY.replace(OPEN, OPEN + "difficulty=(4,), "), [r"difficulty\.0 is 4", "should be 1, 2 or 3"]),
    ],
)
def test_study_file(openwindow: Command, source: str, patterns: list[str]) -> None:
    Path("mine.py").write_text(source, encoding="utf-8")
    one_line(openwindow("run", "mine.py"), 2, *patterns)
    assert not Path("runs").exists()


def test_study_file_that_is_missing(openwindow: Command) -> None:
    one_line(openwindow("run", "nowhere/mine.py"), 2, "no study file nowhere/mine.py", "expected", "check the path")


def test_quick_that_names_no_field(openwindow: Command) -> None:
    Path("mine.py").write_text(STUDY.replace(OPEN, OPEN + 'quick={"seed": (1,)}, '), encoding="utf-8")
    one_line(openwindow("run", "mine.py", "--quick"), 2, "'seed'", "did you mean 'seeds'")


# The model.


@pytest.mark.parametrize("name", ["smolm2", "./nowhere", "/nowhere/at/all", "a/b/c"])
def test_unknown_model(openwindow: Command, name: str) -> None:
    ran = openwindow("run", "quickstart", "--model", name)
    one_line(ran, 2, f"no model '{name}'", "expected `smollm2`", "ORG/NAME", "`openwindow list`")


def test_a_wrong_model_leaves_the_folder_free(openwindow: Command) -> None:
    one_line(openwindow("run", "quickstart", "--model", "smolm2"), 2, "no model 'smolm2'")
    one_line(openwindow("run", "quickstart", "--model", "smolm3"), 2, "no model 'smolm3'")


def test_folder_that_is_no_model(openwindow: Command) -> None:
    Path("folder").mkdir()
    ran = openwindow("run", "quickstart", "--model", "folder")
    one_line(ran, 2, "folder is a folder without config.json", "expected a model folder", "give the folder")


def test_file_as_model(openwindow: Command) -> None:
    Path("weights.safetensors").write_bytes(b"")
    ran = openwindow("run", "quickstart", "--model", "weights.safetensors")
    one_line(ran, 2, "weights.safetensors is a file", "expected a model folder", "give the folder")


@pytest.mark.slow
@pytest.mark.parametrize("broken", ["config", "unknown type", "no weights", "cut weights", "no tokenizer"])
def test_broken_model_folder(openwindow: Command, tiny_model: Path, broken: str) -> None:
    shutil.copytree(tiny_model, "model")
    model = Path("model")
    if broken == "config":
        (model / "config.json").write_text("{", encoding="utf-8")
    elif broken == "unknown type":
        (model / "config.json").write_text('{"model_type": "no-such-type"}', encoding="utf-8")
    elif broken == "no weights":
        (model / "model.safetensors").unlink()
    elif broken == "cut weights":
        data = (model / "model.safetensors").read_bytes()
        (model / "model.safetensors").write_bytes(data[: len(data) // 2])
    else:
        for file in model.glob("tokenizer*"):
            file.unlink()
    ran = openwindow("run", "quickstart", "--model", "model")
    one_line(ran, 2, "cannot load model: ", "expected a causal language model", "check that the folder is complete")


def test_adapter_without_its_base(openwindow: Command) -> None:
    Path("adapter").mkdir()
    config = {"base_model_name_or_path": "/nowhere/base", "peft_type": "LORA"}
    Path("adapter/adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    one_line(openwindow("run", "quickstart", "--model", "adapter"), 2, "/nowhere/base", "adapter", "expected")


def test_hub_model_offline(openwindow: Command) -> None:
    ran = openwindow("run", "quickstart", "--model", "some-org/some-model")
    one_line(ran, 2, "cannot fetch some-org/some-model", "HF_HUB_OFFLINE is set", "needs network", "local folder")


@pytest.mark.slow
def test_hub_model_with_the_hub_out_of_reach(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment |= {
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_ETAG_TIMEOUT": "1",
        "HF_HUB_DOWNLOAD_TIMEOUT": "1",
    }
    ran = in_process_of_its_own("run", "quickstart", "--model", "some-org/some-model", environment=environment)
    one_line(ran, 2, "cannot fetch some-org/some-model", "needs network", "local folder")


# The run folder.


def test_out_is_a_file(openwindow: Command) -> None:
    Path("out").write_text("x", encoding="utf-8")
    one_line(openwindow("run", "quickstart", "--out", "out"), 2, "--out out is a file", "expected a folder", "choose another")
    assert Path("out").read_text(encoding="utf-8") == "x"


def test_out_holds_something_else(openwindow: Command) -> None:
    Path("out").mkdir()
    Path("out/thesis.tex").write_text("x", encoding="utf-8")
    for overwrite in ([], ["--overwrite"]):
        ran = openwindow("run", "quickstart", "--out", "out", *overwrite)
        one_line(ran, 2, "out is not empty and holds no run", "expected an empty folder", "choose another")
    assert [p.name for p in Path("out").iterdir()] == ["thesis.tex"]


def test_out_is_a_model_and_is_not_overwritten(openwindow: Command) -> None:
    Path("out").mkdir()
    Path("out/config.json").write_text('{"model_type": "llama"}', encoding="utf-8")
    Path("out/model.safetensors").write_bytes(b"weights")
    ran = openwindow("run", "quickstart", "--out", "out", "--overwrite")
    one_line(ran, 2, r"out/config\.json is not of a run", "expected an empty folder or a run", "choose another --out")
    assert Path("out/model.safetensors").read_bytes() == b"weights"


def start_run(folder: Path, study: Study) -> None:
    """A run of which one unit is finished."""
    run = RunFolder(folder)
    run.open(describe(study), {}, overwrite=False)
    with run.unit("arms/untrained/seed-1") as path:
        (path / "done.json").write_text("{}", encoding="utf-8")


def test_out_holds_a_run_of_other_seeds(openwindow: Command) -> None:
    from openwindow.studies import STUDIES

    start_run(Path("out"), STUDIES["quickstart"])
    ran = openwindow("run", "quickstart", "--seeds", "5", "--out", "out")
    one_line(ran, 2, "out already holds another run", r"its seeds is \[1, 2, 3\], not \[1, 2, 3, 4, 5\]", "--overwrite")
    assert Path("out/arms/untrained/seed-1/done.json").is_file()


def test_out_holds_a_run_of_another_study(openwindow: Command) -> None:
    start_run(Path("out"), make_study("no/such-model"))
    ran = openwindow("run", "quickstart", "--out", "out")
    one_line(ran, 2, "out already holds another run", 'its study is "tiny", not "quickstart"', "--overwrite")


@pytest.mark.parametrize("content", ["{", "", "\x00", "[1, 2]"])
def test_out_with_a_corrupt_config(openwindow: Command, content: str) -> None:
    Path("out").mkdir()
    Path("out/config.json").write_text(content, encoding="utf-8")
    one_line(openwindow("run", "quickstart", "--out", "out"), 2, r"out/config\.json", "expected", "choose another --out")


def test_l9_out_that_cannot_become_a_folder_is_the_users_mistake(openwindow: Command) -> None:
    Path("file").write_text("x", encoding="utf-8")
    Path("loop").symlink_to("loop")
    Path("dangling").symlink_to("nowhere")
    for command in (["run", "quickstart"], ["eval", "none/echo"]):
        one_line(openwindow(*command, "--out", "file/out"), 2, "--out file/out: file is a file", "choose another")
        one_line(openwindow(*command, "--out", "loop"), 2, "--out loop is a link that leads nowhere", "choose another")
        one_line(openwindow(*command, "--out", "dangling/x"), 2, "--out dangling/x: dangling is a link that leads nowhere")
        one_line(openwindow(*command, "--out", "x" * 300), 2, "--out x+ cannot be used", "File name too long", "choose another")


@pytest.fixture
def full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on a disk of one page; where it cannot be mounted, one whose files refuse to be written."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = False
    if shutil.which("mount") and os.geteuid() == 0:
        command = ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(folder)]
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    if not mounted:

        def refuse(*_: object, **__: object) -> int:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "write_text", refuse)
    yield folder
    monkeypatch.undo()
    if mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_no_disk_space(openwindow: Command, full_disk: Path) -> None:
    for _ in range(2):  # the second time as well: nothing half written is in the way
        ran = openwindow("run", "quickstart", "--model", "no/such-model", "--out", full_disk / "out")
        one_line(ran, 3, "cannot write", "No space left on device", "make room", "run the same command again")


# MBPP.


def test_mbpp_that_is_missing(openwindow: Command) -> None:
    ran = openwindow("run", "quickstart", "--mbpp", "nowhere.jsonl")
    one_line(ran, 2, r"--mbpp nowhere\.jsonl does not exist", "expected MBPP", "check the path")
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("content", "patterns"),
    [
        ("task one\n", [r"mbpp\.jsonl line 1 is not JSON", "expected one task per line"]),
        ('{"task_id": 11}\n', [r"mbpp\.jsonl line 1 has text = None", "expected a row of MBPP"]),
        ("", ["holds no task", "expected a row of MBPP"]),
    ],
    ids=["not JSON", "another form", "empty"],
)
def test_mbpp_of_another_form(openwindow: Command, tiny_model: Path, content: str, patterns: list[str]) -> None:
    Path("mbpp.jsonl").write_text(content, encoding="utf-8")
    one_line(openwindow("run", "quickstart", "--model", tiny_model, "--mbpp", "mbpp.jsonl"), 2, *patterns)


# The report.


def test_report_on_what_is_no_run(openwindow: Command) -> None:
    Path("empty").mkdir()
    for folder in ("nowhere", "empty"):
        one_line(openwindow("report", folder), 2, f"{folder} holds no openwindow run", r"expected .*config\.json", "check the path")
    assert not Path("nowhere").exists() and not list(Path("empty").iterdir())


def test_report_on_a_file(openwindow: Command) -> None:
    Path("file").write_text("x", encoding="utf-8")
    one_line(openwindow("report", "file"), 2, "file holds no openwindow run", "check the path")


@pytest.mark.parametrize("given", ["0", "-3", "many", "1.5"])
def test_report_with_a_number_of_transcripts_that_is_none(openwindow: Command, given: str) -> None:
    one_line(
        openwindow("report", "out", "--transcripts", given), 2, f"--transcripts is '?{given}", "expected (a whole number|1 or more)"
    )


def test_report_of_a_ranking_has_no_transcripts_to_count(openwindow: Command) -> None:
    Path("out").mkdir()
    Path("out/config.json").write_text(json.dumps({"study_config": {"parts": []}}), encoding="utf-8")
    one_line(
        openwindow("report", "out", "--transcripts", 5),
        2,
        "--transcripts is 5, and out is a ranking",
        "expected a run folder",
        "drop it",
    )


def test_report_on_a_run_of_another_version(openwindow: Command) -> None:
    start_run(Path("out"), make_study("no/such-model"))
    config = json.loads(Path("out/config.json").read_text(encoding="utf-8"))
    config["study_config"]["of_the_future"] = 1
    Path("out/config.json").write_text(json.dumps(config), encoding="utf-8")
    one_line(openwindow("report", "out"), 2, r"out/config\.json", "unknown field 'of_the_future'", "another version", "use")


# In a process of its own.


def in_process_of_its_own(*arguments: str, environment: dict[str, str] | None = None) -> Ran:
    done = subprocess.run(
        [sys.executable, "-m", "openwindow", *arguments],
        capture_output=True,
        text=True,
        env={**(environment or os.environ), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code"), [(["run", "quikstart"], 2), (["rnu"], 2), (["report", "nowhere"], 2), (["run", "q", "--out", "f/o"], 2)]
)
def test_exit_codes_of_the_process(arguments: list[str], code: int) -> None:
    one_line(in_process_of_its_own(*arguments), code)


def test_a_fault_of_our_own_says_so(openwindow: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by mistake")

    monkeypatch.setattr("openwindow.cli.run_command.resolve", broken)
    ran = openwindow("run", "quickstart")
    assert ran.code == 3
    assert "ZeroDivisionError: by mistake" in ran.err
    assert ran.err.splitlines()[-1].startswith("error: this is a fault of openwindow")


@pytest.mark.slow
def test_help_is_cheap() -> None:
    """`--help` imports nothing heavy, and takes less than 0.8 s of processor time."""
    program = (
        "import sys\n"
        "sys.argv = ['openwindow', '--help']\n"
        "from openwindow.cli.app import main\n"
        "try:\n    main()\n"
        "except SystemExit as stop:\n    assert not stop.code, stop.code\n"
        "heavy = ('torch', 'transformers', 'peft', 'pydantic', 'scipy', 'numpy', 'jinja2', 'openwindow.experiment.study')\n"
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)\n"
    )
    seconds = []
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert process.stdout is not None and process.stderr is not None
        out, err = process.stdout.read(), process.stderr.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        process.stdout.close()
        process.stderr.close()
        assert process.returncode == 0, err
        assert "Usage:" in out and err.strip() == "[]", err
        seconds.append(used.ru_utime + used.ru_stime)
    assert min(seconds) < 0.8
