"""The mark of a kept run: the numbers of a whole run beside a sample of its rows, small enough for a repository.

`kept.json` lies in the folder that `openwindow keep` writes. Whatever computes numbers from rows must refuse such a folder
(`refuse_kept`), and whatever shows its numbers takes them from results.json, which is checked against the mark (`kept_results`).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, PlainValidator

from openwindow.errors import ConfigError, DataError
from openwindow.files.bounded import load_json
from openwindow.files.records import Record, Text, Whole, object_of, whole

MARK = "kept.json"
NAMES = {
    "rollouts.jsonl": "test replies",
    "training.jsonl": "training rollouts",
    "evals.jsonl": "replies to evals",
    "probes.jsonl": "probes",
    "train_rows.jsonl": "training rows",
    "safety_rows.jsonl": "conversations of safety training",
    "metrics.jsonl": "steps of training curves",
}
"""what the rows of each file are"""


def _counts(value: object) -> dict[str, int]:
    return {str(name): whole(count) for name, count in object_of(value).items()}


ByName = Annotated[dict[str, int], PlainValidator(_counts)]


class Sampled(Record):
    """How many rows of a kind are kept, of how many."""

    kept: Whole = 0
    """Rows in the folder."""
    of: Whole = 0
    """Rows of the whole run."""


class Trained(Record):
    """The rows that an arm was fine-tuned on, over all its seeds."""

    rows: Whole = 0
    """How many."""
    seeds: Whole = 0
    """Seeds that they are of."""
    kinds: ByName = Field(default_factory=dict)
    """Kind to number of rows."""
    inoculated: Whole = 0
    """Rows with an inoculation."""


class Counts(Record):
    """What a page says about all rows of a run, whether or not they lie in the folder."""

    replies: Whole = 0
    """Replies to test problems."""
    training: Whole = 0
    """Rollouts of RL training."""
    evals: Whole = 0
    """Replies to evals; 0 where they have not been counted yet."""
    unscored: ByName = Field(default_factory=dict)
    """Why a reply to a test problem has no score, to the number of such replies."""
    trained: Annotated[dict[str, Trained], PlainValidator(lambda value: _trained(value))] = Field(default_factory=dict)
    """Arm to its rows."""


def _trained(value: object) -> dict[str, Trained]:
    known = value if isinstance(value, dict) else {}
    return {str(arm): Trained.model_validate(one if isinstance(one, dict | Trained) else {}) for arm, one in known.items()}


def _sampled(value: object) -> dict[str, Sampled]:
    known = value if isinstance(value, dict) else {}
    return {str(name): Sampled.model_validate(one if isinstance(one, dict | Sampled) else {}) for name, one in known.items()}


class Kept(Record):
    """kept.json."""

    records: Whole = 1
    """The version of the records beside it."""
    size: Whole = 0
    """The most bytes that the folder may have."""
    seed: Whole = 0
    """The seed that the rows were drawn with."""
    results: Text = ""
    """SHA-256 of results.json, whatever its white space."""
    rows: Annotated[dict[str, Sampled], PlainValidator(_sampled)] = Field(default_factory=dict)
    """File name to how many of its rows are kept."""
    counts: Counts = Counts()
    """Of the whole run."""

    @property
    def in_words(self) -> str:
        """What is a sample, and of what."""
        said = [f"{one.kept:,} of {one.of:,} {NAMES.get(name, name)}" for name, one in self.rows.items() if one.kept < one.of]
        return f"Rows are a sample: {', '.join(said)}" if said else "All rows are kept"


def is_kept(folder: Path) -> bool:
    """Whether the folder is marked as a kept run, even if the mark cannot be read."""
    return os.path.lexists(folder / MARK)


def kept_of(folder: Path) -> Kept | None:
    """The folder's mark; None if it has none. Raises ConfigError if it cannot be read."""
    if not is_kept(folder):
        return None
    try:
        found = load_json(folder / MARK)
    except DataError as error:
        raise ConfigError(f"{error}: expected the mark of a kept run; keep the run again") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{folder / MARK} holds no object; expected the mark of a kept run; keep the run again")
    return Kept.model_validate(found)


def refuse_kept(folder: Path, wanted: str) -> None:
    """Raises ConfigError if the folder is a kept run; `wanted` says what only a whole run is good for, such as `to compare`."""
    if is_kept(folder):
        raise ConfigError(
            f"{folder} is a kept run: the numbers of a whole run with a sample of its rows; expected a whole run folder {wanted}; "
            "give the folder that it was kept from, or another one"
        )


def fingerprint(results: Mapping[str, Any]) -> str:
    """SHA-256 of the results, the same for equal results however they are written."""
    return hashlib.sha256(json.dumps(results, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def kept_results(folder: Path) -> dict[str, Any]:
    """results.json of a kept run, which has the numbers of the whole run. Raises ConfigError if it is not as it was kept."""
    mark = kept_of(folder)
    path = folder / "results.json"
    try:
        found = load_json(path)
    except DataError as error:
        raise ConfigError(f"{error}: expected the results of a kept run; keep the run again") from error
    if mark is None or not isinstance(found, dict) or fingerprint(found) != mark.results:
        raise ConfigError(
            f"{path} has been changed since the run was kept (see {MARK}); expected the numbers of the whole run, which cannot be "
            "computed again from a sample; keep the run again, or take both files from the same commit"
        )
    return found
