"""What a run folder says of the machine."""

import os
import sys

import pytest

from openwindow.experiment.provenance import provenance


@pytest.mark.parametrize(("said", "threads"), [("3", 3), ("", None), ("0", None), ("many", None)])
def test_threads_are_those_that_torch_takes_and_not_the_cores(
    said: str, threads: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    own = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
    found = provenance(["run"])
    assert (found["cores"], found["threads"]) == (os.cpu_count(), threads or own)
