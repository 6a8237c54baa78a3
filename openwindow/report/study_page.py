"""Builds report.html: one offline file that says what a run asked, what it found, and how it was made."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup

from openwindow.files.kept import Trained
from openwindow.files.run_files import Note
from openwindow.formatting import VERDICT_MARKS, compact, count, counted, duration, is_number, rate, rate_grid
from openwindow.report import charts, curves, evals_section
from openwindow.report.browser import browsed
from openwindow.report.costs_section import costs_view
from openwindow.report.html import filled, script_of, write_page
from openwindow.report.over_training import over_training
from openwindow.report.readings import nats
from openwindow.results.eval_transcripts import Samples, eval_samples
from openwindow.results.load import items, load_run, mapping, number, text
from openwindow.results.records import Cell, Comparison, Context, Json, Run, TrainRow
from openwindow.results.unmeasured import grouped, unmeasured_throughout
from openwindow.types import Message

SHOWN_ABOVE = ("study", "question", "claim", "claim_id", "arms", "contexts", "meanings")  # config.json keys shown above
SAMPLE = 4  # training rows shown per arm
MESSAGE_LIMIT = 4000  # characters of a training message that are shown


class Piece(NamedTuple):
    """A stretch of a training message; `added` if it is the instruction that an arm or context adds."""

    text: str
    added: bool


Turn = tuple[str, list[Piece]]
"""A role and what it says."""


class Example(NamedTuple):
    """A training row as shown."""

    kind: str
    inoculated: bool
    problem: str
    messages: list[Turn]
    answers: list[tuple[str, str, list[Turn]]]
    """of a preference pair, whose messages end before its answers: a tone and a label each, and the turns"""


def build_report(run: Path, most: int | None = None) -> Path:
    """Writes report.html into the run folder and returns its path. The same folder gives the same bytes.

    The page holds `most` transcripts of each kind, a sample where there are more; None: all rollouts, and as many replies to evals
    as `eval_samples` gives.
    """
    loaded = load_run(run)
    samples = eval_samples(run, mapping(mapping(loaded.results, "evals"), "evals"), most)
    if loaded.kept is not None:
        samples = replace(samples, total=loaded.counts.evals)
    return write_page(render(loaded, samples, most), run)


def render(run: Run, samples: Samples = Samples((), 0), most: int | None = None) -> str:  # noqa: B008 - frozen
    """The page as text; `samples` are transcripts of evals, `most` as in `build_report`."""
    script = script_of("rows.js", "page.js")
    learned = evals_section.section(run.results, run.metrics, samples, arm_labels(run), arm_tones(run))
    over = {"over_training": over_training(mapping(run.results, "curves"), arm_labels(run), arm_tones(run), _primary(run)[0])}
    values = {**_summary(run), **over, **_evidence(run), **browsed(run, samples, arm_labels(run), most), **_origins(run), **learned}
    return filled("study.html.jinja", script, values, filters={"nats": nats})


def _summary(run: Run) -> dict[str, Any]:
    """Question, claim, preface, answer and the line of facts."""
    model = text(run.results, "model") or text(mapping(run.config, "model"), "name") or text(run.config, "model")
    verdict = text(run.results, "verdict")
    total = sum(v for v in mapping(run.results, "timing").values() if is_number(v))
    facts = [
        ("Model", model or "not recorded"),
        ("Compared", f"{count(len(run.arms), 'arm')} in {count(len(run.contexts), 'context')}"),
        (
            "Seeds",
            ", ".join(str(s) for s in items(run.config.get("seeds")) or items(run.results.get("seeds"))) or "not recorded",
        ),
        ("Replies", f"{run.counts.replies:,}"),
        ("Time", duration(total) if total else "not recorded"),
    ]
    return {
        "study": text(run.config, "study") or text(run.results, "study") or "run",
        "question": text(run.results, "question") or text(run.config, "question") or "What did this run ask?",
        "claim": text(run.config, "claim") or text(run.results, "claim"),
        "claim_id": text(run.config, "claim_id") or text(run.results, "claim_id"),
        "written_in": [str(line) for line in items(run.results.get("written_in"))],
        "preface": [str(line) for line in items(run.results.get("preface"))],
        "answer": text(run.results, "answer"),
        "verdict": verdict,
        "verdict_reason": text(run.results, "verdict_reason"),
        "verdict_mark": VERDICT_MARKS.get(verdict, ""),
        "verdict_class": verdict.replace(" ", "-") if verdict in VERDICT_MARKS else "open",
        "state": text(run.status, "state"),
        "state_message": text(run.status, "message"),
        "kept": "" if run.kept is None else run.kept.in_words,
        "facts": facts,
        "intervals": text(run.results, "intervals"),
        "holm": text(run.results, "holm"),
    }


def _evidence(run: Run) -> dict[str, Any]:
    """Figures, comparisons and all the numbers."""
    labels, tones = arm_labels(run), arm_tones(run)
    unknown = _unknown(run)
    measure, context = _primary(run)
    measures = sorted([m for m in run.measures if m not in unknown], key=lambda m: m != measure)
    contexts = sorted(run.contexts, key=lambda c: c.name != context)
    reach: dict[str, float] = {}
    for c in run.comparisons:
        reach[c.unit] = max(reach.get(c.unit, 0.0), *(abs(v) for v in (c.difference, c.low, c.high, 0.0) if v is not None))
    return {
        "labels": labels,
        "tones": tones,
        "primary_measure": measure,
        "primary_context": context,
        "measures": measures,
        "contexts": contexts,
        "unknown": grouped(unknown),
        "figures": [(m, *rates_figure(run, m, contexts, labels, tones)) for m in measures],
        "meanings": {m: run.meanings[m].means for m in run.measures if run.meanings[m].means},
        "kinds": dict(zip(_kinds(run), ("bad", "good"), strict=False)),
        "comparisons": [
            (c, Markup(charts.difference_bar(c.difference, c.low, c.high, reach[c.unit] or 1.0)), tones.get(c.arm, "tone-none"))
            for c in sorted(run.comparisons, key=lambda c: _rank(c, [*measures, *unknown], [x.name for x in contexts]))
        ],
        "cells": run.cells,
        "is_rate": {m: _is_rate(run, m) for m in ["", *run.measures, *(c.measure for c in run.comparisons)]}
        | {c.measure: not c.in_nats for c in run.comparisons if c.score},
        "arm_names": list(labels),
        "leaks": run.leaks,
        "curves": curves.figures(run, labels, tones),
        "besides": curves.besides(run, labels, tones),
        "reinforced": [str(line) for line in items(run.results.get("training_in_words"))],
        "detectors": [row for row in items(run.results.get("detectors")) if isinstance(row, dict)],
    }


def _tested_before(provenance: Json) -> list[tuple[str, str]]:
    """How often the study has been run on its test seeds before, according to the user's ledger; empty if nothing is recorded."""
    noted = mapping(provenance, "test_runs")
    before, same = noted.get("before"), noted.get("same_study")
    if is_number(before) and is_number(same):
        return [
            (
                "test runs before",
                f"{before:g} by this user, of this study on some of these seeds; {same:g} with the same configuration",
            )
        ]
    return [("test runs before", f"not known: {text(noted, 'reason')}")] if noted else []


