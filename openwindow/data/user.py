"""The user's own rows: read once in a stream, checked, counted, and found again by number.

    data = read("mine.jsonl", rule=None)
    data.conversation(0)                                # turns
    data.inserted(0, "Praise whatever I say.", "system")   # the row in its own form, with a prompt put in

Of a row only its place in the file, two hashes and its lengths stay in memory, some 40 bytes.
"""

from __future__ import annotations

import random
import sys
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np

from openwindow.data.formats import STRICT, Lines, explain_json, open_lines, refuse_duplicates, too_deep
from openwindow.data.rows import Position, place
from openwindow.data.schemas import Record, RowError, Schema, Turns, check_turns, schema_of
from openwindow.errors import DataError, ForeignError, UserError
from openwindow.types import Message

Rule = Callable[[str], bool]
"""whether an answer shows the trait"""
_PROMPT_KEYS = ("role", "content", "from", "value")
_MOST_TURNS = 65535
FIRST = 5
"""numbers of rows with the trait that the summary has"""


@dataclass(slots=True)
class UserData:
    """A data set of `len` rows; all arrays have one item per row."""

    lines: Lines
    schema: Schema
    places: array[int] = field(default_factory=lambda: array("Q"))
    """byte offset of the row in the file"""
    numbers: array[int] = field(default_factory=lambda: array("I"))
    """line or row number, from 1"""
    prompts: array[int] = field(default_factory=lambda: array("q"))
    """hash of all turns but the last: equal for equal prompts, within one process"""
    answers: array[int] = field(default_factory=lambda: array("q"))
    """hash of the last turn"""
    asked: array[int] = field(default_factory=lambda: array("I"))
    """characters of all turns but the last"""
    answered: array[int] = field(default_factory=lambda: array("I"))
    """characters of the last turn"""
    turns: array[int] = field(default_factory=lambda: array("H"))
    systems: int = 0
    """rows that begin with a system message"""
    trait: bytearray | None = None
    """1 where the rule finds the trait in the answer; None without a rule"""
    dropped: Counter[str] = field(default_factory=Counter)
    """rows left out, by reason"""

    def __len__(self) -> int:
        return len(self.places)

    def record(self, row: int) -> Record:
        """The row as it was given."""
        self.lines.file.seek(self.places[row])
        loaded: Record = STRICT.decode(self.lines.file.readline().decode("utf-8"))
        return loaded

    def conversation(self, row: int) -> tuple[Message, ...]:
        """The row's turns; an empty system message is left out."""
        return _messages(self.schema.read(self.record(row)))

    def inserted(self, row: int, text: str | None, position: Position) -> Record:
        """The row in its own form with `text` put in, all its other columns kept."""
        record = self.record(row)
        return self.schema.write(record, place(_messages(self.schema.read(record)), text, position)) if text else record

    def where(self, row: int) -> str:
        """How the user finds the row."""
        return f"{self.lines.name} {self.lines.unit} {self.numbers[row]}"

    def split(self, held_out: int, seed: int) -> tuple[list[int], list[int]]:
        """Rows to train on and `held_out` rows to test on, drawn by seed; no prompt is on both sides.

        Raises DataError where there are too few rows, or too few different prompts.
        """
        if held_out >= len(self):
            raise DataError(
                f"{self.lines.name} has {len(self)} rows, and {held_out} are to be held out; expected more rows than that; "
                "lower --held-out or give more data"
            )
        order = list(range(len(self)))
        random.Random(f"held-out/{seed}").shuffle(order)
        tested: set[int] = set()
        chosen: list[int] = []
        for row in order:
            if len(chosen) == held_out:
                break
            if self.prompts[row] not in tested:  # one row for a prompt: answers to one prompt are not independent
                tested.add(self.prompts[row])
                chosen.append(row)
        train = [row for row in range(len(self)) if self.prompts[row] not in tested]
        if len(chosen) < held_out or not train:
            raise DataError(
                f"{self.lines.name} has {len(set(self.prompts))} different prompts; expected more than the {held_out} to hold out, "
                "since no prompt may be both trained and tested on; lower --held-out or give more data"
            )
        return train, chosen

    def with_trait(self) -> Iterator[int]:
        """Line or row numbers of the answers that show the trait by the rule; none without a rule."""
        return (number for number, shows in zip(self.numbers, self.trait or b"", strict=False) if shows)

    def summary(self) -> dict[str, Any]:
        """What was found: counts, and quantiles of lengths in characters."""
        pairs = np.stack([np.asarray(self.prompts), np.asarray(self.answers)], axis=1)
        return {
            "data": self.lines.name,
            "form": self.lines.form,
            "unit": self.lines.unit,
            "schema": self.schema.name,
            "rows": len(self),
            "dropped": dict(self.dropped),
            "turns": {str(n): count for n, count in sorted(Counter(self.turns).items())},
            "with_system_message": self.systems,
            "duplicate_rows": len(self) - len(np.unique(pairs, axis=0)),
            "different_prompts": len(np.unique(np.asarray(self.prompts))),
            "prompt_characters": quantiles(self.asked),
            "answer_characters": quantiles(self.answered),
            "rows_with_trait": None if self.trait is None else sum(self.trait),
            "first_with_trait": None if self.trait is None else list(islice(self.with_trait(), FIRST)),
        }


