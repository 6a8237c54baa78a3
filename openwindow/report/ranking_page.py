"""The report of a ranking study: correlations next to the published ones, a plot per environment, and every prompt."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from openwindow.files.names import safe
from openwindow.formatting import VERDICT_MARKS, duration, points, signed
from openwindow.report.charts import Ident, identifier
from openwindow.report.html import THEME, filled, write_page
from openwindow.report.scatter import Point, scatter

TONES = {"study": "tone-0", "asks": "tone-2", "weak": "tone-4", "unrelated": "tone-none", "forbids": "tone-1"}
WORDS = {
    "study": "wordings of the environment's own study",
    "asks": "more that ask",
    "weak": "permit or hint",
    "unrelated": "do not ask",
    "forbids": "forbid",
}
AXES = {
    "elicitation": "share with the behaviour under the prompt, before training",
    "uplift": "uplift of the data, nats per token",
}


def write_ranking_page(results: Mapping[str, Any], folder: Path) -> Path:
    """Writes report.html into the folder and returns its path. Raises StorageError."""
    return write_page(render(results), folder)


def render(results: Mapping[str, Any]) -> str:
    """The page as text; equal for equal results."""
    values = {
        "r": results,
        "mark": VERDICT_MARKS.get(results["verdict"], ""),
        "figures": {
            score: [_figure(score, identifier("scatter", i, j), name, s) for j, (name, s) in enumerate(results["settings"].items())]
            for i, score in enumerate(results["scores"])
        },
        "links": {name: f"{name}/report.html" for name in results["settings"] if safe(name)},
        "kinds": [(WORDS[kind], tone) for kind, tone in TONES.items()],
        "tones": TONES,
        "timing": [(phase, duration(seconds)) for phase, seconds in results["timing"].items()],
    }
    return filled("ranking.html.jinja", THEME, values, filters={"r": correlation})


def correlation(c: Mapping[str, Any]) -> str:
    """The estimate with its sign."""
    return "not measured" if c["estimate"] is None else signed(f"{c['estimate']:+.2f}")


def _figure(score: str, ident: Ident, name: str, setting: Mapping[str, Any]) -> Markup:
    found = setting["correlations"]["all"][score]["pearson"]
    beside = f", published {setting['published']:+.2f}" if score == "elicitation" and setting["published"] is not None else ""
    dots = [
        Point(
            p[score]["estimate"],
            p["reduction"]["estimate"],
            p["reduction"]["low"],
            p["reduction"]["high"],
            TONES.get(p["kind"], "tone-none"),
            f"{p['arm']}: {p['text']} (reduction {points(p['reduction']['estimate'])} points)",
        )
        for p in setting["prompts"]
        if p[score]["estimate"] is not None and p["reduction"]["estimate"] is not None
    ]
    return Markup(
        scatter(
            dots,
            ident=ident,
            title=name,
            subtitle=f"Pearson's r {correlation(found)}{beside}",
            along=AXES.get(score, score),
            up="reduction after training, points",
            percent=score == "elicitation",
        )
    )
