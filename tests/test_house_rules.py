"""Guards that read our own source, so that what AGENTS.md asks for stays true."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import pkgutil
import subprocess
import sys
import tomllib
from collections.abc import Collection, Iterator
from enum import StrEnum
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from pydantic import BaseModel

import openwindow
from openwindow.files.records import Record
from openwindow.models.base import Reply
from openwindow.types import StopReason

ROOT = Path(openwindow.__file__).parent.parent
PACKAGE = ROOT / "openwindow"
FILES = sorted(PACKAGE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}

FILE_LINES = 400
FUNCTION_LINES = 60
TRAINING_LINES = 350
STUDY_LINES = 64
CORE_DEPENDENCIES = 8
HEAVY = {"torch", "transformers", "peft", "safetensors", "datasets", "trl", "gguf", "vllm"}
ROOT_MODULES = 8
# Each row may import from the rows above it, and of its own row only itself; root modules stand in the order they are written in.
ORDER = (
    ("types",),
    ("errors",),
    ("files", "formatting", "progress", "user_code"),
    ("stats", "sandbox", "models", "data"),
    ("environments",),
    ("training", "synthetic_documents", "evals"),
    ("conversations",),
    ("interventions",),
    ("audit", "experiment"),
    ("results",),
    ("report",),
    ("watch",),
    ("integrations",),
    ("prompt_ranking",),
    ("inoculate",),
    ("studies",),
    ("api",),
    ("cli",),
)
FLOOR = {part: floor for floor, row in enumerate(ORDER) for part in row}
# What stands alone: `stats` and `sandbox` could be published by themselves.
ALLOWED_OF_OURS = {"types": set(), "errors": set(), "stats": {"stats"}, "sandbox": {"sandbox", "errors", "types"}}
# Rooms that are read without torch: from a run folder to numbers and pages, and the command line before a command runs.
NO_TORCH = ("stats", "results", "report", "cli", "files", "experiment/study.py", "experiment/run_folder.py")


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def lines_of(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def imported(tree: ast.AST) -> Iterator[str]:
    """Dotted names of all imports, those inside functions as well, those for type checking left out."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in line {node.lineno}"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        else:
            yield from imported(node)


def needed(tree: ast.AST, modules: Collection[str]) -> set[str]:
    """Our modules that are imported; a package counts only where it is asked for something of its own."""
    names = list(imported(tree))
    whole = {name.rpartition(".")[0] for name in names if name in modules}
    return {name for name in names if name in modules and name not in whole} | {
        of for name in names if name not in modules and (of := name.rpartition(".")[0]) in modules
    }


def of_ours(tree: ast.AST) -> set[str]:
    """The parts of openwindow that are imported: `envs`, `types`, ..."""
    return {name.split(".")[1] for name in imported(tree) if name.startswith("openwindow.") and name != "openwindow.__version__"}


# Size and shape.


def test_files_are_short() -> None:
    assert {name_of(p): lines_of(p) for p in FILES if lines_of(p) > FILE_LINES} == {}


def test_functions_are_short() -> None:
    long = {}
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = int(node.end_lineno or 0) - node.lineno + 1
                if lines > FUNCTION_LINES:
                    long[f"{name_of(path)}: {node.name}"] = lines
    assert long == {}


def test_a_training_algorithm_is_one_visible_loop() -> None:
    for path in (PACKAGE / "training").glob("*.py"):
        assert lines_of(path) <= TRAINING_LINES, path
    classes = [node.name for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    assert [name for name in classes if any(word in name for word in ("Trainer", "Callback", "Registry", "Factory"))] == []


def test_training_algorithms_number_their_differences() -> None:
    document = ast.get_docstring(TREES[PACKAGE / "training" / "sft.py"]) or ""
    assert "\n1. " in document and "\n2. " in document


def test_studies_are_short_and_begin_with_their_command() -> None:
    studies = [p for p in (PACKAGE / "studies").glob("*.py") if p.name != "__init__.py" and not p.name.endswith("templates.py")]
    assert studies
    assert {p.name: lines_of(p) for p in studies if lines_of(p) > STUDY_LINES} == {}
    for path in studies:
        assert f"openwindow run {path.stem}" in (ast.get_docstring(TREES[path]) or ""), path


def test_no_attribute_is_looked_up_by_name() -> None:
    found = [
        f"{name_of(path)}:{node.lineno}"
        for path, tree in TREES.items()
        if path != PACKAGE / "sandbox" / "worker.py"  # hides what a submission could patch
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and node.id in ("hasattr", "getattr")
    ]
    assert found == []


def test_zip_says_whether_lengths_may_differ() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in [*FILES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "zip"
        and "strict" not in {k.arg for k in node.keywords}
    ]
    assert found == []


def test_every_module_and_public_class_says_what_it_is() -> None:
    silent = [name_of(p) for p, tree in TREES.items() if tree.body and ast.get_docstring(tree) is None]
    for path, tree in TREES.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and not ast.get_docstring(node):
                silent.append(f"{name_of(path)}: {node.name}")
    assert silent == []


# Imports.


@pytest.mark.parametrize("part", sorted(ALLOWED_OF_OURS))
def test_lowest_parts_know_nothing_of_ours(part: str) -> None:
    paths = [PACKAGE / f"{part}.py"] if (PACKAGE / f"{part}.py").exists() else list((PACKAGE / part).glob("*.py"))
    assert paths
    for path in paths:
        assert of_ours(TREES[path]) <= ALLOWED_OF_OURS[part], path


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_the_root_is_small() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= ROOT_MODULES
    assert {part_of(path) for path in FILES} == {*FLOOR, "__init__", "__main__"}


def test_imports_point_one_way() -> None:
    upward = [
        f"{name_of(path)} imports {name}"
        for path in FILES
        if (part := part_of(path)) in FLOOR
        for name in sorted(of_ours(TREES[path]))
        if name != part and FLOOR[name] >= FLOOR[part]
    ]
    assert upward == []


def test_modules_import_each_other_in_no_circle() -> None:
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in FILES}
    needs = {name: needed(TREES[path], modules) - {name} for name, path in modules.items()}
    tuple(TopologicalSorter({name: sorted(others) for name, others in needs.items()}).static_order())


