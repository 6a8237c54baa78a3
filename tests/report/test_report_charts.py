"""Every mark of a figure lies inside it, and what was not measured says so."""

from __future__ import annotations

import itertools
import math
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openwindow.report.charts import (
    Dot,
    Line,
    Panel,
    Scale,
    difference_bar,
    interval_plot,
    line_plot,
    scale_for,
    spread,
    thin,
    ticks,
)

HORIZONTAL, VERTICAL = ("x", "x1", "x2", "cx"), ("y", "y1", "y2", "cy")


def check(svg: str) -> ElementTree.Element:
    """Parses the figure; every coordinate is finite and inside the view box, every interval runs from left to right."""
    root = ElementTree.fromstring(svg)
    _, _, width, height = (float(v) for v in root.attrib["viewBox"].split())
    for node in root.iter():
        for names, limit in ((HORIZONTAL, width), (VERTICAL, height)):
            for value in (float(node.attrib[n]) for n in names if n in node.attrib):
                assert math.isfinite(value) and 0 <= value <= limit, (node.tag, node.attrib)
        if node.attrib.get("class") == "interval":
            assert float(node.attrib["x1"]) <= float(node.attrib["x2"])
        for pair in node.attrib.get("points", "").split():
            x, y = (float(v) for v in pair.split(","))
            assert 0 <= x <= width and 0 <= y <= height
    return root


def dot(estimate=0.5, low=0.4, high=0.6, seeds=(0.45, None, 0.55), key="arm"):
    return Dot(key, key, "tone-0", estimate, low, high, seeds, "note")


def plot(panels, columns=3, width=1080.0):
    return interval_plot(panels, ident="f", title="hack", desc="all", columns=columns, width=width, link="#t")


def panel(*dots, key="neutral"):
    return Panel(key, key, "nothing added", dots)


def classes(root, name):
    return [n for n in root.iter() if n.attrib.get("class") == name]


values = st.none() | st.floats(-1e6, 1e6) | st.floats(0, 1)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(values, values, values, st.lists(values, max_size=4)), min_size=1, max_size=5),
    panels=st.integers(1, 7),
    narrow=st.booleans(),
)
def test_every_mark_lies_inside_the_figure(rows, panels, narrow):
    dots = tuple(dot(e, a, b, tuple(s), f"a{i}") for i, (e, a, b, s) in enumerate(rows))
    shown = [panel(*dots, key=f"c{i}") for i in range(panels)]
    root = check(plot(shown, 1 if narrow else 3, 380.0 if narrow else 1080.0))
    assert len(classes(root, "dot")) == panels * sum(e is not None for e, *_ in rows)
    assert len(classes(root, "missing")) == panels * sum(e is None for e, *_ in rows)


def test_the_place_of_a_rate_by_hand():
    root = check(plot([panel(dot(0.25, 0.0, 1.0, ()))], columns=1, width=1000.0))
    left = 18 + 7 * len("arm")  # the column of names
    plot_width = 1000 - left - 48  # less the column of values
    assert float(classes(root, "dot")[0].attrib["cx"]) == pytest.approx(left + 0.25 * plot_width, abs=0.06)
    interval = classes(root, "interval")[0].attrib
    assert float(interval["x1"]) == pytest.approx(left, abs=0.06)
    assert float(interval["x2"]) == pytest.approx(left + plot_width, abs=0.06)


def test_what_was_not_measured_is_said_and_not_drawn():
    root = check(plot([panel(dot(None, None, None, ()))]))
    assert [n.text for n in classes(root, "missing")] == ["not measured"]
    assert not classes(root, "dot") and not classes(root, "value")


def test_an_estimate_without_interval_has_no_bar():
    root = check(plot([panel(dot(0.5, None, None))]))
    assert len(classes(root, "dot")) == 1 and not classes(root, "interval")


def test_a_figure_names_itself_and_its_rows():
    root = check(plot([panel(dot(), dot(key="<b>"))]))
    assert root.attrib["aria-labelledby"] == "f-title f-desc"
    assert root.find("title").text == "hack" and root.find("desc").text == "all"
    assert [n.attrib["data-arm"] for n in root.iter("a")] == ["arm", "<b>"]


def test_a_figure_without_panels_or_rows_is_still_a_figure():
    check(plot([]))
    check(plot([panel()]))


def test_panels_in_a_row_share_one_column_of_names():
    root = check(plot([panel(dot(), key=c) for c in "abcd"], columns=3))
    assert len(classes(root, "label")) == 2  # one per row of panels


def test_rates_get_percent_and_other_quantities_their_own_axis():
    assert scale_for([0.0, None, 1.0]) == Scale(0.0, 1.0, True)
    assert scale_for([]) == Scale(0.0, 1.0, True)
    assert scale_for([0.5], [-0.1, 1.2]) == Scale(0.0, 1.0, True)
    assert scale_for([-1.0, 2.0], [-3.2, 7.1]) == Scale(-5.0, 10.0, False)
    rates = Scale(0, 1, True)
    assert [rates.show(v) for v in (0, 0.001, 0.694, 0.999, 1)] == ["0%", "<1%", "69%", ">99%", "100%"]
    assert Scale(-5, 5, False).show(-1.25) == "\N{MINUS SIGN}1.25"


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [
        (0, 1, [0, 0.25, 0.5, 0.75, 1]),
        (0.1, 1.9, [0, 0.5, 1, 1.5, 2]),
        (3, 3, [1, 2, 3, 4, 5]),
        (0, 0, [-0.5, -0.25, 0, 0.25, 0.5]),
    ],
)
def test_ticks_are_round_and_hold_the_range(low, high, wanted):
    found = ticks(low, high)
    assert found[0] <= low <= high <= found[-1]
    assert found == pytest.approx(wanted)


def test_difference_bar_by_hand():
    root = check(difference_bar(-0.5, -0.7, -0.3, 1.0))
    assert float(classes(root, "zero")[0].attrib["x1"]) == 81.0
    assert float(classes(root, "dot")[0].attrib["cx"]) == 6 + 0.25 * 150
    assert "not measured" in difference_bar(None, None, None, 1.0)


def test_curves_stay_inside_and_labels_stay_apart():
    curve = tuple((float(i), 2.0 / (i + 1)) for i in range(20))
    lines = [Line(f"arm {i}", f"tone-{i}", curve, (curve, curve[:7])) for i in range(6)]
    root = check(line_plot(lines, ident="l", title="loss", desc="", width=520.0, height=300.0))
    ys = sorted(float(n.attrib["y"]) for n in root.iter("text") if "curve-label" in n.attrib.get("class", ""))
    assert all(b - a >= 15.9 for a, b in itertools.pairwise(ys))


def test_a_single_point_and_no_point():
    one = Line("a", "tone-0", ((3.0, 1.0),), (((3.0, 1.0),),))
    check(line_plot([one], ident="l", title="loss", desc="", width=520.0, height=300.0))
    assert "not measured" in line_plot([], ident="l", title="loss", desc="", width=520.0, height=300.0)


def test_spread_by_hand():
    assert spread([], 10, 0, 100) == []
    assert spread([50, 50], 10, 0, 100) == [50, 60]
    assert spread([98, 95], 10, 0, 100) == [100, 90]
    assert all(0 <= y <= 10 for y in spread([5] * 40, 16, 0, 10))


def test_thin_keeps_the_mean():
    points = [(float(i), float(i % 2)) for i in range(1000)]
    found = thin(points, 100)
    assert len(found) == 100
    assert found[0] == (4.5, 0.5)
    assert thin(points[:3], 100) == tuple(points[:3])
    assert thin([]) == ()
