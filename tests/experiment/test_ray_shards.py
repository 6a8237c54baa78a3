"""Parts of a study as tasks of a Ray cluster: a real one of two nodes, one of which is lost; and clusters that are not there."""

from __future__ import annotations

import io
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from command_lines import one_line
from rich.console import Console
from tiny_runs import Ran, make_rl_study, make_study, outcome, run, wait_for

from openwindow.cli.options import with_address
from openwindow.errors import ConfigError
from openwindow.experiment import ray_shards
from openwindow.experiment.arms import RLArm
from openwindow.experiment.parts import Part
from openwindow.experiment.ray_shards import check_cluster, jobs_of
from openwindow.experiment.run_folder import RunFolder
from openwindow.experiment.study import Evaluation, Study
from openwindow.interventions.safety_training import SafetyTraining
from openwindow.progress import Reporter
from openwindow.training.config import GRPO

TESTS = Path(__file__).parents[1]
STEPS = 20


def reinforced(model: Path | str, **changes: Any) -> Study:
    """Two arms by RL with a checkpoint at every step; rows of safety training move the weights whatever is earned."""
    train = GRPO(
        steps=STEPS, prompts_per_step=1, group_size=2, max_new_tokens=4, lora_rank=4, lora_alpha=8, checkpoint_every=1,
        learning_rate=1e-2,
    )  # fmt: skip
    fields: dict[str, Any] = {
        "base": RLArm(problems=4, train=train, intervention=SafetyTraining("chat", "during", rows=4, share=0.25)),
        "arms": {"open": {}, "closed": {"holes": "none"}},
        "evaluation": Evaluation(problems=2, max_new_tokens=4),
    }
    return make_rl_study(model, **(fields | changes))


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Two nodes with room for one arm each; a driver is a part of the first."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS.parent), str(TESTS), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        yield made
    finally:
        made.shutdown()


def worked_by(node: Any, out: Path) -> str | None:
    """The unit that a worker of the node has, once it has been trained for some steps."""
    raylet = node.all_processes["raylet"][0].process.pid
    for holder in RunFolder(out).claims.others():
        try:
            inside = any(parent.pid == raylet for parent in psutil.Process(holder.pid).parents())
        except psutil.NoSuchProcess:
            continue
        if inside and (out / holder.name.replace("arms", "checkpoints") / "step-3").is_dir():
            return holder.name
    return None


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("one_thread")
def test_a_lost_machines_part_is_started_again_and_goes_on_from_its_checkpoint(
    cluster: Any, tiny_model: Path, tmp_path: Path, study_file: Any, openwindow: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ray_shards, "_LOOK", 0.2)
    study, out = reinforced(tiny_model), tmp_path / "out"
    file, lost = study_file(tmp_path, study), cluster.add_node(num_cpus=1)
    found: list[tuple[str, float]] = []

    def lose() -> None:
        wait_for(lambda: worked_by(lost, out) is not None, 300)
        found.append((str(worked_by(lost, out)), time.time()))
        cluster.remove_node(lost, allow_graceful=False)

    losing = threading.Thread(target=lose)
    losing.start()
    ran = openwindow("run", file, "--ray", cluster.address, "--out", "out")
    losing.join()
    assert ran.code == 0, ran.err + ran.out
    ((unit, when),) = found
    adapters = (out / unit / "checkpoints").glob("step-*/adapter_model.safetensors")
    steps = {path.parent.name: path.stat().st_mtime for path in adapters}
    assert steps["step-1"] < when and steps["step-2"] < when, "they are not trained again"
    assert steps[f"step-{STEPS}"] > when
    assert "arms/open/seed-1: finished" in ran.out and "arms/closed/seed-1: finished" in ran.out
    run(study, tmp_path / "whole")
    assert outcome(out) == outcome(tmp_path / "whole")
    assert [str(path) for path in out.rglob(".*")] == []


def test_what_is_left_is_one_job_for_each_arm_and_seed_after_what_it_needs(tmp_path: Path) -> None:
    after = SafetyTraining("chat", "after", rows=4, after="open")
    study = reinforced("no/model", seeds=(1, 2), arms={"open": {}, "followed": {"intervention": after}})
    folder = RunFolder(tmp_path)
    jobs = jobs_of(study, folder, Part.of(study))
    assert [(job.name, job.after) for job in jobs] == [
        ("arms/open/seed-1", ()), ("arms/followed/seed-1", ("arms/open/seed-1",)),
        ("arms/open/seed-2", ()), ("arms/followed/seed-2", ("arms/open/seed-2",)),
    ]  # fmt: skip
    assert jobs[1].part == Part(("followed",), (1,))
    staged = make_study("no/model", stage=True)
    named = [(job.name, job.after) for job in jobs_of(staged, folder, Part.of(staged, ["plain"]))]
    first = "start, seed 1"
    assert named == [(first, ()), ("arms/plain/seed-1", (first,)), ("arms/plain/seed-2", (first,))]
    own = make_study("no/model", stage=True, starts="per_seed")
    assert [job.after for job in jobs_of(own, folder, Part.of(own, ["plain"]))] == [(), (), (first,), ("start, seed 2",)]


