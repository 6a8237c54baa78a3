"""CEBaB's restaurant reviews (Abraham et al. 2022): from a file, a folder in the hub's layout, or the hub (`CEBaB/CEBaB`).

A file has rows of `text`, `label` 0 to 4 and `concepts`, names separated by commas. The hub's rows have `description` (or `text`),
`review_majority` 1 to 5 and, for each concept, `CONCEPT_aspect_majority`. Many reviews are edits of one original, so reviews
that share most of their words are put into one split: no test review has a near copy in training.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from openwindow.data.readers import is_hub_name, open_lines
from openwindow.environments.text.common import near_copies, read_jsonl, split_of
from openwindow.errors import DataError
from openwindow.types import Split

CONCEPT = "ambiance"
GOOD_FROM = 3  # the lowest label that counts as good, as in the published set-up
ROW = "rows of CEBaB with `text`, `label` (0 to 4) and `concepts` (names with commas between)"
SPLIT = "train_inclusive"
"""the hub's split that is read if none is named: all its reviews for training, including edits"""
_PACKED = (".parquet", ".gz", ".json")
_RATED = re.compile(r"[1-5]")
_TOLD = ("positive", "negative")  # values for a concept; others are `unknown`, `no majority` or empty
_ASPECT = "_aspect_majority"


@dataclass(frozen=True, slots=True)
class Review:
    """A review with its label; `good` says on which side the label is, `mentions` whether it has the concept."""

    text: str
    label: str
    good: bool
    mentions: bool
    copies: str = ""
    """The first of its near copies, which form one family; empty for a generated review."""


def read_cebab(source: str) -> dict[Split, list[Review]]:
    """CEBaB's reviews by split, each text once. Raises DataError for a row of another form, or if nothing can be read."""
    found: dict[str, Review] = {}
    for where, row in _rows(source):
        given = _of_hub(where, row) if "review_majority" in row else row
        if given is not None:
            review = _review(where, given)
            found.setdefault(review.text, review)
    parts: dict[Split, list[Review]] = {"request": [], "train": [], "dev": [], "test": []}
    for review, copies in zip(found.values(), near_copies(list(found)), strict=True):
        parts[split_of(copies)].append(replace(review, copies=copies))
    return parts


def _review(where: str, row: Mapping[str, Any]) -> Review:
    text, label, concepts = row.get("text"), row.get("label"), row.get("concepts")
    if not isinstance(text, str) or not text.strip() or not isinstance(concepts, str):
        raise DataError(f"{where} has text {str(text)[:40]!r} and concepts {str(concepts)[:40]!r}; expected {ROW}; fix or drop it")
    if isinstance(label, bool) or not isinstance(label, int) or not 0 <= label <= 4:
        raise DataError(f"{where} has label {str(label)[:20]}; expected {ROW}; fix or drop it")
    mentions = CONCEPT in [name.strip() for name in concepts.split(",")]
    return Review(" ".join(text.split()), str(label), label >= GOOD_FROM, mentions)


def _of_hub(where: str, row: Mapping[str, Any]) -> dict[str, Any] | None:
    """The hub's row in the form of a file; None if its raters did not agree. Raises DataError if the concept has no column."""
    if f"{CONCEPT}{_ASPECT}" not in row:
        raise DataError(f"{where} has no column {CONCEPT}{_ASPECT}; expected CEBaB's; check the data set")
    rated = str(row["review_majority"])
    if not _RATED.fullmatch(rated):
        return None
    told = [key.removesuffix(_ASPECT) for key, said in row.items() if key.endswith(_ASPECT) and str(said).lower() in _TOLD]
    return {"text": row.get("description", row.get("text")), "label": int(rated) - 1, "concepts": ", ".join(told)}


def _rows(source: str) -> Iterator[tuple[str, Any]]:
    """(where, row) of a JSONL file, or of anything else that `open_lines` reads."""
    base, _, split = source.partition(":")
    at_hub = is_hub_name(base) and not Path(base).exists()
    if not at_hub and not Path(base).expanduser().is_dir() and Path(source).suffix not in _PACKED:
        yield from read_jsonl(Path(source).expanduser(), ROW)
        return
    lines = open_lines(f"{source}:{SPLIT}" if at_hub and not split else source)
    for number, line in enumerate(lines.file, 1):
        row = json.loads(line)
        if not isinstance(row, dict):
            raise DataError(f"{lines.name} {lines.unit} {number} is {type(row).__name__}; expected {ROW}; fix or drop it")
        yield f"{lines.name} {lines.unit} {number}", row
