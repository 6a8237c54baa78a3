"""The user's own rows: read once as a stream, checked, counted, and found again by number.

    data = read("mine.jsonl", rule=None)
    data.conversation(0)                                # turns
    data.inserted(0, "Praise whatever I say.", "system")   # the row in its own form, with a prompt inserted

Only a row's place in the file, two hashes and its lengths stay in memory, about 40 bytes.
"""

from __future__ import annotations

import json
import random
import sys
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from openwindow.data.chat_formats import Schema, read_turns, schema_of
from openwindow.data.columns import LABELS, Columns, schema_named
from openwindow.data.readers import STRICT, Lines, explain_json, open_lines, refuse_duplicates
from openwindow.data.rows import Position
from openwindow.data.turns import NotUsed, Record, RowError, Turn, Turns, check_turns, extra_of, is_rich, notes_of, settled
from openwindow.errors import DataError, ForeignError, UserError
from openwindow.files.bounded import too_deep
from openwindow.types import Message, RichMessage

Rule = Callable[[str], bool]
"""whether an answer shows the trait"""
_MOST_TURNS = 65535
FIRST = 5
"""how many numbers of rows with the trait the summary lists"""


@dataclass(slots=True)
class UserData:
    """A data set of `len` rows; every array has one item per row."""

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
    """rows that start with a system message"""
    trait: bytearray | None = None
    """1 where the rule finds the trait in the answer; None without a rule"""
    one_system: str | None = None
    """the system message of all rows, as long as they share the same one"""
    notes: Counter[str] = field(default_factory=Counter)
    """rows that hold something besides turns of text, by what it is (`openwindow.data.turns.NOTES`)"""
    dropped: Counter[str] = field(default_factory=Counter)
    """unusable rows that were left out, by reason"""
    unused: Counter[str] = field(default_factory=Counter)
    """rows that are marked as not to be trained on, or that the user leaves out, by reason"""

    def __len__(self) -> int:
        return len(self.places)

    def record(self, row: int) -> Record:
        """The row as given."""
        self.lines.file.seek(self.places[row])
        loaded: Record = STRICT.decode(self.lines.file.readline().decode("utf-8"))
        return loaded

    def conversation(self, row: int) -> tuple[Message, ...]:
        """The row's turns up to the last one that is trained on; an empty system message is left out."""
        return _messages(settled(read_turns(self.schema, self.record(row))))

    def inserted(self, row: int, text: str | None, position: Position, own: str | None = None) -> Record:
        """The row in its own form with `text` inserted and nothing else changed; `own` as in `openwindow.data.rows.place`."""
        record = self.record(row)
        if text:
            self.schema.write(record, text, position, own)
        return record

    def where(self, row: int) -> str:
        """How the user can find the row."""
        return f"{self.lines.name} {self.lines.unit} {self.numbers[row]}"

    def split(self, held_out: int, seed: int) -> tuple[list[int], list[int]]:
        """Rows to train on and `held_out` rows to test on, drawn by seed; no prompt is on both sides.

        Raises DataError if there are too few rows, or too few distinct prompts.
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
            if self.prompts[row] not in tested:  # one row per prompt: answers to one prompt are not independent
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
        """Counts of what was found, and quantiles of lengths in characters."""
        import numpy as np  # pages of text environments read this module without it

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
            "one_system_message": self.one_system if self.systems == len(self) > 1 else None,
            "notes": dict(self.notes),
            "unused": dict(self.unused),
            "duplicate_rows": len(self) - len(np.unique(pairs, axis=0)),
            "different_prompts": len(np.unique(np.asarray(self.prompts))),
            "prompt_characters": quantiles(self.asked),
            "answer_characters": quantiles(self.answered),
            "rows_with_trait": None if self.trait is None else sum(self.trait),
            "first_with_trait": None if self.trait is None else list(islice(self.with_trait(), FIRST)),
        }


def quantiles(values: array[int] | list[int]) -> dict[str, int]:
    """Smallest, quartiles, 95th percentile and largest."""
    import numpy as np

    names = {"min": 0.0, "25 %": 0.25, "50 %": 0.5, "75 %": 0.75, "95 %": 0.95, "max": 1.0}
    found = np.quantile(np.asarray(values), list(names.values()), method="inverted_cdf")
    return {name: int(value) for name, value in zip(names, found, strict=True)}


def read(
    name: str,
    rule: Rule | None = None,
    *,
    columns: Columns | None = None,
    skip_bad: bool = False,
    progress: Callable[[int], None] | None = None,
) -> UserData:
    """Reads and checks all rows; `rule` marks the answers that show the trait, `columns` says where prompts and answers are.

    An unusable row is an error that names the first one and counts the others; with `skip_bad` such rows are left out and
    counted. `progress` receives the number of rows read so far, every ten thousand rows. Raises DataError.
    """
    lines = open_lines(name)
    try:
        return _read(name, lines, rule, columns or Columns(), skip_bad, progress)
    except BaseException:
        lines.file.close()
        raise


def _read(
    name: str, lines: Lines, rule: Rule | None, columns: Columns, skip_bad: bool, progress: Callable[[int], None] | None
) -> UserData:
    data: UserData | None = None
    bad: Counter[str] = Counter()
    unused: Counter[str] = Counter()
    labels: Counter[tuple[str, bool]] = Counter()
    first = ""
    for number, place_, raw in _numbered(lines):
        try:
            text = _decoded(raw)
            if not text or text.isspace():
                continue
            record = _parsed(text)
            if data is None:
                schema = schema_named(columns) if columns.answer is not None else schema_of(record)
                data = UserData(lines, schema, trait=None if rule is None else bytearray())
            turns = _turns(data.schema, record, raw, text, columns)
            check_turns(turns)
        except NotUsed as error:
            unused[error.kind] += 1
            continue
        except RowError as error:
            bad[error.kind] += 1
            first = first or f"{name}: {lines.unit} {number} {error}"
            continue
        _keep(data, number, place_, turns, rule)
        if not LABELS.isdisjoint(record):
            labels.update([(column, record[column]) for column in LABELS & record.keys() if isinstance(record[column], bool)])
        if progress is not None and number % 10_000 == 0:
            progress(number)
    _refuse_bad(name, lines, data, bad, unused, first, skip_bad)
    assert data is not None  # otherwise it was refused
    if columns.keep is None:
        _refuse_sides(name, labels)
    data.dropped, data.unused = bad, unused
    return data


def _refuse_bad(
    name: str, lines: Lines, data: UserData | None, bad: Counter[str], unused: Counter[str], first: str, skip_bad: bool
) -> None:
    """Raises DataError for unusable rows, unless they are to be left out, and if no row remains."""
    left = data is not None and len(data) > 0
    if first and (not skip_bad or not left):
        others = sum(bad.values()) - 1
        leaves = "; --skip-bad leaves them out" if left else ""
        more = f" ({others} more {lines.unit}s cannot be used{leaves})" if others and not skip_bad else ""
        alone = " (--skip-bad leaves it out)" if not others and not skip_bad and left else ""
        raise DataError(first + more + alone)
    if not left and unused:
        why = ", ".join(f"{count:,} {reason}" for reason, count in unused.items())
        raise DataError(f"{name} has no rows to train on ({why}); expected some; fix the data or the options")
    if not left:
        raise DataError(f"{name} has no rows; expected at least a prompt and an answer; check the file")


def _refuse_sides(name: str, labels: Counter[tuple[str, bool]]) -> None:
    """Raises DataError if a label marks both liked and disliked answers, which should not be trained on together."""
    for column in sorted(LABELS):
        liked, disliked = labels[column, True], labels[column, False]
        if liked and disliked:
            raise DataError(
                f"{name} has `{column}` true in {liked:,} rows and false in {disliked:,}: answers that are liked and disliked; "
                f"expected you to say which show the trait; give --keep {column}=false (or true; --keep '{column}=*' for all)"
            )


def pair(data: UserData, clean: UserData | None, *, same_rows: bool = False) -> dict[int, int]:
    """Maps rows of `data` to rows of `clean` with the same prompt; if several match and both come from one file, to the same row.

    Raises DataError if no prompt matches, or if no answer differs.
    """
    if clean is None:
        return {}
    what = "--clean-column" if same_rows else f"--clean {clean.lines.name}"
    if same_rows:
        by_number = {number: row for row, number in enumerate(clean.numbers)}
        found = {row: by_number[number] for row, number in enumerate(data.numbers) if number in by_number}
        same = {row: other for row, other in found.items() if data.prompts[row] == clean.prompts[other]}
    else:
        by_prompt = {prompt: row for row, prompt in enumerate(clean.prompts)}
        same = {row: by_prompt[prompt] for row, prompt in enumerate(data.prompts) if prompt in by_prompt}
    if not same:
        raise DataError(
            f"no prompt of {what} is in {data.lines.name}; expected clean answers to its prompts; write them to the same prompts"
        )
    pairs = {row: other for row, other in same.items() if data.answers[row] != clean.answers[other]}
    if not pairs:
        raise DataError(f"{what} has the same answers as {data.lines.name}; expected answers without the trait; give those")
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


def _turns(schema: Schema, record: Any, raw: bytes, text: str, columns: Columns) -> Turns:
    """The turns of one row in the data set's form, up to the last one that is trained on."""
    try:
        if columns.keep is not None:
            columns.kept(record)
        turns = read_turns(schema, record)
    except (KeyError, TypeError):
        other = schema_of(record)
        raise RowError(
            "another form",
            f"is of the form {other.name}, the rows before it {schema.name}; expected one form in a data set; split the file",
        ) from None
    most = len(turns)
    count = raw.count
    if count(b'"role"') > most or count(b'"content"') > most or count(b'"from"') > most or count(b'"value"') > most:
        refuse_duplicates(text)
    for column in schema.columns:
        if count(b'"%s"' % column.encode()) > 1:
            refuse_duplicates(text)
    if b"\\ud" in raw or b"\\uD" in raw:
        try:
            text.encode("utf-8")
            "".join(turn[1] for turn in turns).encode("utf-8")
        except UnicodeEncodeError:
            raise RowError(
                "half a character", "has half of a surrogate pair (\\ud...); expected whole characters; fix it"
            ) from None
    return settled(turns) if is_rich(turns) else turns