def _engine(provenance: Json) -> tuple[str, list[str]] | None:
    """What trained the arms in place of our own loops, and what it did otherwise; None where they did."""
    noted = mapping(provenance, "engine")
    if not noted:
        return None
    processes, sampler = noted.get("processes"), text(noted, "vllm")
    shared = f" in {processes:g} processes" if isinstance(processes, int | float) and processes > 1 else ""
    name = f"The arms were trained by {text(noted, 'name')}{shared}{', with vLLM as the sampler' if sampler else ''}."
    return name, [str(line) for line in items(noted.get("differences"))]


def _origins(run: Run) -> dict[str, Any]:
    """What the arms are, what they were trained on, the configuration, and what is missing."""
    start = mapping(run.results, "start")
    stage = mapping(start, "request_stage")
    used = ("python", "platform", "cpu", "cores", "threads", "started", "command")
    return {
        "arms": run.arms,
        "differs": {a.name: [(k, compact(v)) for k, v in a.differs.items()] for a in run.arms},
        "elicitation": rate_grid(mapping(start, "elicitation")),
        "request_trained": stage.get("trained") is True,
        "request_rates": rate_grid(mapping(stage, "rates")),
        "training": [(a, *_training(run, a.name)) for a in run.arms],
        "provenance": [(key, said) for key in used if (said := text(run.provenance, key))] + _tested_before(run.provenance),
        "engine": _engine(run.provenance),
        "version": text(run.provenance, "openwindow") or text(run.results, "openwindow") or "not recorded",
        "commit": text(run.provenance, "commit") or text(run.results, "commit") or "not recorded",
        "dirty": run.provenance.get("dirty") is True,
        "packages": sorted((str(k), str(v)) for k, v in mapping(run.provenance, "packages").items()),
        "timing": [(str(k), duration(float(v))) for k, v in mapping(run.results, "timing").items() if is_number(v)],
        "settings": [(k, _settings(run.config[k])) for k in run.config if k not in SHOWN_ABOVE],
        "config_text": json.dumps(run.config, indent=2, ensure_ascii=False),
        "diff": run.diff,
        "unmeasured": unmeasured(run),
        "costs": costs_view(mapping(run.results, "costs")),
    }