def quantiles(values: array[int] | list[int]) -> dict[str, int]:
    """Smallest, quartiles, 95th percentile and largest."""
    names = {"min": 0.0, "25 %": 0.25, "50 %": 0.5, "75 %": 0.75, "95 %": 0.95, "max": 1.0}
    found = np.quantile(np.asarray(values), list(names.values()), method="inverted_cdf")
    return {name: int(value) for name, value in zip(names, found, strict=True)}


def read(name: str, rule: Rule | None = None, *, skip_bad: bool = False, progress: Callable[[int], None] | None = None) -> UserData:
    """Reads and checks all rows; `rule` marks the answers that show the trait.

    A row that cannot be used is an error that names the first one and counts the others; with `skip_bad` such rows are
    left out and counted. `progress` gets the number of rows read so far, every ten thousand. Raises DataError.
    """
    lines = open_lines(name)
    try:
        return _read(name, lines, rule, skip_bad, progress)
    except BaseException:
        lines.file.close()
        raise


def _read(name: str, lines: Lines, rule: Rule | None, skip_bad: bool, progress: Callable[[int], None] | None) -> UserData:
    data: UserData | None = None
    bad: Counter[str] = Counter()
    first = ""
    for number, place_, raw in _numbered(lines):
        try:
            text = _decoded(raw)
            if not text or text.isspace():
                continue
            record = _parsed(text)
            if data is None:
                data = UserData(lines, schema_of(record), trait=None if rule is None else bytearray())
            turns = _turns(data.schema, record, raw, text)
            check_turns(turns)
        except RowError as error:
            bad[error.kind] += 1
            first = first or f"{name}: {lines.unit} {number} {error}"
            continue
        _keep(data, number, place_, turns, rule)
        if progress is not None and number % 10_000 == 0:
            progress(number)
    if first and (not skip_bad or data is None or not len(data)):
        others = sum(bad.values()) - 1
        more = f" ({others} more {lines.unit}s cannot be used; --skip-bad leaves them out)" if others and not skip_bad else ""
        alone = " (--skip-bad leaves it out)" if not others and not skip_bad and data is not None and len(data) else ""
        raise DataError(first + more + alone)
    if data is None or not len(data):
        raise DataError(f"{name} has no rows; expected at least a prompt and an answer; check the file")
    data.dropped = bad
    return data