def test_what_reads_a_run_imports_no_torch() -> None:
    paths = [path for path in FILES if name_of(path).startswith(NO_TORCH)]
    assert len(paths) > 30
    for path in paths:
        at_import = (
            name for node in TREES[path].body for name in imported(ast.Module([node], [])) if not isinstance(node, ast.FunctionDef)
        )
        assert not {name.split(".")[0] for name in at_import} & HEAVY, path


def test_reporting_and_listing_load_no_torch() -> None:
    """The same with all that they import in turn."""
    program = (
        "import sys\n"
        "import openwindow.report.study_page, openwindow.results.build, openwindow.cli.study_table\n"
        "import openwindow.studies, openwindow.cli.catalogue, openwindow.experiment.runner, openwindow.stats\n"
        f"print(sorted({HEAVY!r} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )
    assert done.stdout.strip() == "[]"


# Configuration.


def configurations() -> list[type[BaseModel]]:
    """All pydantic models of the package."""
    found: dict[str, type[BaseModel]] = {}
    for module in pkgutil.walk_packages(openwindow.__path__, "openwindow."):
        path = PACKAGE.parent / (module.name.replace(".", "/") + ".py")
        if module.ispkg or "pydantic" not in path.read_text(encoding="utf-8"):
            continue
        for _, thing in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(thing, BaseModel) and thing.__module__.startswith("openwindow."):
                found[f"{thing.__module__}.{thing.__name__}"] = thing
    return list(found.values())


def test_configurations_are_frozen_strict_and_explained() -> None:
    models = configurations()
    assert {"Study", "SFTArm", "RLArm", "SFT", "Inoculation", "Placebo", "RequestStage"} <= {m.__name__ for m in models}
    for model in models:
        # A run folder may be of another version: what its records do not know they leave alone.
        extra = "ignore" if issubclass(model, Record) else "forbid"
        assert model.model_config.get("frozen") and model.model_config.get("extra") == extra, model
        assert [name for name, field in model.model_fields.items() if not field.description] == [], model


def test_few_core_dependencies() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert len(project["dependencies"]) <= CORE_DEPENDENCIES
    assert not {d.split(">")[0].split("=")[0].strip() for d in project["dependencies"]} & HEAVY


# The rest.


def test_a_rollout_ends_with_a_stop_reason() -> None:
    assert issubclass(StopReason, StrEnum)
    assert {"end", "length", "error"} <= set(StopReason)
    assert Reply.__annotations__["stop"] in (StopReason, "StopReason")


def test_no_package_registry_is_named() -> None:
    """Where packages come from is the user's setting."""
    hosts = [".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("pypi", "python"), ("anaconda", "org"))]
    hosts += [".".join(parts) for parts in (("npmjs", "org"), ("npmjs", "com"), ("crates", "io"), ("rubygems", "org"))]
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    named = []
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.is_file() and path.stat().st_size < 2**20:
            text = path.read_text(encoding="utf-8", errors="replace")
            named += [f"{name}: {host}" for host in hosts if host in text]
    assert named == []


def test_l3_nothing_that_users_wrote_is_read_as_markup() -> None:
    """Consoles and spinners are made in one place, without markup; columns of text say that they have none."""
    found = []
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == "rich.markup":
                found.append(f"{name_of(path)}:{node.lineno}: rich.markup")
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            plain = any(k.arg == "markup" and ast.unparse(k.value) == "False" for k in node.keywords)
            if (
                (called.endswith("Console") and path != PACKAGE / "progress.py")
                or (called.endswith("console.status") and path != PACKAGE / "progress.py")
                or (called.split(".")[-1] in ("Console", "TextColumn") and not plain)
                or called.endswith(("from_markup", "render_str"))
            ):
                found.append(f"{name_of(path)}:{node.lineno}: {called}")
    assert found == []
