"""Fixtures for all tests; what they make is written in tiny_runs.py."""

import os

if "PYTEST_XDIST_WORKER" in os.environ:  # two torch processes on two cores slow each other tenfold
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before anything imports torch

from tiny_runs import one_thread, openwindow, own_ledger, sandbox, study_file, tiny_model, tiny_study

__all__ = ["one_thread", "openwindow", "own_ledger", "sandbox", "study_file", "tiny_model", "tiny_study"]
