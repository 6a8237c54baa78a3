"""Inspect's own command line, from a folder of somebody else: it runs every eval by its name, and its viewer opens the logs."""

from __future__ import annotations

import importlib.metadata
import json
import os
import socket
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("inspect_ai")

from openwindow.errors import SandboxError
from openwindow.evals import EVALS
from openwindow.sandbox.shell import Shell

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
INSPECT = (sys.executable, "-m", "inspect_ai")


def can_isolate() -> bool:
    try:
        Shell().close()
    except SandboxError:
        return False
    return True


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A folder apart, and an environment in which the package is installed: its entry points stand where Python looks."""
    folder = tmp_path_factory.mktemp("elsewhere")
    env = {**os.environ, "XDG_DATA_HOME": str(folder / "data"), "INSPECT_DISPLAY": "plain"}
    if "openwindow" not in {found.name for found in importlib.metadata.entry_points(group="inspect_ai")}:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        site = folder / "site" / "openwindow-0.dist-info"
        site.mkdir(parents=True)
        (site / "METADATA").write_text("Metadata-Version: 2.1\nName: openwindow\nVersion: 0\n")
        (site / "direct_url.json").write_text(json.dumps({"url": ROOT.as_uri(), "dir_info": {"editable": True}}))
        points = "".join(f"{name} = {target}\n" for name, target in project["entry-points"]["inspect_ai"].items())
        (site / "entry_points.txt").write_text(f"[inspect_ai]\n{points}")
        env["PYTHONPATH"] = os.pathsep.join([str(site.parent), str(ROOT)])
    return folder, env


@pytest.fixture(scope="module")
def logs(elsewhere: tuple[Path, dict[str, str]]) -> Path:
    """The logs of `inspect eval openwindow/NAME ... --model mockllm/model`, one sample of each eval."""
    folder, env = elsewhere
    names = [f"openwindow/{name}" for name, spec in EVALS.items() if spec.sandbox is None or can_isolate()]
    command = [*INSPECT, "eval", *names, "--model", "mockllm/model", "--limit", "1", "--log-dir", "logs"]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "logs"


def test_every_eval_runs_by_its_name(logs: Path) -> None:
    from inspect_ai.log import read_eval_log

    found = {log.eval.task: log for log in (read_eval_log(str(path)) for path in logs.glob("*.eval"))}
    assert {name for name, spec in EVALS.items() if spec.sandbox is None} <= set(found) <= set(EVALS)
    for name, log in found.items():
        (sample,) = log.samples or []
        assert log.status == "success" and sample.error is None and sample.scores, name
        longest = max(len(event.model_dump_json()) for event in sample.events)
        assert longest < 10_000, f"{name}: what Inspect writes with every sample holds what all samples share"


@pytest.fixture
def viewer(elsewhere: tuple[Path, dict[str, str]], logs: Path) -> Iterator[str]:
    """The address of `inspect view` on the logs."""
    folder, env = elsewhere
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [*INSPECT, "view", "start", "--log-dir", str(logs), "--host", "127.0.0.1", "--port", str(port)]
    said = (folder / "view.txt").open("w")
    server = subprocess.Popen(command, cwd=folder, env=env, stdout=said, stderr=subprocess.STDOUT)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(30)
        said.close()


def fetched(address: str, seconds: float = 120) -> Any:
    """The JSON at an address, as soon as there is one."""
    until = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(address, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError:
            raise
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.3)


def test_inspect_view_opens_the_logs(viewer: str, logs: Path) -> None:
    listed = fetched(f"{viewer}/api/log-files")["files"]
    assert len(listed) == len(list(logs.glob("*.eval")))
    name = next(file["name"] for file in listed if "honesty" in file["name"])
    shown = fetched(f"{viewer}/api/logs/{urllib.parse.quote(name, safe='')}")
    assert shown["eval"]["task"] == "honesty" and shown["status"] == "success"
    assert shown["samples"][0]["scores"]["verdict"]
    with urllib.request.urlopen(viewer, timeout=30) as page:
        assert b"<html" in page.read()
