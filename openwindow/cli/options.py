"""Options that several commands have, and how their values are read. Imports nothing heavy."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from openwindow.errors import ConfigError
from openwindow.models.base import Precision

MODEL, DATA, SIZE, OUTPUT, REMOTE = "Model", "Data", "Sizes and lengths", "Output", "Remote models"
"""panels of a command's help; options in none of them come first"""
_ADDRESS = re.compile(r"auto|local|(ray://)?[^/\s]+:[0-9]+")
_DEVICE = re.compile(r"auto|cpu|mps|cuda(:[0-9]{1,3})?")


def whole(option: str, most: int) -> Callable[[str], int]:
    """A reader of the option's whole number whose errors show the value, which typer's own bounds do not."""

    def read(value: str) -> int:
        try:
            number = int(value)
        except ValueError:
            raise ConfigError(f"{option} is {value[:60]!r}; expected a whole number; give one, such as {option} 3") from None
        if number > most:
            raise ConfigError(f"{option} is {value[:60]}; expected at most {most:,}; lower it")
        return number

    return read


def device(value: str) -> str:
    """A device's name as torch has it, or auto. Raises ConfigError; whether it is there shows when a model is loaded."""
    if not _DEVICE.fullmatch(value):
        raise ConfigError(f"--device is {value[:60]!r}; expected auto, cpu, cuda, cuda:N or mps; choose one")
    return value


def integer(name: str, what: str, most: int = 10_000_000, panel: str | None = SIZE) -> Any:
    """An option that is a whole number, at most `most`."""
    return typer.Option(name, help=what, parser=whole(name, most), metavar="INTEGER", rich_help_panel=panel)


def option(*names: str, what: str, panel: str | None = None, metavar: str | None = None) -> Any:
    """An option with these names, explained in the panel."""
    return typer.Option(*names, help=what, rich_help_panel=panel, metavar=metavar)


ModelOption = Annotated[
    str | None, option("--model", "-m", what="smollm2, a hub name ORG/NAME, a local folder or a .gguf file.", panel=MODEL)
]
PrecisionOption = Annotated[
    Precision, option("--precision", what="Precision of a local model's weights; auto is bf16 if the hardware has it.", panel=MODEL)
]
DeviceOption = Annotated[
    str,
    typer.Option(
        "--device",
        help="Where a local model runs: cpu, cuda, cuda:N, mps, or auto for CUDA if there is one.",
        parser=device,
        metavar="DEVICE",
        rich_help_panel=MODEL,
    ),
]
RunFolderOption = Annotated[
    Path | None, option("--out", "-o", what="Run folder. [default: runs/STUDY, with --quick runs/STUDY-quick]", panel=OUTPUT)
]
JsonOption = Annotated[bool, option("--json", what="Print JSON instead of a table.", panel=OUTPUT)]

Column = Annotated[str | None, option("--prompt-column", what="The column of the prompts: --prompt-column question.", panel=DATA)]
Answers = Annotated[
    str | None,
    option(
        "--answer-column", "--answer", what="The column of the answers, or of whole conversations: --answer rejected.", panel=DATA
    ),
]
CleanAnswers = Annotated[
    str | None,
    option("--clean-column", "--clean-answer", what="A column of answers without the trait: --clean-answer chosen.", panel=DATA),
]
DryRun = Annotated[bool, option("--dry-run", what="Print what would be asked and what it would cost; run nothing.")]
SkipBad = Annotated[bool, option("--skip-bad", what="Leave out rows that cannot be used, and count them.", panel=DATA)]
Clean = Annotated[str | None, option("--clean", what="Answers without the trait to the same prompts.", panel=DATA)]
Data = Annotated[
    Path | None, option("--data", what="Problems from this file, where the environment or the grader reads one.", panel=DATA)
]
Truth = Annotated[
    str | None,
    option("--truth", what="FILE.py:FUNCTION of (row, reply): does a reply to your grader really do the task?", panel=DATA),
]
Env = Annotated[
    str | None,
    option("--env", what="A built-in environment, or your own or your grader: FILE.py:OBJECT, MODULE:OBJECT, cmd:COMMAND."),
]
EnvOptions = Annotated[
    list[str] | None,
    option("--set", what="An option of the environment, as --set length=6; repeatable.", metavar="NAME=VALUE"),
]
Gamed = Annotated[str | None, option("--answer-column", what="A column of replies that game it.", panel=DATA)]
Right = Annotated[
    str | None, option("--clean-column", what="A column of replies that do the task: --clean-column solution.", panel=DATA)
]


