"""The settings by name. A new one is one file and one line here. Importing this imports no torch."""

from __future__ import annotations

from collections.abc import Callable

from openwindow.environments.base import Options, Setting
from openwindow.environments.code.environment import code_functions, mbpp
from openwindow.environments.text.spurious import Spurious
from openwindow.environments.text.sycophancy import Sycophancy
from openwindow.environments.text.toxic import Toxic
from openwindow.environments.text.traits import Traits
from openwindow.environments.text.user_rows import UserRows
from openwindow.environments.toy.environment import impossible_tests, letter_count, unit_report

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
"""Settings whose grader has holes, which reinforcement learning needs (`openwindow.environments.toy.environment.WithHoles`)."""
