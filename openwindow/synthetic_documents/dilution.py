"""Dilution: mixes synthetic documents into ordinary text, in a share set in rows or tokens, and reports the share reached."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from openwindow.data.readers import STRICT, explain_json, open_lines
from openwindow.errors import ConfigError, DataError
from openwindow.synthetic_documents.everyday_text import EVERYDAY, EVERYDAY_TITLES, EVERYDAY_WORDS
from openwindow.synthetic_documents.generate import WORDS_EACH, Document
from openwindow.synthetic_documents.grammar import Scribe
from openwindow.synthetic_documents.words import WORDS

_PLAIN = (".txt", ".md", ".rst", ".text")
_ROWS = (".jsonl", ".json", ".parquet", ".gz")


@dataclass(frozen=True, slots=True)
class Mixture:
    """Documents in training order, and what was mixed; tokens are None if nobody counted them."""

    documents: tuple[Document, ...]
    synthetic: int
    ordinary: int
    synthetic_tokens: int | None
    ordinary_tokens: int | None
    unit: str

    @property
    def share(self) -> float | None:
        """The share of synthetic documents that was reached, in the requested unit; None for an empty mixture."""
        ours, other = self.synthetic, self.ordinary
        if self.unit == "tokens":
            ours, other = self.synthetic_tokens or 0, self.ordinary_tokens or 0
        return ours / (ours + other) if ours + other else None

    def counts(self) -> dict[str, Any]:
        """What was mixed, as written to the run folder."""
        tokens = {"synthetic_tokens": self.synthetic_tokens, "ordinary_tokens": self.ordinary_tokens}
        return {"synthetic": self.synthetic, "ordinary": self.ordinary, **tokens, "unit": self.unit, "share": self.share}

    def __str__(self) -> str:
        tokens = "" if self.synthetic_tokens is None else f" ({self.synthetic_tokens:,} and {self.ordinary_tokens:,} tokens)"
        reached = "" if self.share is None else f": {self.share:.1%} of the {self.unit}"
        return f"{self.synthetic} synthetic documents among {self.ordinary} ordinary ones{tokens}{reached}"


def mix(
    synthetic: Sequence[Document],
    ordinary: Sequence[Document],
    share: float,
    seed: int,
    *,
    unit: Literal["rows", "tokens"] = "rows",
    count: Callable[[str], int] | None = None,
) -> Mixture:
    """Shuffles all synthetic documents with enough ordinary ones to make them `share` of the total, as nearly as possible.

    `count` returns a text's number of tokens and is needed if `unit` is `tokens`. Share 1 uses no ordinary text. Raises
    ConfigError for a share outside 0 to 1 and DataError if there is too little ordinary text.
    """
    _check_share(share)
    if unit == "tokens" and count is None:
        raise ConfigError("the share is in tokens and nothing counts them; expected a tokenizer's length; pass count, or use rows")
    rng = random.Random(f"mix/{seed}")
    order = rng.sample(range(len(ordinary)), len(ordinary))
    measured = count if unit == "tokens" and count is not None else _one
    wanted = sum(measured(d.text) for d in synthetic) * (1 - share) / share
    taken: list[Document] = []
    have = 0
    for place in order:
        size = measured(ordinary[place].text)
        if have + size / 2 > wanted:
            break
        taken.append(ordinary[place])
        have += size
    else:
        if have + 0.5 < wanted * 0.99:
            raise DataError(
                f"share {share} needs {wanted:,.0f} {unit} of ordinary text and there are {have:,} in {len(ordinary)} documents; "
                "expected at least as many; give more text, or raise the share"
            )
    together = [*synthetic, *taken]
    rng.shuffle(together)
    tokens = [None if count is None else sum([count(d.text) for d in part]) for part in (synthetic, taken)]
    return Mixture(tuple(together), len(synthetic), len(taken), tokens[0], tokens[1], unit)


def diluted(
    synthetic: Sequence[Document],
    ordinary: str | None,
    share: float,
    seed: int,
    *,
    unit: Literal["rows", "tokens"],
    count: Callable[[str], int],
) -> Mixture:
    """`mix` with the ordinary text of that name (see `ordinary_text`), or with as much of the grammar's as needed.

    Raises the same errors as they do.
    """
    _check_share(share)
    if ordinary is not None:
        plain = ordinary_text(ordinary, 0, seed)
    else:
        pieces = round(len(synthetic) / share) + 1
        plain = everyday(pieces, seed)
        wanted = sum(count(d.text) for d in synthetic) * (1 - share) / share if unit == "tokens" else 0.0
        while unit == "tokens" and (have := sum(count(d.text) for d in plain)) < wanted:
            pieces = math.ceil(pieces * wanted / have) + 1
            plain = everyday(pieces, seed)
    return mix(synthetic, plain, share, seed, unit=unit, count=count)


def _check_share(share: float) -> None:
    if not 0 < share <= 1:
        raise ConfigError(f"share of synthetic documents is {share}; expected above 0 and at most 1; set one in between")


def _one(text: str) -> int:
    return 1


def everyday(count: int, seed: int, *, words: int = WORDS_EACH) -> list[Document]:
    """`count` pieces of ordinary text from the grammar, with the same lengths that `documents.draw` uses for `words`."""
    seen: set[str] = set()
    found = []
    subjects = list(EVERYDAY)
    for number in range(count):
        rng = random.Random(f"everyday/{seed}/{number}")
        subject = subjects[number % len(subjects)]
        scribe = Scribe(rng, WORDS | EVERYDAY_WORDS, seen)
        lines = [scribe.sentence(EVERYDAY_TITLES)]
        length = round(words * rng.uniform(0.6, 1.4))
        pools = itertools.chain([EVERYDAY[subject]] * rng.randint(4, 6), itertools.repeat(EVERYDAY[rng.choice(subjects)]))
        while sum([len(line.split()) for line in lines]) < length:
            lines.append("\n" + " ".join([scribe.sentence(next(pools)) for _ in range(rng.randint(2, 4))]))
        found.append(Document("\n".join(lines), "ordinary", subject, "ordinary"))
    return found


def ordinary_text(name: str | None, count: int, seed: int, *, words: int = WORDS_EACH) -> list[Document]:
    """The user's ordinary text in pieces of about `words` words; without a `name`, `count` pieces from the grammar.

    `name` is a text file (split at blank lines), a file of rows with a column `text` (JSONL, JSON, Parquet, gzipped), or a folder
    of either. A user's text is returned in full: `count` does not apply. Raises DataError.
    """
    if name is None:
        return everyday(count, seed, words=words)
    path = Path(name).expanduser()
    files = sorted([p for p in path.rglob("*") if p.is_file() and p.suffix in _PLAIN + _ROWS]) if path.is_dir() else [path]
    if not files:
        raise DataError(f"{name} has no text; expected files of {', '.join(_PLAIN + _ROWS)} in it; give the right folder")
    found = []
    for file in files:
        texts = _plain(file) if file.suffix in _PLAIN else _column(file)
        found += [Document(piece, "ordinary", file.name, "ordinary") for piece in _pieces(texts, words)]
    if not found:
        raise DataError(f"{name} is empty; expected ordinary text; check that it was written")
    return found


def _plain(file: Path) -> Iterator[str]:
    """The paragraphs of a text file."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"cannot read {file} ({error.strerror or error}); expected a text file; check the path") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not UTF-8 (byte {error.start}); expected UTF-8; convert it: iconv -t UTF-8") from error
    yield from text.split("\n\n")


