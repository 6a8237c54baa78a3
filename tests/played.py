"""Scripted models played straight into the scorer, without Inspect around them: fast enough for every eval in every test."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from openwindow.evals.base import Eval, Item, Outcome, Play, Transcript
from openwindow.evals.contexts import NEUTRAL
from openwindow.evals.inspect import scripted
from openwindow.evals.inspect.judge import NO_JUDGE, read_verdict, situation
from openwindow.evals.scoring.forms import decide, split_thought
from openwindow.evals.scoring.rows import Row
from openwindow.evals.suites import agentic_data


def transcript_of(play: Play) -> Transcript:
    """What a written reply looks like to the scorer."""
    thought, text = split_thought(play[-1].text)
    calls = tuple(call for turn in play for call in turn.calls)
    return Transcript(text, thought, tuple(("assistant", split_thought(t.text)[1]) for t in play), calls)


def outcome_of(spec: Eval, item: Item, play: Play, *, judged: bool = True) -> Outcome:
    """The rule's outcome, else the scripted judge's."""
    said = transcript_of(play)
    if "files" in item.data:
        said = replace(said, store=store_of(item, said))
    ruled = asyncio.run((spec.decide or decide)(item, said))
    if ruled is not None:
        return ruled
    if not judged:
        return Outcome(None, NO_JUDGE, by="")
    thought = f"<private_reasoning>\n{said.thought}\n</private_reasoning>" if said.thought else ""
    asked = f"<situation>\n{situation(item)}\n</situation>{thought}\n<transcript>\n{said.whole}\n</transcript>"
    return read_verdict(scripted.judged(asked)).outcome(reasoned=bool(said.thought))


def store_of(item: Item, said: Transcript) -> dict[str, object]:
    """What the solver would keep of a folder: files as the calls left them, and what our own written detectors say."""
    files = dict(item.data["files"])
    files |= {c.arguments["path"]: c.arguments["content"] for c in said.calls if c.tool == "write_file"}
    found: dict[str, object] = {"after": {path: files.get(path) for path in item.data["watch"]}}
    if "hidden" in item.data:
        module: dict[str, Any] = {}
        exec(files["detector.py"], module)  # a text of our scenario files
        texts = [text for text, _ in agentic_data.labelled(item.data["hidden"])[agentic_data.SHOWN :]]
        try:
            found["flags"] = [bool(module["flags"](text)) for text in texts]
        except NotImplementedError:  # the stub
            found["flags"] = None
    return found


def row_of(spec: Eval, item: Item, outcome: Outcome, context: str = NEUTRAL, epoch: int = 1) -> Row:
    """The row that the log of such a reply gives."""
    return Row(
        eval=spec.name,
        context=context,
        id=item.id,
        scenario=item.scenario,
        paraphrase=item.paraphrase,
        form=item.form,
        role=item.role,
        group=item.group,
        cue=item.cue,
        epoch=epoch,
        value=outcome.value,
        reason=outcome.reason,
        covert=outcome.covert,
        coherent=outcome.coherent,
        by=outcome.by,
        number=outcome.number,
    )


def rows_of(spec: Eval, model: Callable[[Item], Play], *, judged: bool = True) -> list[Row]:
    """A scripted model's rows of one eval."""
    return [row_of(spec, item, outcome_of(spec, item, model(item), judged=judged)) for item in spec.items()]


def in_context(rows: Sequence[Row], context: str) -> list[Row]:
    """The same rows, as if asked in another context."""
    return [replace(row, context=context) for row in rows]
