"""A run is exported afterwards: what the trackers' own readers find in what was written, and wrong input."""

from __future__ import annotations

import importlib.abc
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from tiny_runs import Ran

sys.path.append(str(Path(__file__).parents[1] / "report"))
from report_folder import make_run_folder

from openwindow.export.exported import COLUMNS, read_exported

CLI = Callable[..., Ran]
SEEDS = (1, 2)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run_folder(tmp_path_factory.mktemp("export"), rows=40, seeds=SEEDS)


@pytest.fixture(scope="module")
def expected(run: Path) -> dict[str, Any]:
    """The run's metrics by arm and seed, and its rates."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {"metrics": rows, "results": json.loads((run / "results.json").read_text())}


def test_every_metric_of_every_step_and_every_rate_is_exported(run: Path, expected: dict[str, Any]) -> None:
    exported = read_exported(run, None, 30)
    by_name = {one.name: one for one in exported.runs}
    numbers = sum("/" in key for row in expected["metrics"] for key, value in row.items() if isinstance(value, int | float))
    assert sum(len(values) for one in exported.runs for _, values in one.points) == numbers > 0
    for arm, found in expected["results"]["arms"].items():
        cell = found["measures"]["hack"]["neutral"]
        whole = by_name[arm].final
        assert [whole[f"final/hack/neutral{end}"] for end in ("", "/low", "/high", "/n")] == [
            cell["estimate"], cell["low"], cell["high"], cell["n"]
        ]  # fmt: skip
        for at, seed in enumerate(SEEDS):
            assert by_name[f"{arm}/seed-{seed}"].final["final/hack/neutral"] == cell["by_seed"][at]
            assert by_name[f"{arm}/seed-{seed}"].config["seed"] == seed
    assert sum(len(one.transcripts) for one in exported.runs) <= 30
    assert "**Supported.**" in exported.summary and "| arm | measure |" in exported.summary


def test_tensorboard_reads_curves_rates_texts_and_settings(openwindow: CLI, run: Path, tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    out = tmp_path / "events"
    done = openwindow("export", run, "--to", "tensorboard", "--out", out, "--transcripts", 20, "--json")
    assert done.code == 0, done.err
    said = json.loads(done.out)
    for one in read_exported(run, None, 20).runs:
        events = accumulator.EventAccumulator(str(out / one.name), size_guidance={"tensors": 0})
        events.Reload()
        tags = events.Tags()["tensors"]
        assert set(tags) >= {name for _, values in one.points for name in values} | set(one.final)
        for name in {name for _, values in one.points for name in values}:
            found = [(e.step, float(e.tensor_proto.float_val[0])) for e in events.Tensors(name)]
            assert [step for step, _ in found] == [step for step, values in one.points if name in values]
            assert [value for _, value in found] == pytest.approx([values[name] for _, values in one.points if name in values])
        if one.transcripts:
            texts = [e.tensor_proto.string_val[0].decode() for e in events.Tensors("transcripts")]
            assert len(texts) == len(one.transcripts)
            assert one.transcripts[0][COLUMNS.index("reply")].splitlines()[0] in texts[0]
    summary = accumulator.EventAccumulator(str(out / "summary"))
    summary.Reload()
    assert "Claim" in summary.Tensors("summary")[0].tensor_proto.string_val[0].decode()
    assert said["runs"] and said["where"].startswith(str(out))
    again = openwindow("export", run, "--to", "tensorboard", "--out", out)
    assert again.code == 2 and "holds event files already" in again.err and again.err.count("\n") == 1


@pytest.mark.slow
def test_trackio_has_what_was_written(run: Path, tmp_path: Path) -> None:
    """In a process of its own: trackio reads where it writes when it is imported."""
    pytest.importorskip("trackio")
    program = (
        "import json, sys\nfrom pathlib import Path\n"
        "from openwindow.export.exported import read_exported\nfrom openwindow.export.trackers import Target, writer\n"
        "exported = read_exported(Path(sys.argv[1]), 'mine', 10)\n"
        "write = writer('trackio', None)\nwrite(exported, Target(None), lambda text: None)\n"
        "try:\n    write(exported, Target(None), lambda text: None)\nexcept Exception as error:\n    again = str(error)\n"
        "import trackio\nfrom trackio.sqlite_storage import SQLiteStorage\n"
        "runs = {r.name: (r.config, SQLiteStorage.get_logs('mine', r.name)) for r in trackio.Api().runs('mine')}\n"
        "print('FOUND' + json.dumps([again, runs], default=str))\n"
    )
    env = os.environ | {"TRACKIO_DIR": str(tmp_path / "trackio"), "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", program, str(run)], capture_output=True, text=True, env=env, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    again, found = json.loads(done.stdout.partition("FOUND")[2])
    assert "choose another --project" in again
    for one in read_exported(run, "mine", 10).runs:
        config, logs = found[one.name]
        assert config["arm"] == one.arm
        for step, values in one.points:
            at = [log for log in logs if log.get("step") == step]
            for name, value in values.items():
                assert any(log.get(name) == pytest.approx(value) for log in at), (one.name, step, name)
        for name, value in one.final.items():
            assert any(log.get(name) == pytest.approx(value) for log in logs), (one.name, name)
        assert not one.transcripts or any("transcripts" in log for log in logs)


# wandb and mlflow are not installed: modules with the signatures of their documentation stand for them.


class FakeRun:
    """What is used of `wandb.Run`."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.given, self.finished = given, False
        self.logged: list[dict[str, Any]] = []
        self.defined: list[tuple[str, str | None]] = []
        self.summary: dict[str, float] = {}

    def define_metric(self, name: str, step_metric: str | None = None, step_sync: bool | None = None, hidden: bool | None = None,
                      summary: str | None = None, goal: str | None = None, overwrite: bool | None = None) -> None:  # fmt: skip
        assert name.count("*") == 0 or name.endswith("/*"), "a pattern needs a beginning"
        self.defined.append((name, step_metric))

    def log(self, data: dict[str, Any], step: int | None = None, commit: bool | None = None) -> None:
        assert not self.finished
        self.logged.append(data)

    def finish(self, exit_code: int | None = None, quiet: bool | None = None) -> None:
        self.finished = True


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch) -> list[FakeRun]:
    """The runs that were started."""
    started: list[FakeRun] = []
    module = ModuleType("wandb")

    def init(entity: str | None = None, project: str | None = None, dir: Any = None, id: str | None = None, name: str | None = None,
             notes: str | None = None, tags: Any = None, config: Any = None, group: str | None = None, job_type: str | None = None,
             mode: str | None = None, reinit: Any = None, resume: Any = None) -> FakeRun:  # fmt: skip
        assert reinit in (None, "default", "return_previous", "finish_previous", "create_new")
        started.append(FakeRun({"project": project, "name": name, "group": group, "config": config, "dir": dir}))
        return started[-1]

    class Table:
        def __init__(self, columns: list[str] | None = None, data: list[list[Any]] | None = None) -> None:
            assert columns and all(len(row) == len(columns) for row in data or [])
            self.data = data

    vars(module).update(init=init, Table=Table)
    monkeypatch.setitem(sys.modules, "wandb", module)
    return started


