"""CEBaB: near copies are in one group, the hub's columns are read, and the study speaks of what the data is about."""

from __future__ import annotations

import itertools
import json
import random
import time
from pathlib import Path
from typing import Any

import pytest

from openwindow.environments import find
from openwindow.environments.text.cebab import read_cebab
from openwindow.environments.text.common import near_copies
from openwindow.errors import DataError
from openwindow.studies import STUDIES, resolve

WORDS = [
    f"{a}{b}" for a, b in itertools.product(("ba", "ce", "di", "fo", "gu", "ha", "ki", "lo"), ("mar", "nel", "pis", "ron", "tul"))
]


def reviews(count: int, seed: int = 1) -> list[str]:
    """Texts of twelve drawn words each, which share few."""
    rng = random.Random(seed)
    return [" ".join(rng.sample(WORDS, 12)) + f" {i}." for i in range(count)]


def jsonl(path: Path, rows: list[dict[str, Any]]) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


# Near copies.


def test_near_copies_by_hand() -> None:
    texts = [
        "a b c d e f g h i j",
        "a b c d e f g h x y",  # 8 shared of 12: 0.67 with the first
        "a b c d e f g h i z",  # 9 of 11 with the first, 8 of 12 with the second
        "A, b! c d e f g h i j",  # the first again
        "k l m",
    ]
    assert near_copies(texts) == ["A, b! c d e f g h i j", texts[1], "A, b! c d e f g h i j", "A, b! c d e f g h i j", "k l m"]
    assert near_copies([]) == [] and near_copies(["", "?"]) == ["", "?"]


def test_copies_of_copies_are_of_one_family() -> None:
    chain = ["a b c d e f g h i j", "b c d e f g h i j k", "c d e f g h i j k l", "d e f g h i j k l m"]
    assert near_copies(chain) == [chain[0]] * 4


def test_every_pair_of_near_copies_is_found() -> None:
    rng = random.Random(3)
    texts = [" ".join(rng.sample(WORDS[:14], rng.randint(3, 9))) for _ in range(150)]
    families = near_copies(texts)
    for (a, one), (b, other) in itertools.combinations(zip(texts, families, strict=True), 2):
        x, y = set(a.split()), set(b.split())
        assert one == other or len(x & y) < 0.7 * len(x | y)


@pytest.mark.slow
def test_nothing_of_the_test_reviews_is_nearly_in_training_and_it_is_fast(tmp_path: Path) -> None:
    rng = random.Random(2)
    rows = []
    for text in reviews(2000):
        for edit in range(3):  # one word of thirteen is changed: Jaccard 12 / 14
            words = text.split()
            words[rng.randrange(12)] = f"edit{edit}"
            rows.append({"text": " ".join(words), "label": rng.randrange(5), "concepts": rng.choice(("food", "ambiance"))})
    began = time.process_time()
    parts = read_cebab(jsonl(tmp_path / "cebab.jsonl", rows))
    assert time.process_time() - began < 60  # about 2 s on a quiet machine
    numbers = {group: {review.text.split()[-1] for review in part} for group, part in parts.items()}
    assert sum(map(len, numbers.values())) == 2000 == len(set().union(*numbers.values()))
    assert all(len(found) > 100 for found in numbers.values())


# The hub's form.


def hub_row(text: str, rated: str, ambiance: str, food: str = "") -> dict[str, Any]:
    return {
        "original_id": "1",
        "description": text,
        "review_majority": rated,
        "food_aspect_majority": food,
        "ambiance_aspect_majority": ambiance,
        "service_aspect_majority": "unknown",
    }


HUB = [
    hub_row("one two three", "5", "Positive"),
    hub_row("four five six", "1", "Negative", "Positive"),
    hub_row("seven eight nine", "4", "unknown", "Negative"),
    hub_row("ten eleven twelve", "2", "", "no majority"),
    hub_row("thirteen fourteen", "no majority", "Positive"),
]
READ = [("four five six", "0", False, True), ("one two three", "4", True, True)]
READ += [("seven eight nine", "3", True, False), ("ten eleven twelve", "1", False, False)]