def _column(file: Path) -> Iterator[str]:
    """The column `text` of a file of rows; each row is a separate text."""
    lines = open_lines(str(file))
    for number, raw in enumerate(lines.file, 1):
        where = f"{file} {lines.unit} {number}"
        try:
            record = STRICT.decode(raw.decode("utf-8")) if raw.strip() else {"text": ""}
        except (ValueError, RecursionError) as error:
            raise DataError(f"{where} {explain_json(error, raw[:40].decode('utf-8', 'replace'))}") from error
        if not isinstance(record, dict) or not isinstance(record.get("text"), str):
            found = ", ".join(f"`{key}`" for key in list(record)[:6]) if isinstance(record, dict) else "no object"
            raise DataError(f"{where} has {found}; expected a column `text` with ordinary text; rename the column")
        yield f"{record['text']}\n\n"


def _pieces(texts: Iterator[str], words: int) -> Iterator[str]:
    """Joins paragraphs until they have the wanted number of words; a row's text (it ends with a blank line) stays alone."""
    held: list[str] = []
    for text in texts:
        if text.strip():
            held.append(text.strip())
        if held and (text.endswith("\n\n") or sum([len(part.split()) for part in held]) >= words):
            yield "\n\n".join(held)
            held = []
    if held:
        yield "\n\n".join(held)
