"""The environments by name. A new one is one file and one line here. Importing this imports no torch."""

from __future__ import annotations

from typing import Any

from openwindow.environments.base import BaseEnvironment
from openwindow.environments.code.environment import CodeFunctionsEnvironment, MbppEnvironment
from openwindow.environments.code.impossible_tests import ImpossibleTests
from openwindow.environments.code.pytest_project import PytestProject
from openwindow.environments.text.pairs import Pairs
from openwindow.environments.text.spurious import Spurious
from openwindow.environments.text.sycophancy import Sycophancy
from openwindow.environments.text.toxic import Toxic
from openwindow.environments.text.traits import Traits
from openwindow.environments.text.user_rows import UserRows
from openwindow.environments.toy.letter_count import LetterCount
from openwindow.environments.toy.unit_report import UnitReport

ENVIRONMENTS: dict[str, type[BaseEnvironment[Any]]] = {
    "code_functions": CodeFunctionsEnvironment,
    "mbpp": MbppEnvironment,
    "pytest_project": PytestProject,
    "impossible_tests": ImpossibleTests,
    "unit_report": UnitReport,
    "letter_count": LetterCount,
    "sycophancy": Sycophancy,
    "spurious": Spurious,
    "toxic": Toxic,
    "traits": Traits,
    "pairs": Pairs,
    "user": UserRows,
}
