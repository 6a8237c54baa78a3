"""The page's browser of transcripts: which ones it holds, how they are marked and grouped, and where they lead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from openwindow.evals.contexts import NEUTRAL
from openwindow.report.charts import identifier
from openwindow.report.transcripts import Names, payload
from openwindow.results.eval_transcripts import BEFORE, MARKS, Samples, place_of
from openwindow.results.load import mapping, text
from openwindow.results.records import Json, Rollout, Run
from openwindow.results.sample import sampled
from openwindow.types import Measure

TRAINING = "training"
"""the context of all rollouts of a training; their step tells them apart"""
ALL_EVALS = "all evals"


def browsed(run: Run, samples: Samples, labels: Mapping[str, str], most: int | None) -> dict[str, Any]:
    """The browser's values: at most `most` rollouts of the tests and of the training each, None for all, and `samples` of evals."""
    meanings = {**run.meanings, **({m.name: m for m in MARKS.values()} if samples.shown else {})}
    counts = run.counts
    tests, training = _kept(run.rollouts, run.meanings, most), _kept(run.training, run.meanings, most)
    with_rows = [arm.name for arm in run.arms if run.train.get(arm.name) or run.safety.get(arm.name)]
    places = {arm: identifier("trained", i) for i, arm in enumerate(with_rows)}
    names = Names(
        labels={**labels, BEFORE: "the start"},
        measures=meanings,
        rows=places,
        groups=groups(mapping(mapping(run.results, "evals"), "evals"), list(mapping(mapping(run.results, "evals"), "contexts"))),
    )
    held = (
        (len(tests), counts.replies, "replies that the numbers above count, in the order they were written"),
        (len(training), counts.training, "rollouts of the training, by step"),
        (len(samples.shown), samples.total, "replies to evals"),
    )
    first = str((mapping(run.config, "primary")).get("measure", ""))
    return {
        "places": places,
        "marks": [(m.name, m.mark) for m in sorted(meanings.values(), key=lambda m: m.name != first)],
        "held": _in_words(held),
        "shown": sum(shown for shown, _, _ in held),
        "total": sum(total for _, total, _ in held),
        "transcripts": Markup(payload([*tests, *training, *samples.shown], names)),
    }


def groups(evals: Json, contexts: Sequence[str]) -> dict[str, list[str]]:
    """Name of a suite's group (`group_of`) to the contexts that its transcripts have on the page, and one group of all evals."""
    suites = dict.fromkeys(text(mapping(evals, name), "suite") for name in evals)
    found = {
        group_of(suite, context): [place_of(name, context) for name in evals if text(mapping(evals, name), "suite") == suite]
        for context in contexts
        for suite in suites
    }
    return found | ({ALL_EVALS: [place_of(name) for name in evals]} if evals else {})


def group_of(suite: str, context: str = NEUTRAL) -> str:
    """What the page calls the transcripts of a suite in a context."""
    return f"{suite} evals" if context == NEUTRAL else f"{suite} evals, {context}"


def _kept(rollouts: Sequence[Rollout], meanings: Mapping[str, Measure], most: int | None) -> Sequence[Rollout]:
    unwanted = [name for name, measure in meanings.items() if measure.part == "unwanted"]
    return rollouts if most is None else sampled(rollouts, most, lambda r: any(r.scores.get(name) for name in unwanted))


def _in_words(held: Sequence[tuple[int, int, str]]) -> str:
    """How many transcripts of each kind there are, and of how many."""
    said = [f"{f'all {total:,}' if shown == total else f'{shown:,} of {total:,}'} {what}" for shown, total, what in held if total]
    line = "; ".join(said)
    return line[:1].upper() + line[1:]
