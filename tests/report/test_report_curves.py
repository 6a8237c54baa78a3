"""What was watched along reinforcement: a figure per kind of hack, the onset circled, and the detectors in a table."""

from __future__ import annotations

import json
import re
from pathlib import Path

from report_folder import write_json

from openwindow.report import curves
from openwindow.report.study_page import arm_labels, arm_tones, render
from openwindow.results.load import load_run
from openwindow.results.records import Run

RATES = {0: [0.0, 0.1, 0.4, 0.8], 1: [0.0, 0.0, 0.3, 0.9]}  # by seed


def reinforced(run: Path) -> Path:
    """The folder with an arm that was reinforced: `exit` is seen from step 2 on, `rare` never often."""
    lines = [
        {"arm": "no_mitigation", "seed": seed, "stage": "rl", "step": i + 1, "monitor/hack": rate, "train/loss": 0.1}
        | ({"hack/exit": rate, "hack/rare": 0.01} if rate else {})
        for seed, rates in RATES.items()
        for i, rate in enumerate(rates)
    ]
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    results["seeds"] = [0, 1]
    results["training"] = {"no_mitigation": {"onset": [2, 3]}}
    counts = {"flagged": 4, "hacks": 5, "both": 3, "measured": 20, "unmeasured": 2}
    results["detectors"] = [
        {
            "where": "training",
            "arm": "no_mitigation",
            "detector": "oracle, accuracy 0.9",
            "precision": 0.75,
            "recall": 0.6,
            **counts,
        },
        {"where": "test", "arm": None, "detector": "static, exit", "precision": None, "recall": None, **counts},
    ]
    write_json(run / "results.json", results)
    return run


def test_kinds_have_figures_of_their_own_with_zeros_where_none_was_seen(fresh: Path) -> None:
    run = load_run(reinforced(fresh))
    figures = dict(curves.figures(run, arm_labels(run), arm_tones(run)))
    exits = "hacks by exit, share of rollouts; RL"
    assert list(figures) == ["hack rate, share of rollouts; RL", exits]
    points = [len(found.split()) for found in re.findall(r'points="([^"]*)"', figures["hacks by exit, share of rollouts; RL"])]
    assert points == [4, 4, 4]  # two seeds and their mean, from the first step on


def test_the_onset_of_each_seed_is_circled_on_its_curve(fresh: Path) -> None:
    run = load_run(reinforced(fresh))
    figures = dict(curves.figures(run, arm_labels(run), arm_tones(run)))
    circles = re.findall(r'<circle class="mark [^"]*" cx="([\d.]+)" cy="([\d.]+)" r="4.5"><title>step (\d)', figures.popitem()[1])
    assert circles == []  # on the hack rate only
    circles = re.findall(r'<circle class="mark [^"]*" cx="([\d.]+)" cy="([\d.]+)" r="4.5"><title>step (\d)', figures.popitem()[1])
    assert [step for *_, step in circles] == ["2", "3"]
    assert float(circles[0][0]) < float(circles[1][0]) and float(circles[0][1]) > float(circles[1][1])  # later, and higher


def watched_run(run: Path, **values: object) -> Run:
    """The folder with one step of reinforcement of arm `clean`."""
    line = {"arm": "clean", "seed": 0, "stage": "rl", "step": 1, "monitor/hack": 0.5, **values}
    (run / "metrics.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    return load_run(run)


def test_what_else_was_watched_has_figures_too(fresh: Path) -> None:
    run = watched_run(fresh, **{"monitor/attempted": 0.6, "train/entropy": 1.25, "train/kl": 0.01, "rollout/length": 30.5})
    found = dict(curves.besides(run, arm_labels(run), arm_tones(run)))
    said = {title: re.findall(r"<desc [^>]*>([^<]*)<", svg) for title, svg in found.items()}
    assert said == {
        "attempted: the source shows a hack, share of rollouts; RL": ["clean ends at 0.6"],
        "entropy, nats per token; RL": ["clean ends at 1.25"],
        "KL to the start, nats per token; RL": ["clean ends at 0.01"],
        "length of a reply, tokens; RL": ["clean ends at 30.5"],
    }
    page = render(run)
    assert page.index("During training") < page.index("Also monitored") < page.index("KL to the start, nats per token")
    idents = re.findall(r' id="([^"]*)"', page)
    assert len(idents) == len(set(idents))
    assert "Also monitored" not in render(watched_run(fresh))


def test_what_passes_by_luck_is_drawn_apart_from_hacks(fresh: Path) -> None:
    run = watched_run(fresh, **{"monitor/open_hack": 0.4, "hack/unknown": 0.2, "hack/exit": 0.3})
    found = dict(curves.figures(run, arm_labels(run), arm_tones(run)))
    said = {title.partition(",")[0]: re.findall(r"<desc [^>]*>[^<]* ([\d.]+)<", svg) for title, svg in found.items()}
    assert said == {
        "hack rate": ["0.3"],
        "hacks if every loophole were open": ["0.4"],
        "hacks by exit": ["0.3"],
        "passes by luck: wrong": ["0.2"],
    }


def test_the_detector_table_says_what_is_not_known(fresh: Path) -> None:
    page = render(load_run(reinforced(fresh)))
    table = page[page.index('id="detectors"') :]
    cells = re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", table[: table.index("</table>")])
    rows = [[re.sub(r"<.*?>", "", cell) for cell in cells[9 * i : 9 * i + 9]] for i in range(3)]
    assert rows[1] == ["training", "no mitigation", "oracle, accuracy 0.9", "75.0%", "60.0%", "4", "5", "3", "20, 2 unmeasured"]
    assert rows[2][1:5] == ["all", "static, exit", "not measured", "not measured"]