def test_an_arm_that_is_still_to_be_measured_at_a_step_is_a_job(tmp_path: Path) -> None:
    arms = {"start": {"train.learning_rate": 0.0, "intervention": None}, "open": {}}
    study = reinforced("no/model", arms=arms, evaluation=Evaluation(problems=2, max_new_tokens=4, steps=(2,)))
    for arm in arms:
        saved = tmp_path / "arms" / arm / "seed-1" / "checkpoints" / "step-2"
        saved.mkdir(parents=True)
        (saved.parents[1] / "done.json").write_text("{}", encoding="utf-8")
    assert [job.name for job in jobs_of(study, RunFolder(tmp_path), Part.of(study))] == ["arms/open/seed-1"]
    measured = tmp_path / "arms/open/seed-1/test-step-2"
    measured.mkdir()
    (measured / "done.json").write_text("{}", encoding="utf-8")
    assert jobs_of(study, RunFolder(tmp_path), Part.of(study)) == []


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (["run", "q", "--ray"], ["run", "q", "--ray="]),
        (["run", "--ray", "q"], ["run", "--ray=", "q"]),
        (["run", "q", "--ray", "--quick"], ["run", "q", "--ray=", "--quick"]),
        (["run", "q", "--ray", "10.0.0.1:6379", "--quick"], ["run", "q", "--ray=10.0.0.1:6379", "--quick"]),
        (["run", "q", "--ray", "ray://head:10001"], ["run", "q", "--ray=ray://head:10001"]),
        (["run", "q", "--ray", "auto"], ["run", "q", "--ray=auto"]),
        (["run", "q", "--ray", "my_study.py"], ["run", "q", "--ray=", "my_study.py"]),
        (["run", "--", "--ray", "auto"], ["run", "--", "--ray", "auto"]),
    ],
)
def test_an_address_may_follow(given: list[str], found: list[str]) -> None:
    assert with_address(given) == found


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("localhost:1", "Connection refused"),
        ("localhost:99999", "expected HOST:PORT"),
        ("no-such-host.invalid:6379", "[Nn]ame|resolution|nothing in"),
        ("localhost:SILENT", "timed out|nothing in"),
        ("nonsense", "expected HOST:PORT"),
    ],
)
def test_an_address_that_does_not_answer_is_one_line(
    openwindow: Callable[..., Ran],
    study_file: Any,
    tmp_path: Path,
    silent: int,
    monkeypatch: pytest.MonkeyPatch,
    address: str,
    said: str,
) -> None:
    pytest.importorskip("ray")
    monkeypatch.setattr(ray_shards, "_ANSWER", 0.5)
    file = study_file(tmp_path, make_study("no/model"))
    given = address.replace("SILENT", str(silent))
    ran = openwindow("run", file, f"--ray={given}", "--out", tmp_path / "out")
    one_line(ran, 2, f"--ray (is ')?{given}", said)
    assert not (tmp_path / "out").exists()


def test_a_server_that_is_no_cluster_is_one_line(silent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_shards, "_ANSWER", 5.0)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with server.accept()[0] as asked:
                asked.recv(100)
                asked.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=serve, daemon=True).start()
        with pytest.raises(ConfigError, match="it is no Ray cluster"):
            check_cluster(f"localhost:{server.getsockname()[1]}")


def test_without_ray_the_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r'pip install "openwindow\[ray\]"'):
        check_cluster(None)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("--gpus-per-arm", "1"), ("--gpus-per-arm 1 without --ray",)),
        (("--ray", "--gpus-per-arm", "-1"), ("--gpus-per-arm is -1.0", "0 or more")),
        (("--ray", "--wait", "5"), ("--wait 5 with --ray", "drop --wait")),
    ],
)
def test_options_that_do_not_go_together(openwindow: Callable[..., Ran], words: tuple[str, ...], found: tuple[str, ...]) -> None:
    one_line(openwindow("run", "quickstart", *words), 2, *found)


def test_what_others_are_at_has_a_bar_each() -> None:
    screen = io.StringIO()
    with Reporter(Console(file=screen, force_terminal=True, width=120)) as reporter:
        assert reporter.doing == ""
        with reporter.step("arms on the cluster", 9, done=2) as advance:
            advance(1)
            assert reporter.doing == "arms on the cluster, 3 of 9"
            reporter.beside({"arms/a/seed-1": "seed 1: training a, 4 of 8", "arms/b/seed-1": "", "start": "loading, at last"})
            reporter.say("drawn")
            reporter.beside({})
    drawn = screen.getvalue()
    for line in ("arms/a/seed-1: seed 1: training a", "4 of 8", "arms/b/seed-1: beginning", "start: loading, at last", "3 of 9"):
        assert line in drawn, line
