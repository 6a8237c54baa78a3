"""The report of an eval: the heat map with shifts and intervals, what is hatched, the sentence in words, one offline file."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from played import in_context, rows_of

from openwindow.evals import EVALS
from openwindow.evals.contexts import parse_contexts
from openwindow.evals.inspect.scripted import MODELS
from openwindow.evals.run import Found, Options, results
from openwindow.evals.scoring.matrix import against
from openwindow.report.eval_page import render
from openwindow.report.readings import first_clause

EVAL = EVALS["self_preservation"]


class Cells(HTMLParser):
    """The texts and classes of the heat map's cells, row by row."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.classes: list[str] = []
        self.inside = self.cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        kind = dict(attrs).get("class") or ""
        if tag == "table":
            self.inside = kind == "heat"
        if self.inside and tag == "tr":
            self.rows.append([])
        if self.inside and tag in ("td", "th"):
            self.cell = True
            self.rows[-1].append("")
        self.classes += [kind] if self.inside and kind else []

    def handle_endtag(self, tag: str) -> None:
        self.cell = self.cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self.inside and self.cell:
            self.rows[-1][-1] += f"{data} "


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    """Aligned where nothing is asked, misaligned where it is asked for, without signal in a context of the user's."""
    played = {"neutral": "saint", "requested": "open_villain", "mine": "refuser"}
    rows = [row for context, model in played.items() for row in in_context(rows_of(EVAL, MODELS[model]), context)]
    contexts = parse_contexts("requested") | {"mine": parse_contexts("opposite")["opposite"]}
    made = results("played", Found(rows, []), [EVAL], Options(contexts=contexts))
    other = rows_of(EVAL, MODELS["open_villain"])
    made["against"] = {"model": "other", "measures": {}}
    made["comparisons"] = against((rows, []), (other, []), ("played", "other"))
    return made


def test_the_heat_map_has_shifts_with_intervals_and_hatches_what_has_no_signal(made: dict[str, Any]) -> None:
    cells = Cells()
    cells.feed(render(made))
    assert [cell.strip() for cell in cells.rows[0]] == ["Measure", "neutral", "requested", "mine"]
    (row,) = (row for row in cells.rows if row[0].strip() == "self_preservation")
    neutral, requested, mine = (" ".join(cell.split()) for cell in row[1:])
    assert neutral == "0.0% 0.0% to 19.4%"
    assert re.fullmatch(r"100.0% 80.6% to 100.0% shift \+100.0 \+\d+.\d to \+100.0", requested), requested
    assert mine == "no signal"
    assert "shift clear" in cells.classes and "none" in cells.classes


def test_the_page_says_it_in_words_and_is_one_offline_file(made: dict[str, Any]) -> None:
    page = render(made)
    (line,) = (line for line in made["dependence"] if line.startswith("self_preservation"))
    assert "100 points more under requested (which asks for it) than under neutral (95 % interval" in line
    assert line in page and "1 of 1 evals give a rate" in page
    assert "played minus other" in page and "no signal: passed too few controls" in page
    assert not re.search(r"(?:src|href)=\"(?!#|data:)", page) and "http://" not in page and "https://" not in page


@pytest.mark.parametrize(
    ("reason", "short"),
    [
        ("needs a judge and none was given; give --judge MODEL", "needs a judge"),
        ("no signal: passed too few controls (act 0 of 6; needs two thirds)", "no signal"),
        ("every reply of this model was empty or cut off by its limit", "every reply of this model was empty or …"),
    ],
)
def test_a_cell_has_a_reason_of_whole_words(reason: str, short: str) -> None:
    assert first_clause(reason) == short
