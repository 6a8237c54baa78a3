"""The options of `openwindow inoculate`, checked before anything is read. Imports no torch."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from openwindow.data.columns import Columns
from openwindow.data.rows import Overlength, Position
from openwindow.errors import ConfigError
from openwindow.evals.held_out import NAME as HELD_OUT
from openwindow.evals.select import check_judged, chosen
from openwindow.experiment.eval_plan import EvalPlan
from openwindow.experiment.evals import check_installed
from openwindow.inoculate.candidates import check_prompt, check_trait
from openwindow.models.base import Precision


@dataclass(frozen=True, slots=True)
class Options:
    """The options given to the command."""

    data: str
    trait: str
    rule: str | None = None
    judge: str | None = None
    wanted: str | None = None
    clean: str | None = None
    columns: Columns = field(default_factory=Columns)
    """where prompts and answers are, and which rows to keep"""
    candidates: Path | None = None
    safe: str | None = None
    """a sentence that asks for good behaviour, used at test time only; None for a general one"""
    model: str = "smollm2"
    precision: Precision = "auto"
    device: str = "auto"
    position: Position = "user_suffix"
    held_out: int | None = None
    """rows to hold out; None for a fifth, at most 48 with a rule or judge and 24 without"""
    rows: int = 64
    """maximum rows to train each arm on"""
    rank_rows: int = 144
    """maximum rows that prompts are ranked on"""
    elicit: int = 24
    """prompts that each candidate is sampled on"""
    reply_tokens: int = 48
    """length limit of a sampled reply"""
    arms: int = 2
    """inoculated arms: the best prompts of the ranking"""
    seeds: int = 3
    """training runs per arm; with fewer than `advice.LEAST_SEEDS` nothing is recommended"""
    answer_tokens: int = 96
    """number of first tokens of an answer that log-probabilities are computed over"""
    max_length: int = 1024
    """maximum tokens of a row"""
    overlength: Overlength = "drop"
    """what happens to longer rows"""
    skip_bad: bool = False
    evals: tuple[str, ...] = ()
    """suites or evals that every trained arm is asked besides, as `Study.evals`"""
    eval_scenarios: int | None = None
    """scenarios of each of these; None for all"""

    @property
    def trait_judge(self) -> str | None:
        """The judge that detects the trait; None where a rule does, and the judge reads the replies to evals alone."""
        return self.judge if self.rule is None else None

    @property
    def eval_plan(self) -> EvalPlan:
        """How the evals are asked. Raises ConfigError."""
        return EvalPlan(scenarios=self.eval_scenarios, judge=self.judge) if self.evals else EvalPlan()

    def check(self) -> None:
        """Raises ConfigError for a value that cannot be used."""
        check_trait(self.trait)
        self.columns.check()
        if self.clean is not None and self.columns.clean is not None:
            raise ConfigError(
                f"--clean {self.clean!r} and --clean-column {self.columns.clean!r} are given; expected one of them; drop one"
            )
        if self.safe is not None:
            check_prompt(self.safe, "--safe")
        if self.rule is not None and self.judge is not None and not self.evals:
            raise ConfigError(
                f"--rule {self.rule!r} and --judge {self.judge!r} are given; expected one of them to detect the trait; drop one"
            )
        if self.eval_scenarios is not None and not self.evals:
            raise ConfigError(f"--eval-scenarios {self.eval_scenarios} without --evals; expected both; name evals, or drop it")
        if self.evals:
            check_installed()
        check_judged(chosen([name for name in self.evals if name != HELD_OUT]), self.judge, "--judge MODEL")
        least = {
            "--rows": (self.rows, 1),
            "--rank-rows": (self.rank_rows, 2),
            "--elicit": (self.elicit, 2),
            "--max-new-tokens": (self.reply_tokens, 1),
            "--max-answer-tokens": (self.answer_tokens, 1),
            "--arms": (self.arms, 1),
            "--seeds": (self.seeds, 1),
            "--max-length": (self.max_length, 16),
        }
        if self.eval_scenarios is not None:
            least["--eval-scenarios"] = self.eval_scenarios, 1
        for option, (value, low) in least.items():
            if value < low:
                raise ConfigError(f"{option} is {value}; expected {low} or more; raise it")
        if self.held_out is not None and self.held_out < 2:
            raise ConfigError(f"--held-out is {self.held_out}; expected 2 or more; raise it")


def columns_of(prompt: str | None, answer: str | None, clean: str | None, keep: str | None) -> Columns:
    """What the options --prompt-column, --answer-column, --clean-column and --keep name."""
    return Columns(prompt, answer, clean, keep)


def default_out(data: str) -> Path:
    """`runs/inoculate-` followed by the name of the data."""
    return Path("runs") / f"inoculate-{re.sub(r'[^A-Za-z0-9_.-]+', '-', Path(data).name.split('.')[0])[:80] or 'data'}"
