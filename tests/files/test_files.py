"""Files of users': bounded in size and depth, and never from what is no file."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from command_lines import one_line
from tiny_runs import Ran, jsonl

from openwindow.data import readers
from openwindow.errors import ConfigError, DataError, StorageError
from openwindow.files.bounded import LEVELS, load_json, open_regular, parse_json, read_regular, read_utf8, usable

Command = Callable[..., Ran]
DEEP = 3_000


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files lie in the test's own folder."""
    monkeypatch.chdir(tmp_path)


def make(kind: str, path: Path) -> Path:
    """Something at the path that is no file to read."""
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(path))
    elif kind == "folder":
        path.mkdir()
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "zero":
        path.symlink_to("/dev/zero")
    return path


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("fifo", "is a named pipe, not a regular file; expected rows; write it to a file first"),
        ("socket", r"cannot read --x .* \(No such device or address\)|is a socket"),
        ("folder", "is a folder, not a regular file"),
        ("zero", "is a device, not a regular file"),
        ("loop", "cannot read --x .*Too many levels of symbolic links"),
        ("missing", "cannot read --x .*it does not exist"),
    ],
)
def test_l6_what_is_no_regular_file_is_not_read(kind: str, said: str) -> None:
    path = make(kind, Path("x"))
    for read in (open_regular, read_regular, read_utf8, load_json):
        with pytest.raises(DataError, match=said):
            read(path, name="--x x", expected="rows")


def test_l6_a_file_may_have_so_many_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"12345678")
    assert read_regular(path, 8) == b"12345678"
    with pytest.raises(DataError, match=r"has 8 bytes, .* 7;"):
        read_regular(path, 7)
    with path.open("wb") as file:
        file.truncate(1 << 40)  # a hole of a terabyte
    with pytest.raises(DataError, match=r"has 1,099,511,627,776 bytes, .* 268,435,456;"):
        load_json(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 100_000, "nested too deeply|is not JSON"),
        ("[" * DEEP + "]" * DEEP, "nested"),
        ('{"a":' * (LEVELS + 1) + "1" + "}" * (LEVELS + 1), f"nested more than {LEVELS} levels deep"),
        ("9" * 5_000, "is not JSON .*4300 digits"),
        ("[NaN]", "NaN is not a JSON value"),
        ("-Infinity", "-Infinity is not a JSON value"),
        ("", "Expecting value"),
        ("{'a': 1}", "is not JSON"),
    ],
)
def test_l5_json_that_cannot_be_used_is_one_line(text: str, said: str) -> None:
    with pytest.raises(DataError, match=f"^x .*({said}).*; expected a list; fix it$"):
        parse_json(text, name="x", expected="a list")
    with pytest.raises(DataError, match=said):
        parse_json(text.encode(), name="x", expected="a list")


def test_json_that_can_be_used_is_read(tmp_path: Path) -> None:
    value = {"a": [1, 2.5, None, "ü"], "b": json.loads("[" * 98 + "]" * 98)}
    (tmp_path / "x").write_text("\ufeff" + json.dumps(value), encoding="utf-8")
    assert load_json(tmp_path / "x") == value
    (tmp_path / "x").write_bytes(b"\xff")
    with pytest.raises(DataError, match=r"x is not UTF-8 \(byte 0\)"):
        read_utf8(tmp_path / "x")


def test_l10_a_path_that_cannot_become_a_folder(tmp_path: Path) -> None:
    usable(tmp_path)
    usable(tmp_path / "a/b/c")
    (tmp_path / "file").touch()
    make("loop", tmp_path / "loop")
    for path, said in (
        (tmp_path / "file", "file is a file; expected a folder"),
        (tmp_path / "file/b", "file/b: .*file is a file"),
        (tmp_path / "loop", "is a link that leads nowhere"),
        (tmp_path / ("x" * 300), "cannot be used .File name too long"),
        (Path("a\0b"), "cannot be used .*null"),
    ):
        with pytest.raises(ConfigError, match=said):
            usable(path)


# The options that name files.


def _commands(path: str) -> dict[str, list[str]]:
    inoculate = ["inoculate", "data.jsonl", "--trait", "praises wrong answers", "--rank-only"]
    return {
        "study": ["run", f"./{path}"],
        "--mbpp": ["run", "quickstart", "--mbpp", path],
        "--data": ["run", "inoculation_sycophancy", "--data", path],
        "DATA": ["inoculate", path, "--trait", "praises wrong answers", "--rank-only"],
        "--candidates": [*inoculate, "--candidates", path],
        "--clean": [*inoculate, "--clean", path],
        "--contexts": ["eval", "mockllm/model", "--suite", "chat", "--contexts", path],
        "--logs": ["eval", "--logs", path],
        "report": ["report", path],
        "--out": ["run", "quickstart", "--out", path],
    }


OPTIONS = list(_commands(""))
CONTENTS = {
    "deep": b"[" * 100_000,
    "deep object": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "digits": b'{"task_id": ' + b"9" * 5_000 + b"}",
    "binary": bytes(range(256)) * 64,
}


@pytest.mark.slow
@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("kind", ["fifo", "zero", "socket", "loop", "long", "unlike", *CONTENTS])
def test_l5_l6_l10_every_option_that_names_a_file(openwindow: Command, option: str, kind: str) -> None:
    Path("data.jsonl").write_bytes(jsonl(*({"prompt": f"Is {n} right?", "response": "Yes, well done."} for n in range(40))))
    name = "x" * 300 if kind == "long" else {"study": "x.py", "--contexts": "x.yaml"}.get(option, "x.jsonl")
    if kind in CONTENTS:
        Path(name).write_bytes(CONTENTS[kind])
    elif kind == "unlike":
        Path(name).write_text("nothing like it\n", encoding="utf-8")
    elif kind != "long":
        make(kind, Path(name))
    if (option, kind) in (("--candidates", "unlike"), ("--contexts", "long")):
        return  # which is a prompt; which is the name of a context
    one_line(openwindow(*_commands(name)[option]), 2)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["yaml", "json"])
@pytest.mark.parametrize("text", ["[" * 3_000, "{a: " * 2_000, "a: " + "9" * 5_000, "&a [*a]", "&a {b: *a}", "a: 2020-99-99"])
def test_l5_contexts_that_cannot_be_read(openwindow: Command, suffix: str, text: str) -> None:
    Path(f"x.{suffix}").write_text(text, encoding="utf-8")
    one_line(openwindow("eval", "mockllm/model", "--suite", "chat", "--contexts", f"x.{suffix}"), 2, f"x.{suffix}")


def test_l5_a_configuration_nested_deeply(openwindow: Command) -> None:
    Path("out").mkdir()
    Path("out/config.json").write_text("[" * 100_000, encoding="utf-8")
    one_line(openwindow("run", "quickstart", "--out", "out"), 2, "config.json", "choose another --out")
    one_line(openwindow("report", "out"), 2)


def test_l9_no_room_for_temporary_files_is_not_the_datas_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed, array = tmp_path / "x.gz", tmp_path / "x.json"
    array.write_text(json.dumps([{"prompt": "a", "response": "b"}] * 5), encoding="utf-8")
    subprocess.run(["gzip", "-k", str(array)], check=True)
    packed = tmp_path / "x.json.gz"

    def full() -> object:
        return open("/dev/full", "w+b")

    monkeypatch.setattr(readers.tempfile, "TemporaryFile", full)
    for path in (packed, array):
        with pytest.raises(StorageError, match=r"cannot write a temporary file .No space left on device.*TMPDIR"):
            readers.open_lines(str(path))