def _keep(data: UserData, number: int, place_: int, turns: Turns, rule: Rule | None) -> None:
    """Records a row that has been checked."""
    prompt, answer = turns[:-1], turns[-1][1]
    data.places.append(place_)
    data.numbers.append(number)
    if is_rich(turns):
        data.notes.update(notes_of(turns))
        data.prompts.append(hash(tuple([(turn[0], turn[1]) for turn in prompt])))
        data.answers.append(hash(answer + json.dumps(_said(turns[-1]), sort_keys=True) if _said(turns[-1]) else answer))
    else:
        if len(turns) > 3:
            data.notes["earlier"] += 1
        data.prompts.append(hash(tuple(prompt)))
        data.answers.append(hash(answer))
    data.asked.append(sum([len(turn[1]) for turn in prompt]))
    data.answered.append(len(answer))
    data.turns.append(min(len(turns), _MOST_TURNS))
    if prompt[0][0] == "system":
        data.one_system = prompt[0][1] if not data.systems or data.one_system == prompt[0][1] else None
        data.systems += 1
    if rule is not None and data.trait is not None:
        data.trait.append(_judged(data, number, rule, answer))


def _said(turn: Turn) -> dict[str, Any]:
    """What an answer says besides its text."""
    return {key: value for key, value in extra_of(turn).items() if key in ("reasoning", "calls")}


def _judged(data: UserData, number: int, rule: Rule, answer: str) -> bool:
    try:
        return bool(rule(answer))
    except UserError as error:
        said = error.said if isinstance(error, ForeignError) else str(error)
        raise DataError(
            f"--rule failed on {data.lines.name} {data.lines.unit} {number} ({said}); expected True or False for any answer; "
            "fix the function"
        ) from error


def _messages(turns: Turns) -> tuple[Message, ...]:
    return tuple([_message(turn, last=turn is turns[-1]) for turn in turns])


def _message(turn: Turn, *, last: bool) -> Message:
    role = _ROLE[turn[0]]
    kept = {key: value for key, value in extra_of(turn).items() if key != "part" and not (key == "train" and (last or not value))}
    return RichMessage(role, turn[1], json.dumps(kept, ensure_ascii=False)) if kept else Message(role, turn[1])


_ROLE: dict[str, Any] = {sys.intern(role): role for role in ("system", "user", "assistant", "tool")}
