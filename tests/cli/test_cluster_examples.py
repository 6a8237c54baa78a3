"""The files in examples/cluster call what the command line has, for every arm and seed of a study."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_runs import Ran, make_study

from openwindow.studies import STUDIES

yaml = pytest.importorskip("yaml")

CLUSTER = Path(__file__).parents[2] / "examples" / "cluster"
SLURM, SKY = CLUSTER / "slurm.sh", CLUSTER / "skypilot.yaml"
PLANNED = '{"part": {"arms": ["untrained", "plain", "asked"], "seeds": [1, 2]}}'


@pytest.fixture
def machine(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the Slurm file as task N, where `openwindow` gives a plan and `srun` prints its command."""
    programs = {"openwindow": f"echo \"$@\" >> '{tmp_path}/asked'; echo '{PLANNED}'", "srun": 'printf "%q " "$@"'}
    for name, body in programs.items():
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/bash\n{body}\n", encoding="utf-8")
        path.chmod(0o755)

    def run(task: int, *words: str) -> subprocess.CompletedProcess[str]:
        found = f"{tmp_path / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = {**os.environ, "PATH": found, "SLURM_ARRAY_TASK_ID": str(task)}
        return subprocess.run(["bash", SLURM, *words], capture_output=True, text=True, env=environment, check=False)

    return run


def test_the_slurm_array_has_a_task_for_each_arm_and_seed(
    machine: Callable[..., subprocess.CompletedProcess[str]], openwindow: Callable[..., Ran], tmp_path: Path, study_file: Callable
) -> None:
    assert subprocess.run(["bash", "-n", SLURM], check=False).returncode == 0
    study = make_study("no/model")
    file, found = str(study_file(tmp_path, study)), []
    for task in range(6):
        ran = machine(task, file, "out dir", "--set", "evaluation.problems=8")
        program, *words = shlex.split(ran.stdout)
        assert program == "openwindow" and words[:2] == ["run", file] and words[-2:] == ["--set", "evaluation.problems=8"]
        assert words[words.index("--out") + 1] == "out dir"
        found.append((words[words.index("--arms") + 1], words[words.index("--only-seeds") + 1]))
    assert found == [(arm, str(seed)) for seed in study.seeds for arm in study.arms]
    assert "--dry-run --json" in (tmp_path / "asked").read_text(encoding="utf-8")
    planned = openwindow(*words, "--dry-run", "--json")
    assert planned.code == 0 and '"asked"' in planned.out, planned.err
    past = machine(6, file, "out")
    assert past.returncode == 2 and "give --array=0-5" in past.stderr and past.stdout == ""
    assert machine(0).returncode != 0


def test_options_for_sbatch_are_ones_it_has() -> None:
    named = re.findall(r"^#SBATCH --([a-z-]+)=?", SLURM.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(named) == {"job-name", "gpus", "cpus-per-task", "mem", "time", "requeue", "output"}


def test_the_skypilot_job_runs_one_arm_at_one_seed(openwindow: Callable[..., Ran]) -> None:
    text = SKY.read_text(encoding="utf-8")
    job = yaml.safe_load(text)
    assert set(job) == {"name", "resources", "volumes", "envs", "workdir", "setup", "run"}
    arms, seeds = (re.search(rf"for {name} in (.*); do", text)[1].split() for name in ("arm", "seed"))
    study = STUDIES[job["envs"]["STUDY"]]
    assert arms == list(study.arms) and [int(seed) for seed in seeds] == list(study.seeds)
    values = {**job["envs"], "ARM": arms[-1], "SEED": seeds[-1]}
    command = re.sub(r"\$(\w+)", lambda name: values[name[1]], job["run"])
    program, *words = shlex.split(command)
    assert program == "openwindow" and words[words.index("--out") + 1].startswith(f"{next(iter(job['volumes']))}/")
    ran = openwindow(*words, "--dry-run")
    assert ran.code == 0 and "Of it this would run clean at seeds 3." in ran.out, ran.err