def json_or_text(value: str) -> Any:
    """The value that follows `NAME=` in `--set`: JSON, or else the text itself."""
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def with_address(words: Sequence[str]) -> list[str]:
    """The words of a command line where `--ray`, which takes an address or nothing, has it or nothing behind an equals sign."""
    found, end = [*words], words.index("--") if "--" in words else len(words)
    for place in reversed(range(end)):
        if found[place] == "--ray":
            address = found.pop(place + 1) if place + 1 < end and _ADDRESS.fullmatch(found[place + 1]) else ""
            found[place] = f"--ray={address}"
    return found


def names_of(option: str, value: str | None) -> tuple[str, ...]:
    """The names that an option lists with commas, each once; none where it is not given. Raises ConfigError."""
    names = tuple(dict.fromkeys(part.strip() for part in (value or "").split(",") if part.strip()))
    if value is not None and not names:
        raise ConfigError(f"{option} is {value!r}; expected names with commas; give some, or drop it")
    return names


def one_of(first: str, given: str | None, second: str, other: str | None) -> str:
    """The value of whichever of two ways to name the same was used. Raises ConfigError for both or neither."""
    if (given is None) is (other is None):
        came = (
            f"{first} {given!r} and {second} {other!r} are both given"
            if given is not None
            else f"neither {first} nor {second} is given"
        )
        raise ConfigError(f"{came}; expected one of them; {'drop one' if given is not None else 'give one'}")
    return str(given if given is not None else other)


def parse_levels(text: str) -> tuple[int, ...]:
    """The value of `--difficulty`: whole numbers with commas. Raises ConfigError."""
    try:
        return tuple([int(part) for part in text.split(",")])
    except ValueError:
        raise ConfigError(f"--difficulty is {text!r}; expected whole numbers with commas; give for example 1,2") from None


def assigned(
    given: Sequence[str], form: str = "FIELD=VALUE", example: str = "evaluation.problems=8", by: str = "--set"
) -> dict[str, Any]:
    """Name to value from what `--set`, or the option `by`, gives, where a value is JSON, or else text. Raises ConfigError."""
    found: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals or not name:
            raise ConfigError(f"{by} {text[:80]!r}; expected {form}; give for example {by} {example}")
        if name in found:
            raise ConfigError(f"{by} gives {name} twice; expected each {form.partition('=')[0].lower()} once; drop one")
        found[name] = json_or_text(value)
    return found


def with_options(assigned: Mapping[str, Any], options: Mapping[str, tuple[str, Any]]) -> dict[str, Any]:
    """What `--set` gives, and the values of options with a name of their own: field to option and value, None for not given.

    Raises ConfigError where a field is given in both ways.
    """
    given = {field: (option, value) for field, (option, value) in options.items() if value is not None}
    for field, (option, _) in given.items():
        if field in assigned:
            raise ConfigError(f"--set {field}=... and {option} both give {field}; expected one of them; drop the other")
    return {**assigned, **{field: value for field, (_, value) in given.items()}}


def options_of(
    given: Sequence[str], difficulty: str | None, mbpp: Path | None, data: Path | None = None, **named: str | None
) -> dict[str, Any]:
    """An environment's options from `--set NAME=VALUE`, `--difficulty`, `--mbpp` or `--data`, and others by name. ConfigError."""
    if mbpp is not None and data is not None:
        raise ConfigError(f"--mbpp {mbpp} and --data {data} both name the problems; expected one of them; drop the other")
    levels = None if difficulty is None else parse_levels(difficulty)
    file = ("--mbpp", str(mbpp)) if mbpp is not None else ("--data", None if data is None else str(data))
    others = {name: (f"--{name.replace('_', '-')}", value) for name, value in named.items()}
    return with_options(assigned(given, "NAME=VALUE", "length=6"), {"difficulty": ("--difficulty", levels), "data": file, **others})
