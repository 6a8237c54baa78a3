"""The page's figure of one measure as an SVG of its own, for notebooks and papers."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from openwindow.errors import ConfigError
from openwindow.files.writing import storing
from openwindow.report.html import HERE
from openwindow.report.study_page import arm_labels, arm_tones, rates_figure
from openwindow.results.load import load_run, mapping, text

_MARGIN = 18
_STYLE = re.compile(r"^:root \{.*?^\}|^@media \(prefers-color-scheme: dark\) \{.*?^\} \}|^\.(?:tone-|chart)[^\n]*$", re.M | re.S)
"""the colours of page.css, and its rules for figures"""


@dataclass(frozen=True, slots=True)
class Figure:
    """An SVG with its own style; a notebook shows it, light or dark as the reader's system is."""

    svg: str = field(repr=False)
    title: str

    def save(self, path: str | Path) -> Path:
        """Writes the SVG. Raises StorageError."""
        path = Path(path)
        with storing(path):
            path.write_text(self.svg, encoding="utf-8")
        return path

    def _repr_html_(self) -> str:
        """As an image, so that its style stays its own."""
        data = base64.b64encode(self.svg.encode()).decode()
        return f'<img alt="{escape(self.title)}" style="max-width:100%" src="data:image/svg+xml;base64,{data}">'


def figure_of(folder: Path, measure: str | None = None) -> Figure:
    """Rates of one measure by arm and context with their intervals; the study's first measure by default. Raises ConfigError."""
    run = load_run(folder)
    if measure is None:
        measure = text(mapping(run.config, "primary"), "measure") or next(iter(run.measures), "")
    if measure not in run.measures:
        names = ", ".join(run.measures) or "no measures"
        raise ConfigError(f"{folder} has no measure {measure!r}; expected one of its own ({names}); choose one")
    wide, _ = rates_figure(run, measure, run.contexts, arm_labels(run), arm_tones(run))
    return Figure(alone(str(wide)), f"{measure} by arm and context")


def alone(svg: str) -> str:
    """A figure of the page with the style that it needs, on a background of its own."""
    found = re.match(r'<svg class="chart" viewBox="0 0 (\d+) (\d+)"', svg)
    if found is None:
        raise ValueError("expected a figure as `charts` makes it")
    width, height = (int(size) + 2 * _MARGIN for size in found.groups())
    style = "\n".join(_STYLE.findall((HERE / "page.css").read_text(encoding="utf-8")))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="{-_MARGIN} {-_MARGIN} {width} {height}"'
    back = f'<rect x="{-_MARGIN}" y="{-_MARGIN}" width="{width}" height="{height}" rx="12" fill="var(--card)"/>'
    rest = svg[found.end() :]
    start = rest.index(">") + 1
    return f'{head} width="{width}" height="{height}"{rest[:start]}<style>{style}</style>{back}{rest[start:]}'