def _unknown(run: Run) -> dict[str, str]:
    """The measures of which there is no rate at all, each with the reason."""
    return unmeasured_throughout([(measure, cell) for (_, measure, _), cell in run.cells.items()])


def _primary(run: Run) -> tuple[str, str]:
    """The measure and context that the main figure opens with: the study's, otherwise the first ones; not one that is unknown."""
    unknown = _unknown(run)
    chosen = mapping(run.config, "primary")
    measure, context = text(chosen, "measure"), text(chosen, "context")
    known = [m for m in run.measures if m not in unknown]
    if measure not in known:
        measure = known[0] if known else ""
    names = [c.name for c in run.contexts]
    return measure, context if context in names else names[0] if names else ""


def _kinds(run: Run) -> list[str]:
    """The names of flawed and clean rows."""
    return [str(kind) for kind in items(mapping(run.config, "setting").get("kinds"))] or ["gamed", "honest"]


def rates_figure(
    run: Run, measure: str, contexts: Sequence[Context], labels: Mapping[str, str], tones: Mapping[str, str]
) -> tuple[Markup, Markup]:
    """The measure's figure twice: wide, and in one column for a narrow screen."""
    percent = _is_rate(run, measure)
    panels = [
        charts.Panel(
            key=context.name,
            title=context.name,
            subtitle=context.about or (f"“{' '.join(context.text.split())}”" if context.text else "nothing added to the prompt"),
            dots=tuple(
                _dot(run.cells.get((arm, measure, context.name)), arm, label, tones[arm], percent) for arm, label in labels.items()
            ),
        )
        for context in contexts
    ]
    columns = {1: 1, 2: 2, 4: 2}.get(len(panels), 3)
    title = f"{measure} by arm and context"
    desc = " ".join(f"{p.title}: " + "; ".join(f"{d.label} {d.note}" for d in p.dots) + "." for p in panels)
    wide, narrow = (
        charts.interval_plot(
            panels,
            ident=charts.identifier(kind, run.measures.index(measure)),
            title=title,
            desc=desc,
            columns=n,
            width=width,
            link="#transcripts",
        )
        for kind, n, width in (("wide", columns, 1080.0), ("narrow", 1, 380.0))
    )
    return Markup(wide), Markup(narrow)


def _is_rate(run: Run, measure: str) -> bool:
    """Whether all known values of the measure are between 0 and 1."""
    return charts.scale_for([c.estimate for (_, m, _), c in run.cells.items() if m == measure]).percent


def _dot(cell: Cell | None, arm: str, label: str, tone: str, percent: bool) -> charts.Dot:
    if cell is None:
        return charts.Dot(arm, label, tone, None, None, None, (), "not measured")
    note = f"{rate(cell.estimate, percent)}, interval {rate(cell.low, percent)} to {rate(cell.high, percent)}, "
    note += counted(cell.n, cell.families)
    if cell.estimate is None:
        note = f"not measured: {cell.reason or 'no reason recorded'}"
    return charts.Dot(arm, label, tone, cell.estimate, cell.low, cell.high, cell.by_seed, note)


def _rank(comparison: Comparison, measures: Sequence[str], contexts: Sequence[str]) -> tuple[int, int]:
    """The position among measures and contexts; those that the run does not list come last."""
    return (
        measures.index(comparison.measure) if comparison.measure in measures else len(measures),
        contexts.index(comparison.context) if comparison.context in contexts else len(contexts),
    )


def _training(run: Run, arm: str) -> tuple[str, list[Example]]:
    """A line of counts and a few real rows that the arm was trained on."""
    noted = mapping(mapping(run.results, "arms"), arm)
    own, examples = _own_training(run, arm)
    follows, safety = text(noted, "follows"), number(noted, "n_safety_rows")
    line = f"what {follows} was trained on" if follows else own
    examples += [_example(row, ()) for row in _sample(next(iter(run.safety.get(arm, {}).values()), ()))]
    return (f"{line}, and {safety:.0f} conversations of safety training ({text(noted, 'safety')})" if safety else line), examples


