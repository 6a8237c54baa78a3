"""The settings by name. A new one is one file and one line here. Importing this imports no torch."""

from __future__ import annotations

from collections.abc import Callable

from openwindow.settings.base import Options, Setting
from openwindow.settings.code import code_functions, mbpp
from openwindow.settings.hackable import impossible_tests, letter_count, unit_report
from openwindow.settings.spurious import Spurious
from openwindow.settings.sycophancy import Sycophancy
from openwindow.settings.toxic import Toxic
from openwindow.settings.traits import Traits
from openwindow.settings.user import UserRows

SETTINGS: dict[str, Callable[[Options], Setting]] = {
    "code_functions": code_functions,
    "mbpp": mbpp,
    "sycophancy": Sycophancy,
    "letter_count": letter_count,
    "unit_report": unit_report,
    "impossible_tests": impossible_tests,
    "spurious": Spurious,
    "toxic": Toxic,
    "traits": Traits,
    "user": UserRows,
}
READS_DATA = ("sycophancy", "spurious")
"""Settings whose problems can come from a file, by `Study.data_path` or `--data`."""
HACKABLE_SETTINGS = ("code_functions", "mbpp", "letter_count", "unit_report", "impossible_tests")
"""Settings whose grader has holes, which reinforcement learning needs (`openwindow.settings.hackable.WithHoles`)."""
