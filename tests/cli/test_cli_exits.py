"""How commands end whatever happens: output that nobody reads, markup in names, streams that are closed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from command_lines import one_line
from tiny_runs import Ran

from openwindow.cli import app, exits
from openwindow.errors import StorageError
from openwindow.progress import Reporter, make_console, working

Command = Callable[..., Ran]
MARKUP = "a [/b] [red]c[/red] :smile: \\[d]"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files land in the test's own folder."""
    monkeypatch.chdir(tmp_path)


def shell(command: str) -> subprocess.CompletedProcess[str]:
    """The command by a shell, `OW` standing for openwindow."""
    given = command.replace("OW", f"{sys.executable} -m openwindow")
    return subprocess.run(["bash", "-c", given], capture_output=True, text=True, timeout=120, check=False)


# What is no error of a known kind.


class OwnEnd(BaseException):
    """Neither an Exception nor a SystemExit."""


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (SystemExit(0), 3, r"something called sys\.exit\(0\)"),
        (SystemExit(1), 3, r"something called sys\.exit\(1\)"),
        (OSError(36, "File name too long", "x" * 5000), 2, "cannot use x{200} .File name too long"),
        (PermissionError(13, "Permission denied", "cache/model"), 3, "cannot use cache/model .Permission denied"),
        (FileNotFoundError(2, "No such file or directory"), 3, "the system refuses something .No such file"),
        (OSError(28, "No space left on device", "out/x"), 3, "cannot use out/x .No space left"),
        (MemoryError(), 3, "out of memory"),
        (StorageError("cannot write \x1b[31mx\x07\udcff"), 3, r"cannot write \\x1b\[31mx\\x07\\udcff"),
    ],
)
def test_l2_l10_errors_that_nobody_caught(
    openwindow: Command, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, said: str
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(app, "app", broken)
    one_line(openwindow("list"), code, said)


@pytest.mark.parametrize("error", [OwnEnd("end"), GeneratorExit(), RecursionError("deep"), ZeroDivisionError("x")])
def test_a_fault_of_ours_is_told_as_one(openwindow: Command, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def broken(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(app, "app", broken)
    ran = openwindow("list")
    assert (
        ran.code == 3
        and "Traceback" in ran.err
        and type(error).__name__ in ran.err
        and ran.err.endswith("the lines above say where\n")
    )


# Output that cannot be written.


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("OW list --json | true; exit ${PIPESTATUS[0]}", "cannot print (Broken pipe)"),
        ("OW check-env letter_count | true; exit ${PIPESTATUS[0]}", "cannot print (Broken pipe)"),
        ("OW list > /dev/full", "cannot print (No space left on device)"),
        ("OW list --json > /dev/full", "cannot print (No space left on device)"),
        ("OW list >&-", "standard output is closed"),
        ("OW list <&- >&-", "standard output is closed"),
    ],
)
def test_l12_output_that_cannot_be_written_is_exit_code_3(command: str, said: str) -> None:
    ran = shell(command)
    assert ran.returncode == 3, ran
    assert ran.stderr.count("\n") == 1 and ran.stderr.startswith("error: ") and said in ran.stderr, ran.stderr


@pytest.mark.slow
@pytest.mark.parametrize("closed", ["2>&-", "2>/dev/full", "<&- 2>&-"])
def test_l12_what_cannot_be_said_leaves_the_exit_code(closed: str) -> None:
    ran = shell(f"OW run nothing {closed}")
    assert ran.returncode == 2 and ran.stdout == ""
    ran = shell(f"OW list --json {closed}")
    assert ran.returncode == 0 and json.loads(ran.stdout)


@pytest.mark.slow
def test_l12_a_closed_stream_leaves_its_number_to_no_file() -> None:
    code = "import os; from openwindow.cli import exits; exits.prepare(); print(os.open('x', os.O_CREAT | os.O_RDWR))"
    ran = subprocess.run(["bash", "-c", f'{sys.executable} -c "{code}" <&- 2>&-'], capture_output=True, text=True, check=False)
    assert int(ran.stdout) > 2


def test_l13_json_without_nan(openwindow: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openwindow.cli.catalogue.catalogue", lambda: {"studies": {"x": float("inf")}})
    ran = openwindow("list", "--json")
    assert ran.code == exits.BROKEN and ran.out == ""


# Markup.


def test_l3_text_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.table import Table

    console = make_console()
    console.print(MARKUP)
    table = Table(MARKUP, title=MARKUP, caption=MARKUP)
    table.add_row(MARKUP)
    console.print(table)
    with working(console, MARKUP) as say:
        say(MARKUP)
    with Reporter(console) as reporter, reporter.step(MARKUP, 1.0):
        reporter.say(MARKUP)
    assert capsys.readouterr().out.count(MARKUP) == 7


def test_l3_on_a_terminal_too(monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    class Terminal(io.StringIO):
        """A terminal that keeps what it is sent."""

        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    shown = Terminal()
    console = make_console(file=shown)
    with working(console, MARKUP) as say:
        say(MARKUP + "2")
    with Reporter(console) as reporter, reporter.step(MARKUP + "3", 1.0):
        pass
    for text in (MARKUP + "2", MARKUP + "3"):
        assert text in shown.getvalue()


@pytest.mark.slow
def test_l3_a_tag_in_a_path_or_a_grader_is_kept(openwindow: Command) -> None:
    one_line(openwindow("report", "[red]x"), 2, r"\[red\]x")
    Path("h").write_text("x", encoding="utf-8")
    ran = openwindow("check-env", "true [/b]", "--honest", "h")
    assert ran.code == 1 and ran.err == "" and "true [/b]: can be gamed" in ran.out
    Path("markup_grader.py").write_text(
        "from openwindow.audit.graders import Task\n"
        "class G:\n    def tasks(self):\n        return [Task('p', '7')]\n"
        "    def score(self, task, submission):\n"
        "        if '7' not in submission:\n            raise ValueError('[/red] boom')\n        return 1.0\n"
        "g = G()\n",
        encoding="utf-8",
    )
    ran = openwindow("check-env", "markup_grader:g")
    assert ran.code in (1, 2) and "Traceback" not in ran.err and "[/red] boom" in ran.out + ran.err


@pytest.mark.slow
def test_a_deleted_folder_is_told() -> None:
    ran = shell("mkdir gone && cd gone && rmdir ../gone && PYTHONSAFEPATH=1 OW check-env mine:G")
    assert ran.returncode in (2, 3) and "Traceback" not in ran.stderr and ran.stderr.count("error: ") == 1, ran.stderr
