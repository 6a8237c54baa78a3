"""A folder is emptied whatever is in it, and nothing outside is touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from openwindow.sandbox.empty_folder import empty


def test_everything_goes(tmp_path: Path) -> None:
    folder = tmp_path / "box"
    (folder / "a" / "b" / "c").mkdir(parents=True)
    (folder / "a" / "d").mkdir()
    for name in ("\n", " ", "\udcff", "\x1b[2J", "a" * 255, "-rf", "*", "a/b/file"):
        (folder / name).write_text("x")
    os.mkfifo(folder / "pipe")
    (folder / "a" / "b").chmod(0)
    folder.chmod(0)
    assert empty(str(folder))
    assert list(folder.iterdir()) == []
    assert (folder.stat().st_mode & 0o777, folder.stat().st_mtime) == (0o700, 0)


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_text("x")
    folder = tmp_path / "box"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "kept")
    (folder / "self").symlink_to(folder)
    assert empty(str(folder))
    assert (tmp_path / "kept" / "file").read_text() == "x"


def test_depth_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "box"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for _ in range(300):
        Path("d" * 99).mkdir()
        os.chdir("d" * 99)
    os.chdir(folder)
    assert not empty(str(folder), 0.0)
    assert empty(str(folder), 100.0)
    assert list(folder.iterdir()) == []


def test_what_cannot_be_emptied_is_said(tmp_path: Path) -> None:
    assert not empty(str(tmp_path / "missing"))
    (tmp_path / "link").symlink_to(tmp_path)
    assert not empty(str(tmp_path / "link"))


def test_folders_that_are_moved_meanwhile_stop_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "box" / "a" / "b" / "c").mkdir(parents=True)  # an empty folder is removed without being opened
    (tmp_path / "kept").mkdir()
    real = os.open

    def moving(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        fd = real(path, flags, mode, dir_fd=dir_fd)
        if path == "b":
            (tmp_path / "box" / "a" / "b").rename(tmp_path / "kept" / "b")
        return fd

    monkeypatch.setattr(os, "open", moving)
    assert not empty(str(tmp_path / "box"))
    assert (tmp_path / "kept" / "b").is_dir()