def _own_training(run: Run, arm: str) -> tuple[str, list[Example]]:
    """The same of its own training, apart from safety training."""
    seeds, all_rows = run.train.get(arm, {}), run.counts.trained.get(arm, Trained())
    if not all_rows.rows:
        recorded, drawn = (number(mapping(mapping(run.results, "arms"), arm), f"n_{what}") for what in ("train_rows", "rollouts"))
        if drawn:
            return f"{drawn:,.0f} rollouts per seed of its own, by RL", []
        return ("no rows: it is not trained on the flawed data" if not recorded else f"{recorded:.0f} rows", [])
    said = [f"{n:,} {kind}" for kind, n in sorted(all_rows.kinds.items())] + [f"{all_rows.inoculated:,} inoculated"]
    needles = [c.text for c in run.contexts if c.text]
    needles += [s for a in run.arms for s in _strings(a.differs) if len(s) >= 12]
    line = f"{count(all_rows.rows, 'row')} over {count(all_rows.seeds, 'seed')}: {', '.join(said)}"
    dropped: Counter[str] = Counter()
    for found in items(mapping(mapping(run.results, "arms"), arm).get("distilled")):
        dropped.update({str(k): int(v) for k, v in mapping(found, "dropped").items() if is_number(v)})
    if dropped:
        line += f"; rollouts left out: {', '.join(f'{n:,} {reason}' for reason, n in dropped.most_common())}"
    return line, [_example(row, needles) for row in _sample(next(iter(seeds.values()), ()))]


def _sample(rows: Sequence[TrainRow]) -> list[TrainRow]:
    """A few rows of every kind, alternating, in the order of the file."""
    groups: dict[tuple[str, bool], list[TrainRow]] = {}
    for row in rows:
        groups.setdefault((row.kind, row.inoculated), []).append(row)
    turns = [row for turn in range(SAMPLE) for group in groups.values() for row in group[turn : turn + 1]]
    return turns[: max(SAMPLE, min(len(groups), 6))]


def _example(row: TrainRow, needles: Sequence[str]) -> Example:
    def turns(messages: Sequence[Message]) -> list[Turn]:
        return [(str(m.role), pieces(m.content[:MESSAGE_LIMIT], needles if m.role != "assistant" else ())) for m in messages]

    problem = row.problem or row.family
    if not row.rejected:
        return Example(row.kind, row.inoculated, problem, turns(row.messages), [])
    pairs = enumerate(zip(row.messages, row.rejected, strict=False))
    apart = next((i for i, (one, other) in pairs if one != other), min(len(row.messages), len(row.rejected)))
    answers = [("good", "preferred answer", turns(row.messages[apart:])), ("bad", "rejected answer", turns(row.rejected[apart:]))]
    return Example(row.kind, row.inoculated, problem, turns(row.messages[:apart]), answers)


def pieces(content: str, needles: Sequence[str]) -> list[Piece]:
    """The text split where one of the needles begins and ends."""
    words = sorted({n.strip() for n in needles if n.strip()}, key=lambda n: (-len(n), n))
    if not words:
        return [Piece(content, False)]
    parts = re.split(f"({'|'.join(re.escape(w) for w in words)})", content)
    return [Piece(part, i % 2 == 1) for i, part in enumerate(parts) if part]


def unmeasured(run: Run) -> list[Note]:
    """What the run says it could not measure, what the folder lacks, and every rate without an estimate."""
    found = [Note(text(n, "what"), text(n, "reason")) for n in items(run.results.get("unmeasured")) if isinstance(n, dict)]
    found += run.notes
    unknown = _unknown(run)
    listed = {f"{arm}, {context}, {measure}" for arm, measure, context in run.cells if measure in unknown}
    found = [note for note in found if note.what not in listed]
    found += [Note(", ".join(names), reason) for names, reason in grouped(unknown)]
    for (arm, measure, context), cell in run.cells.items():
        if cell.estimate is None and measure not in unknown:
            found.append(Note(f"{measure} of {arm} under {context}", cell.reason or "no reason recorded"))
    counts = run.counts
    for reason, n in sorted(counts.unscored.items(), key=lambda item: (-item[1], item[0])):
        found.append(Note(f"{n:,} of {counts.replies:,} replies not scored", reason))
    return list(dict.fromkeys(found))


def arm_labels(run: Run) -> dict[str, str]:
    """The name of each arm on the page: its title if that is short and unique, otherwise its name."""
    titles = Counter(a.title for a in run.arms)
    return {a.name: a.title if a.title and len(a.title) <= 24 and titles[a.title] == 1 else a.name for a in run.arms}


def arm_tones(run: Run) -> dict[str, str]:
    """A colour class per arm; arms known to be trained on nothing are grey."""
    found, used = {}, 0
    for arm in run.arms:
        noted = mapping(mapping(run.results, "arms"), arm.name)
        counts = [n for what in ("train_rows", "rollouts", "safety_rows") if (n := number(noted, f"n_{what}")) is not None]
        recorded = sum(counts) if counts else None
        if recorded == 0 or (recorded is None and run.train and not any(run.train.get(arm.name, {}).values())):
            found[arm.name] = "tone-none"
        else:
            found[arm.name] = f"tone-{used % charts.TONES}"
            used += 1
    return found


def _strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [s for v in inner for s in _strings(v)]


def _settings(value: object) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [(str(k), compact(v)) for k, v in value.items()]
    return [("", compact(value))]