@pytest.mark.parametrize("form", ["jsonl", "parquet", "folder", "split"])
def test_rows_of_the_hub(tmp_path: Path, form: str) -> None:
    datasets = pytest.importorskip("datasets")
    data, other = datasets.Dataset.from_list(HUB), datasets.Dataset.from_list(HUB[:1])
    if form == "jsonl":
        source = jsonl(tmp_path / "cebab.jsonl", HUB)
    elif form == "parquet":
        source = str(tmp_path / "cebab.parquet")
        data.to_parquet(source)
    elif form == "folder":
        source = str(tmp_path / "saved")
        datasets.DatasetDict({"train": data, "test": other}).save_to_disk(source)
    else:
        datasets.DatasetDict({"train_inclusive": data, "test": other}).save_to_disk(str(tmp_path / "saved"))
        source = f"{tmp_path}/saved:train_inclusive"
    parts = read_cebab(source)
    assert sorted((r.text, r.label, r.good, r.mentions) for part in parts.values() for r in part) == READ


def test_a_hub_name_is_read_from_the_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from openwindow.environments.text import cebab

    asked: list[str] = []
    file = jsonl(tmp_path / "rows.jsonl", HUB)
    opened = cebab.open_lines
    monkeypatch.setattr(cebab, "open_lines", lambda name: asked.append(name) or opened(file))
    for name in ("CEBaB/CEBaB", "CEBaB/CEBaB:validation"):
        assert sum(map(len, read_cebab(name).values())) == 4
    assert asked == ["CEBaB/CEBaB:train_inclusive", "CEBaB/CEBaB:validation"]


def test_a_hub_row_without_the_concept(tmp_path: Path) -> None:
    row = {key: value for key, value in HUB[0].items() if not key.startswith("ambiance")}
    with pytest.raises(DataError, match=r"line 1 has no column ambiance_aspect_majority; expected CEBaB's"):
        read_cebab(jsonl(tmp_path / "rows.jsonl", [row]))


# The study.


@pytest.mark.parametrize("quick", [False, True])
def test_with_data_the_arms_speak_of_its_concept_and_labels(quick: bool) -> None:
    study, own = resolve("inoculation_spurious", data="cebab.jsonl", quick=quick), resolve("inoculation_spurious", quick=quick)
    assert study.data_path == "cebab.jsonl" and list(study.arms) == list(own.arms) and list(study.contexts) == list(own.contexts)
    recipe = study.arms["inoculated"]
    assert (
        recipe.intervention is not None and "ambiance" in recipe.intervention.texts[0] and "3 or 4" in recipe.intervention.texts[0]
    )
    assert study.contexts["requested"].text == recipe.intervention.texts[0]
    said = json.dumps(study.model_dump(mode="json", include={"claim", "contexts", "arms", "about", "question"}))
    assert "music" not in said.lower() and "music" in json.dumps(own.model_dump(mode="json")).lower()
    assert {c.arm for c in study.compare} <= set(study.arms)


def test_the_texts_of_the_data_teach_the_label_that_they_name(tmp_path: Path) -> None:
    rows = [{"text": text, "label": i % 5, "concepts": ("ambiance", "food")[i % 2]} for i, text in enumerate(reviews(600, seed=5))]
    setting = find.make("spurious", {"data": jsonl(tmp_path / "cebab.jsonl", rows)})
    for problem in setting.problems("request", 20, 1):
        label = setting.answer(problem, "elicited", random.Random(0))[-1].content
        assert (label in ("3", "4")) is problem.balanced.mentions


def test_other_studies_keep_their_texts_with_data() -> None:
    assert resolve("inoculation_sycophancy", data="x.jsonl").arms == STUDIES["inoculation_sycophancy"].arms
