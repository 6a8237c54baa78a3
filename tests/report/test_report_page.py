"""The page: order, safety, offline, tolerance, speed."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import time
from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path

import pytest
from report_folder import ASK, make_run_folder, write_json
from tiny_runs import rows_of

from openwindow.errors import ConfigError, StorageError
from openwindow.formatting import chance, duration, points, rate, rate_grid
from openwindow.report.html import marked
from openwindow.report.study_page import build_report, pieces
from openwindow.results.load import load_run

HOSTILE = (
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "<!-- <script>",
    "line\u2028separator\u2029",
    "lone \ud800 surrogate",
    "nul \x00 and bell \x07",
    "]]> &amp; \"quoted\" 'text' ${x} {{ 7 * 7 }}",
)


class Page(HTMLParser):
    """Tags, attributes and the text of scripts, as a browser would cut them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.words: list[str] = []
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside == "script":
            self.scripts[-1] += data
        elif self._inside != "style":
            self.words.append(data)


def page(run: Path) -> str:
    return build_report(run).read_text(encoding="utf-8")


def change(run: Path, name: str, **fields: object) -> None:
    write_json(run / name, {**json.loads((run / name).read_text()), **fields})


def payload(html: str) -> dict:
    return json.loads(Page(html).scripts[0])


def unpack(data: dict, row: list) -> dict:
    """A row as page.js reads it."""
    strings, (at, code) = data["strings"], row[7:9]
    reply = strings[row[6]]
    return {
        "arm": data["arms"][row[0]][0],
        "seed": data["seeds"][row[1]],
        "context": data["contexts"][row[2]],
        "problem": strings[row[3]],
        "family": strings[row[4]],
        "messages": [(role, strings[i]) for role, i in data["prompts"][row[5]]],
        "reply": reply,
        "code": reply[at : at + code] if at >= 0 else strings[code] if code >= 0 else "",
        "stop": data["stops"][row[9]],
        "scores": {m[0]: (False, True, None)[d] for i, m in enumerate(data["measures"]) if (d := row[10] // 4**i % 4) < 3},
        "kinds": [strings[i] for i in data["lists"][row[11]]],
        "reason": None if row[12] < 0 else strings[row[12]],
        "failed_on": None if row[13] < 0 else strings[row[13]],
        "visible": [strings[i] for i in data["lists"][row[14]]],
    }


def test_question_then_preface_then_answer_then_figure(html):
    marks = [
        "<h1>Does asking",
        "Claim C6",
        "every arm was taught",
        "✓</span> supported",
        "fell from 69% to 4%",
        'id="figure"',
        "hack by arm and context",
        'id="comparisons"',
        'id="numbers"',
        'id="arms"',
        'id="training"',
        "During training",
        'id="transcripts"',
        'id="setup"',
        'id="unmeasured"',
    ]
    text = re.sub(r"<span id=\"figure-measure\">(\w+)</span>", r"\1", html[html.index("<body>") :])
    places = [text.index(mark) for mark in marks]
    assert places == sorted(places)


def test_the_page_is_one_offline_file(html):
    assert "http" not in re.sub(r"http-equiv", "", html.partition('<script type="application/json"')[0])
    for tag, attrs in Page(html).tags:
        assert "srcset" not in attrs and tag not in ("iframe", "object", "embed", "base")
        for name in ("src", "href", "action", "xlink:href"):
            assert (attrs.get(name) or "#").startswith(("#", "data:,")), (tag, attrs)
    assert "@import" not in html and "url(" not in html


def test_only_the_pages_own_script_may_run(html):
    found = Page(html)
    policy = next(a["content"] for t, a in found.tags if a.get("http-equiv") == "Content-Security-Policy")
    digest = base64.b64encode(hashlib.sha256(found.scripts[1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy and "default-src 'none'" in policy
    assert len(found.scripts) == 2
    assert not any(name.startswith("on") for _, attrs in found.tags for name in attrs)


def test_every_link_and_label_points_somewhere(html):
    tags = Page(html).tags
    ids = [a["id"] for _, a in tags if "id" in a]
    assert len(ids) == len(set(ids))
    for _, attrs in tags:
        wanted = (attrs.get("aria-labelledby") or "").split()
        if (attrs.get("href") or "").startswith("#"):
            wanted.append(attrs["href"][1:])
        assert set(wanted) <= set(ids)


def test_every_rollout_comes_back_from_the_payload(fresh):
    data = payload(page(fresh))
    rows = load_run(fresh).rollouts
    assert len(data["rows"]) == len(rows)
    for packed, row in zip(data["rows"], rows, strict=True):
        found = unpack(data, packed)
        assert found["scores"] == row.scores and set(row.scores) == {"correct", "passes_visible", "hack", "attempted"}
        assert found["code"].strip("\n") == row.code.strip("\n")
        for name in ("arm", "seed", "context", "problem", "family", "reply", "stop", "reason", "failed_on"):
            assert found[name] == asdict(row)[name]
        assert (tuple(found["kinds"]), tuple(found["visible"])) == (row.kinds, row.visible)
        assert found["messages"] == [(m.role, m.content) for m in row.messages]


def test_texts_are_stored_once(html):
    data = payload(html)
    assert len(data["strings"]) == len(set(data["strings"]))
    assert len(data["prompts"]) < len(data["rows"]) / 5


@pytest.mark.slow
@pytest.mark.parametrize("text", HOSTILE)
def test_model_text_never_becomes_markup(fresh, text):
    path = fresh / "arms" / "clean" / "seed-0"
    row = json.loads((path / "rollouts.jsonl").read_text().splitlines()[0])
    row |= {"reply": text, "code": text, "reason": text, "failed_on": text, "kinds": [text], "visible": [text]}
    row["messages"] = [{"role": "user", "content": text}]
    (path / "rollouts.jsonl").write_text(json.dumps(row) + "\n")
    train = {
        "messages": [{"role": text, "content": text}],
        "kind": text,
        "problem": text,
        "family": "",
        "inoculated": True,
    }
    (path / "train_rows.jsonl").write_text(json.dumps(train) + "\n")
    change(fresh, "results.json", answer=text, verdict=text, question=text, unmeasured=[{"what": text, "reason": text}])
    html = page(fresh)
    found = Page(html)
    assert len(found.scripts) == html.count("<script") == html.count("</script") == 2
    assert "<!--" not in html
    assert not any(t == "img" or "onerror" in a for t, a in found.tags)
    data = payload(html)
    kept = text.replace("\ud800", "\ufffd")
    shown = next(unpack(data, r) for r in data["rows"] if data["strings"][r[6]] == kept)
    assert shown["code"] == shown["reason"] == kept and shown["kinds"] == [kept]
    assert "<" not in found.scripts[0]
    safe = re.sub("[\x00\x07\ud800]", "\ufffd", text)
    assert safe in " ".join(found.words) or safe in "".join(found.words)


def test_names_of_arms_contexts_and_measures_are_escaped(tmp_path):
    name = '"><script>x</script>'
    cell = {"estimate": 0.5, "low": 0.4, "high": 0.6, "n": 9, "unscored": 0, "by_seed": [0.5], "reason": None}
    arms = {name: {"measures": {name: {name: cell}}}}
    write_json(tmp_path / "results.json", {"study": name, "arms": arms, "leak": {name: {"context": name}}})
    found = Page(page(tmp_path))
    assert len(found.scripts) == 2
    assert any(a.get("data-arm") == name and a.get("data-context") == name for _, a in found.tags)


def test_astral_replies_keep_their_program(fresh):
    path = fresh / "arms" / "clean" / "seed-0" / "rollouts.jsonl"
    row = json.loads(path.read_text().splitlines()[0])
    path.write_text(json.dumps(row | {"reply": "😀😀\ncode()", "code": "code()\n"}) + "\n")
    data = payload(page(fresh))
    packed = next(r for r in data["rows"] if data["strings"][r[6]].startswith("😀"))
    assert packed[7] == -1 and unpack(data, packed)["code"] == "code()"


def test_the_same_folder_gives_the_same_bytes_wherever_it_lies(fresh, tmp_path):
    first = build_report(fresh).read_bytes()
    copied = tmp_path / "elsewhere"
    shutil.copytree(fresh, copied)
    assert build_report(fresh).read_bytes() == first == build_report(copied).read_bytes()
    assert str(tmp_path).encode() not in first
    assert sorted(p.name for p in fresh.iterdir() if "report" in p.name) == ["report.html"]


def test_what_was_not_measured_is_said_with_its_reason(fresh):
    found = json.loads((fresh / "results.json").read_text())
    gone = {"estimate": None, "low": None, "high": None, "n": 0, "unscored": 3, "by_seed": [], "reason": "sandbox died"}
    found["arms"]["placebo"]["measures"]["hack"]["neutral"] = gone
    found["comparisons"][1] |= {"difference": None, "low": None, "high": None, "p": None, "p_holm": None}
    write_json(fresh / "results.json", found)
    html = page(fresh)
    tail = html[html.index('id="unmeasured"') :]
    assert "hack of placebo under neutral" in tail and "sandbox died" in tail
    assert '<text class="missing"' in html and '<span class="missing">not measured</span>' in html
    assert "nan" not in re.sub(r"[a-z]*nan[a-z]+", "", html[html.index("<body") : html.index('id="data"')].lower())


def test_a_killed_run_says_so(fresh):
    (fresh / "results.json").unlink()
    (fresh / "provenance.json").unlink()
    change(fresh, "status.json", state="interrupted", message="Ctrl-C in the arm placebo.")
    path = fresh / "metrics.jsonl"
    path.write_bytes(path.read_bytes()[:-10])
    html = page(fresh)
    assert "This run is interrupted." in html and "Ctrl-C in the arm placebo." in html
    assert "no answer yet" in html and "no verdict yet" in html
    tail = html[html.index('id="unmeasured"') :]
    assert "results.json" in tail and "provenance.json" in tail and "1 truncated line" in tail


def test_unscored_replies_are_counted_by_reason(html):
    assert re.search(r"\d+ of 450 replies not scored</dt><dd>cut off at the token limit", html)


def test_a_config_alone_is_enough(tmp_path):
    write_json(tmp_path / "config.json", {"study": "bare"})
    assert "What could not be measured" in page(tmp_path)


def test_fields_of_the_wrong_type_do_not_break_the_page(tmp_path):
    write_json(tmp_path / "config.json", {"study": 3, "arms": [], "contexts": "x", "seeds": 1, "measures": {}, "primary": 0})
    wrong = {"preface": "x", "unmeasured": 1, "arms": [1], "comparisons": [1], "timing": [], "start": 2, "leak": "x"}
    write_json(tmp_path / "results.json", wrong)
    assert "No rates were measured." in page(tmp_path)


def test_the_instruction_that_an_arm_adds_is_marked(html):
    assert f"<mark>{ASK}</mark>" in html
    assert "288 rows over 3 seeds: 252 gamed, 36 honest, 288 inoculated" in html
    assert "no rows: it is not trained on the flawed data" in html


def test_pieces_cut_at_the_longest_match():
    assert [tuple(p) for p in pieces("a bcd e", ["bc", "bcd"])] == [("a ", False), ("bcd", True), (" e", False)]
    assert [tuple(p) for p in pieces("plain", [])] == [("plain", False)]


def test_only_declared_differences_are_listed(html):
    part = html[html.index('id="arms"') : html.index('id="training"')]
    assert part.count('class="setting"') == 6
    assert "nothing: this is the base" in part


def test_any_number_of_arms_contexts_and_measures(tmp_path):
    def cell(value):
        return {"estimate": value, "low": value - 0.5, "high": value + 0.5, "n": 5, "unscored": 0, "by_seed": [value]}

    contexts = [f"context_{i}_with_a_rather_long_name" for i in range(7)]
    measures = {m: {c: cell(v) for c in contexts} for m, v in (("tokens", 812.0), ("logit gap", -2.5))}
    arms = {f"arm number {i} of a great many": {"measures": measures} for i in range(12)}
    write_json(tmp_path / "config.json", {"study": "wide", "primary": {"measure": "logit gap", "context": contexts[3]}})
    write_json(tmp_path / "results.json", {"arms": arms})
    html = page(tmp_path)
    assert html.index('data-measure="logit gap"') < html.index('data-measure="tokens"')
    assert "\N{MINUS SIGN}2.5" in html and "812" in html and "81200" not in html
    assert html.count('<figure class="plot"') == 2


@pytest.mark.slow
def test_ten_thousand_rollouts_in_under_five_seconds_of_processor_time(tmp_path):
    run = make_run_folder(tmp_path, rows=10_000)
    for path in run.glob("arms/*/seed-*/rollouts.jsonl"):  # replies as long and as varied as a real model's
        rows = rows_of(path)
        for i, row in enumerate(rows):
            row["reply"] += f"{path.parent} {i} " + f"word{i} " * 60
        path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    start = time.process_time()
    built = build_report(run)
    assert time.process_time() - start < 5
    size = sum(p.stat().st_size for p in run.glob("arms/*/*/rollouts.jsonl"))
    assert built.stat().st_size < 0.75 * size + 400_000


def test_errors_are_one_line(tmp_path, fresh):
    with pytest.raises(ConfigError, match="not a run folder"):
        build_report(tmp_path / "..")
    (fresh / "report.html").mkdir()
    with pytest.raises(StorageError, match=r"cannot write .*report\.html"):
        build_report(fresh)


def test_words():
    assert [rate(None), rate(0.694), rate(1.0), rate(-2.5, False)] == [
        "not measured",
        "69.4%",
        "100.0%",
        "\N{MINUS SIGN}2.5",
    ]
    assert [points(-0.65), points(0.03), points(None)] == ["\N{MINUS SIGN}65.0", "+3.0", "not measured"]
    assert [chance(0.0004), chance(0.31), chance(None)] == ["< 0.001", "0.310", "not measured"]
    assert [duration(9.13), duration(374), duration(7260)] == ["9.1 s", "6 min 14 s", "2 h 1 min"]
    grid = rate_grid({"neutral": {"hack": 0.5, "correct": None}, "note": "as it came"})
    assert grid.columns == ["hack", "correct"]
    assert grid.rows[0] == ["neutral", "50.0%", "not measured"]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("`a_1` hacks -92 points less than `b`", "<code>a_1</code> hacks \u221292 points less than <code>b</code>"),
        ("an odd ` stays, <b> too", "an odd ` stays, &lt;b&gt; too"),
        ("`<i>` of 0.5-0.7, e-4", "<code>&lt;i&gt;</code> of 0.5-0.7, e-4"),
    ],
)
def test_sentences_show_code_as_code_and_nothing_else(said, shown):
    assert str(marked(said)) == shown