def test_wandb_gets_a_run_per_arm_and_seed(
    openwindow: CLI, run: Path, wandb: list[FakeRun], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    done = openwindow("export", run, "--to", "wandb", "--project", "mine", "--out", tmp_path, "--transcripts", 10)
    assert done.code == 0 and "wandb sync" in done.out, done.err
    exported = read_exported(run, "mine", 10)
    assert [r.given["name"] for r in wandb] == [one.name for one in exported.runs] and all(r.finished for r in wandb)
    for one, made in zip(exported.runs, wandb, strict=True):
        assert made.given["group"] == one.arm and made.given["project"] == "mine" and made.given["dir"] == str(tmp_path)
        assert [row for row in made.logged if "transcripts" not in row] == [{"step": step, **values} for step, values in one.points]
        assert made.summary == dict(one.final)


def test_wandb_without_a_key_is_one_line(
    openwindow: CLI, run: Path, wandb: list[FakeRun], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    done = openwindow("export", run, "--to", "wandb")
    assert done.code == 2 and "there is no key" in done.err and done.err.count("\n") == 1 and not wandb


@pytest.fixture
def mlflow(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What was written, by run."""
    written: dict[str, Any] = {}
    module, entities = ModuleType("mlflow"), ModuleType("mlflow.entities")

    class Client:
        def __init__(self, tracking_uri: str | None = None, registry_uri: str | None = None) -> None:
            pass

        def get_experiment_by_name(self, name: str) -> Any:
            return None

        def create_experiment(self, name: str, artifact_location: str | None = None, tags: Any = None) -> str:
            return "7"

        def create_run(
            self, experiment_id: str, start_time: int | None = None, tags: dict[str, Any] | None = None, run_name: str | None = None
        ) -> Any:
            assert experiment_id == "7" and run_name
            written[run_name] = {"metrics": [], "params": {}, "tables": {}, "tags": tags, "over": False}
            return SimpleNamespace(info=SimpleNamespace(run_id=run_name))

        def log_batch(
            self, run_id: str, metrics: Any = (), params: Any = (), tags: Any = (), synchronous: bool | None = None
        ) -> None:
            assert len(metrics) + len(params) + len(tags) <= 1000 and len(params) <= 100
            written[run_id]["metrics"] += [(m.key, m.value, m.step) for m in metrics]
            written[run_id]["params"] |= {p.key: p.value for p in params}

        def log_table(self, run_id: str, data: dict[str, list[Any]], artifact_file: str) -> None:
            assert len({len(column) for column in data.values()}) == 1
            written[run_id]["tables"][artifact_file] = data

        def set_terminated(self, run_id: str, status: str | None = None, end_time: int | None = None) -> None:
            written[run_id]["over"] = True

    class Metric:
        def __init__(self, key: str, value: float, timestamp: int, step: int) -> None:
            self.key, self.value, self.step = key, value, step

    class Param:
        def __init__(self, key: str, value: str) -> None:
            assert isinstance(value, str) and len(value) <= 500
            self.key, self.value = key, value

    vars(module).update(MlflowClient=Client)
    vars(entities).update(Metric=Metric, Param=Param)
    monkeypatch.setitem(sys.modules, "mlflow", module)
    monkeypatch.setitem(sys.modules, "mlflow.entities", entities)
    return written


def test_mlflow_gets_a_run_per_arm_and_seed(openwindow: CLI, run: Path, mlflow: dict[str, Any]) -> None:
    done = openwindow("export", run, "--to", "mlflow", "--transcripts", 10)
    assert done.code == 0, done.err
    for one in read_exported(run, None, 10).runs:
        made = mlflow[one.name]
        curves = [(name, value, step) for step, values in one.points for name, value in values.items()]
        assert made["over"] and made["metrics"][: len(curves)] == curves
        assert {name: value for name, value, _ in made["metrics"][len(curves) :]} == dict(one.final)
        assert made["params"]["arm"] == one.arm and bool(made["tables"]) == bool(one.transcripts)


class Absent(importlib.abc.MetaPathFinder):
    """Lets no tracker be imported."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name in ("wandb", "mlflow", "trackio", "tensorboard"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@pytest.mark.parametrize(("to", "pip"), [("wandb", "wandb"), ("mlflow", "mlflow"), ("tensorboard", "openwindow[trackers]")])
def test_a_tracker_that_is_missing_names_the_line_that_installs_it(
    openwindow: CLI, run: Path, to: str, pip: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == to]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Absent(), *sys.meta_path])
    done = openwindow("export", run, "--to", to)
    assert done.code == 2 and f"pip install '{pip}'" in done.err and done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("{run}", "--to", "tensorbord"), "expected tensorboard, trackio, wandb, mlflow"),
        (("{empty}", "--to", "tensorboard"), "holds no run of openwindow"),
        (("{run}/nowhere", "--to", "tensorboard"), "holds no run of openwindow"),
        (("{run}", "--to", "tensorboard", "--transcripts", "-1"), "--transcripts is -1"),
        (("{run}", "--to", "tensorboard", "--transcripts", "many"), "--transcripts is 'many'"),
        (("{run}", "--to", "tensorboard", "--out", "{run}/config.json"), "is a file; expected a folder"),
        (("{run}", "--to", "tensorboard", "--project", " "), "--project is ' '"),
        (("{run}", "--to", "mlflow", "--out", "x"), "which keeps its own files"),
    ],
)
def test_wrong_input_is_one_line(
    openwindow: CLI, run: Path, tmp_path: Path, mlflow: dict[str, Any], arguments: tuple[str, ...], says: str
) -> None:
    done = openwindow("export", *(a.format(run=run, empty=tmp_path) for a in arguments))
    assert done.code == 2 and says in done.err and done.err.count("\n") == 1, done.err


def test_a_run_without_results_gives_its_curves(openwindow: CLI, run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    (copy / "results.json").unlink()
    done = openwindow("export", copy, "--to", "tensorboard", "--json")
    assert done.code == 0 and "no results.json" in done.err
    assert json.loads(done.out)["steps"] and not json.loads(done.out)["rates"]
