"""The report of `openwindow inoculate`: the recommendation, the ranking that led to it, the arms, and what is in the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import openwindow
from openwindow.formatting import compact
from openwindow.report import charts, evals_section
from openwindow.report.costs_section import costs_view
from openwindow.report.html import THEME, filled, write_page
from openwindow.report.readings import nats
from openwindow.results.eval_transcripts import Samples, eval_samples
from openwindow.results.load import mapping

TRANSCRIPTS = "run/report.html"
"""the page of the run of the arms"""


def write_inoculate_page(found: Mapping[str, Any], cautions: Sequence[str], folder: Path) -> Path:
    """Writes report.html into the folder and returns its path. Raises StorageError.

    `found` has `options`, `data`, `ranking` and, if arms were trained, `results` and `recommendation`; the run of the arms, whose
    page has the transcripts, lies in `folder/run`.
    """
    evals = mapping(mapping(found.get("results") or {}, "evals"), "evals")
    return write_page(render(found, cautions, eval_samples(folder / "run", evals)), folder)


def render(found: Mapping[str, Any], cautions: Sequence[str], samples: Samples = Samples((), 0)) -> str:  # noqa: B008 - frozen
    """The page as text; `samples` are transcripts of evals."""
    results, ranking = found.get("results"), found["ranking"]
    tones = {arm: f"tone-{i % charts.TONES}" for i, arm in enumerate(results["arms"])} if results else {}
    cells = next(iter(results["arms"].values()))["measures"] if results else {}
    measure = next(iter(cells), "")
    values = {
        "options": found["options"],
        "costs": costs_view(found.get("costs", {})),
        "data": found["data"],
        "ranking": ranking,
        "results": results,
        "advice": found.get("recommendation"),
        "cautions": cautions,
        "measure": measure,
        "contexts": list(cells.get(measure, {})),
        "elicited": ranking["neutral"]["estimate"] is not None,
        "contrasted": any(p["contrast"]["estimate"] is not None for p in ranking["prompts"]),
        "asked": [(name, c["text"] or "nothing is added", c["asks"]) for name, c in found.get("contexts", {}).items()],
        "facts": [(name.replace("_", " "), _fact(value)) for name, value in found["data"].items() if value not in (None, {})],
        "settings": [(name.replace("_", " "), compact(value)) for name, value in found["options"].items()],
        "labels": {},
        "tones": tones,
        "transcripts_in": TRANSCRIPTS,
        "version": openwindow.__version__,
    }
    learned = evals_section.section(results or {}, (), samples, {arm: arm for arm in tones}, tones, TRANSCRIPTS)
    return filled("inoculate.html.jinja", THEME, values | learned, filters={"nats": nats})


def _fact(value: object) -> str:
    """A finding in words: counts and quantiles by name."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name.replace('_', ' ')}: {_fact(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return ", ".join(map(_fact, value))
    return f"{value:,}" if isinstance(value, int) else compact(value)
