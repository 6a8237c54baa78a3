"""Fixtures for all tests; what they make is written in tiny_runs.py."""

from tiny_runs import one_thread, openwindow, own_ledger, sandbox, study_file, tiny_model, tiny_study

__all__ = ["one_thread", "openwindow", "own_ledger", "sandbox", "study_file", "tiny_model", "tiny_study"]