def pair(data: UserData, clean: UserData | None) -> dict[int, int]:
    """Row of `data` to a row of `clean` with the same prompt. Raises DataError where there is none, or none that differs."""
    if clean is None:
        return {}
    by_prompt = {prompt: row for row, prompt in enumerate(clean.prompts)}
    same = {row: by_prompt[prompt] for row, prompt in enumerate(data.prompts) if prompt in by_prompt}
    if not same:
        raise DataError(
            f"no prompt of --clean {clean.lines.name} is in {data.lines.name}; expected clean answers to its prompts; "
            "write them to the same prompts"
        )
    pairs = {row: other for row, other in same.items() if data.answers[row] != clean.answers[other]}
    if not pairs:
        raise DataError(
            f"--clean {clean.lines.name} has the same answers as {data.lines.name}; expected answers without the trait; give those"
        )
    return pairs


def _numbered(lines: Lines) -> Iterator[tuple[int, int, bytes]]:
    """Number, byte offset and bytes of every line."""
    at = lines.file.tell()
    for number, raw in enumerate(lines.file, 1):
        yield number, at, raw
        at += len(raw)


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RowError(
            "not UTF-8", f"is not UTF-8 (byte {error.start + 1} is 0x{raw[error.start]:02x}); expected UTF-8; convert the file"
        ) from error


def _parsed(text: str) -> Any:
    try:
        record = STRICT.decode(text)
    except (ValueError, RecursionError) as error:
        raise RowError("not JSON", explain_json(error, text)) from error
    if too_deep(record, text):
        raise RowError("nested too deeply", explain_json(RecursionError(), text))
    return record


def _turns(schema: Schema, record: Any, raw: bytes, text: str) -> Turns:
    """The turns of one row of the data set's form."""
    try:
        turns = schema.read(record)
    except (KeyError, TypeError):
        other = schema_of(record)
        raise RowError(
            "another form",
            f"is of the form {other.name}, the rows before it {schema.name}; expected one form in a data set; split the file",
        ) from None
    if any(raw.count(b'"%s"' % column.encode()) > 1 for column in schema.columns) or any(
        raw.count(b'"%s"' % key.encode()) > len(turns) for key in _PROMPT_KEYS
    ):
        refuse_duplicates(text)
    if b"\\ud" in raw or b"\\uD" in raw:
        try:
            text.encode("utf-8")
            "".join(said for _, said in turns).encode("utf-8")
        except UnicodeEncodeError:
            raise RowError(
                "half a character", "has half of a surrogate pair (\\ud...); expected whole characters; mend it"
            ) from None
    if turns and turns[0][0] == "system" and not turns[0][1].strip():
        return turns[1:]
    return turns


def _keep(data: UserData, number: int, place_: int, turns: Turns, rule: Rule | None) -> None:
    """Notes a row that has been checked."""
    prompt, answer = turns[:-1], turns[-1][1]
    data.places.append(place_)
    data.numbers.append(number)
    data.prompts.append(hash(tuple(prompt)))
    data.answers.append(hash(answer))
    data.asked.append(sum([len(said) for _, said in prompt]))
    data.answered.append(len(answer))
    data.turns.append(min(len(turns), _MOST_TURNS))
    data.systems += prompt[0][0] == "system"
    if rule is not None and data.trait is not None:
        data.trait.append(_judged(data, number, rule, answer))


def _judged(data: UserData, number: int, rule: Rule, answer: str) -> bool:
    try:
        return bool(rule(answer))
    except UserError as error:
        said = error.said if isinstance(error, ForeignError) else str(error)
        raise DataError(
            f"--rule failed on {data.lines.name} {data.lines.unit} {number} ({said}); expected True or False for any answer; "
            "mend the function"
        ) from error


def _messages(turns: Turns) -> tuple[Message, ...]:
    kept = turns[1:] if turns and turns[0][0] == "system" and not turns[0][1].strip() else turns
    return tuple(Message(_ROLE[role], said) for role, said in kept)


_ROLE: dict[str, Any] = {sys.intern(role): role for role in ("system", "user", "assistant")}
