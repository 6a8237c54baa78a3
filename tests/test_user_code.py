"""Calls into code of the user's own: whatever it ends with is one line and exit code 2."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings

import pytest

from openwindow.errors import ConfigError, ForeignError
from openwindow.user_code import called


class OwnEnd(BaseException):
    """Neither an Exception nor a SystemExit."""


class Wordless(Exception):
    """An error whose message cannot be made."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("boom\nin two lines"), "ValueError: boom in two lines"),
        (SystemExit(0), "SystemExit: 0"),
        (GeneratorExit(), "GeneratorExit"),
        (OwnEnd("out"), "OwnEnd: out"),
        (MemoryError(), "MemoryError"),
        (Wordless(), "Wordless: its message cannot be read, RuntimeError"),
    ],
)
def test_l2_whatever_the_users_code_raises_is_a_users_error(error: BaseException, said: str) -> None:
    def function() -> None:
        raise error

    with pytest.raises(ForeignError) as caught:
        called("mine:G: its tasks()", function)
    assert caught.value.exit_code == 2
    assert caught.value.said == said
    assert str(caught.value).startswith(f"mine:G: its tasks() failed ({said}); expected ")


def test_l2_an_interrupt_and_errors_of_ours_pass_as_they_are() -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    def wrong() -> None:
        raise ConfigError("an arm without data")

    with pytest.raises(KeyboardInterrupt):
        called("a function", interrupted)
    with pytest.raises(ConfigError, match="an arm without data"):
        called("a function", wrong)


def test_what_the_code_returns_is_given_and_what_it_prints_is_kept_from_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    def function(a: int, *, b: int) -> int:
        print("noise")
        return a + b

    assert called("a function", function, 1, b=2) == 3
    assert capsys.readouterr() == ("", "noise\n")


def test_l14_a_coroutine_is_refused_without_a_warning() -> None:
    async def function() -> int:
        return 1

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ForeignError, match="it is async"):
            called("--rule f", function)


def ended(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("way", ["import os\nos._exit(0)", "from os import _exit\n_exit(0)", "import os\nos._exit(1)"])
def test_l2_leaving_by_the_back_door_is_exit_code_2(way: str) -> None:
    done = ended(f"from openwindow.user_code import called\ncalled('mine.py', exec, {way!r}, {{}})")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: mine.py failed (it called os._exit(")


def test_l2_a_forked_process_of_the_users_code_ends_as_it_wants() -> None:
    before = os._exit

    def function() -> int:
        child = os.fork()
        if child == 0:
            os._exit(7)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    assert called("a function", function) == 7
    assert os._exit is before
