"""Parquet, folders and data sets of the hub, read as a user's rows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tiny_runs import jsonl

from openwindow.data.dataset import read
from openwindow.errors import DataError


def test_parquet_and_folders(tmp_path: Path) -> None:
    datasets, parquet = pytest.importorskip("datasets"), pytest.importorskip("pyarrow.parquet")
    rows = [{"prompt": f"ask {n}", "completion": f"reply {n}", "score": float("nan")} for n in range(3)]
    made = datasets.Dataset.from_list(rows)
    parquet.write_table(made.data.table, tmp_path / "rows.parquet")
    made.save_to_disk(str(tmp_path / "saved"))
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "train.jsonl").write_bytes(jsonl(*[{**row, "score": 1.0} for row in rows]))
    (tmp_path / "hub" / "test.jsonl").write_bytes(jsonl({"prompt": "other", "completion": "other", "score": 1.0}))
    forms = {"rows.parquet": "Parquet", "saved": "folder", "hub": "folder, split train; not read: test", "hub:train": "folder"}
    for name in forms:
        data = read(str(tmp_path / name))
        assert [data.conversation(n)[0].content for n in range(3)] == ["ask 0", "ask 1", "ask 2"] and len(data) == 3
        assert data.summary()["form"] == forms[name]
    other = read(str(tmp_path / "hub:test"))
    assert len(other) == 1 and other.conversation(0)[0].content == "other" and other.where(0).endswith("hub:test row 1")
    with pytest.raises(DataError, match="has the splits train, test; expected 'dev' among them; name one"):
        read(str(tmp_path / "hub:dev"))
    with pytest.raises(DataError, match="saved has no splits, but 'test'"):
        read(str(tmp_path / "saved:test"))
    with pytest.raises(DataError, match="saved has no configurations, but 'main'"):
        read(str(tmp_path / "saved:main:test"))


def test_a_data_set_of_the_hub_by_name_configuration_and_split(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `load_dataset` gives it: splits by name. The dot in a name begins no suffix."""
    datasets = pytest.importorskip("datasets")
    asked: list[tuple[str, str | None]] = []

    def load_dataset(name: str, config: str | None = None) -> Any:
        asked.append((name, config))
        parts = {split: [{"prompt": f"{split} {n}", "completion": "b"} for n in range(2)] for split in ("validation", "test")}
        return datasets.DatasetDict({split: datasets.Dataset.from_list(rows) for split, rows in parts.items()})

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    for name, first in (("teknium/OpenHermes-2.5:test", "test 0"), ("a/b.c:main:validation", "validation 0")):
        data = read(name)
        assert data.conversation(0)[0].content == first and data.lines.form == "hub data set" and len(data) == 2
    assert asked == [("teknium/OpenHermes-2.5", None), ("a/b.c", "main")]
    with pytest.raises(DataError, match=r"has the splits validation, test; .*; write .*2\.5:validation"):
        read("teknium/OpenHermes-2.5")
    with pytest.raises(DataError, match=r"a/b\.jsonl does not exist"):
        read("a/b.jsonl")
    assert len(asked) == 3


def test_parquet_with_values_that_python_has_none_for(tmp_path: Path) -> None:
    parquet, pyarrow = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow")
    broken = pyarrow.Array.from_buffers(
        pyarrow.string(), 1, [None, pyarrow.py_buffer(b"\0\0\0\0\1\0\0\0"), pyarrow.py_buffer(b"\xff")]
    )
    far = pyarrow.array([10**15], pyarrow.int64()).cast(pyarrow.timestamp("s"))
    for name, column in (("broken", broken), ("far", far)):
        table = pyarrow.table({"prompt": ["a"], "completion": ["b"], name: column})
        parquet.write_table(table, tmp_path / f"{name}.parquet")
        with pytest.raises(DataError, match=rf"{name}\.parquet has a value that cannot be read \(.*fix or drop the column"):
            read(str(tmp_path / f"{name}.parquet"))


def test_a_folder_in_the_layout_of_the_hub(tmp_path: Path) -> None:
    """Parquet shards under data/, and configurations named in the card."""
    pytest.importorskip("datasets")
    parquet, pyarrow = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow")
    for config in ("easy", "hard"):
        for part, place in enumerate(("train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001")):
            (tmp_path / "set" / config).mkdir(parents=True, exist_ok=True)
            rows = [{"prompt": f"{config} {part}.{n}", "completion": "b", "tags": ["x", None], "meta": {"id": n}} for n in range(2)]
            parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "set" / config / f"{place}.parquet")
    files = "- config_name: {0}\n  data_files:\n  - {{split: train, path: {0}/train-*}}\n  - {{split: test, path: {0}/test-*}}\n"
    card = "---\nconfigs:\n" + "".join(files.format(config) for config in ("easy", "hard"))
    (tmp_path / "set" / "README.md").write_text(f"{card}---\n", encoding="utf-8")
    data = read(f"{tmp_path}/set:hard:train")
    assert [data.conversation(n)[0].content for n in range(4)] == ["hard 0.0", "hard 0.1", "hard 1.0", "hard 1.1"] and len(
        data
    ) == 4
    assert data.record(3) == {"prompt": "hard 1.1", "completion": "b", "tags": ["x", None], "meta": {"id": 1}}  # carried through
    with pytest.raises(DataError, match=r"easy.*hard"):  # which configuration is not guessed
        read(f"{tmp_path}/set:train")


@pytest.mark.parametrize(
    "row",
    [
        '{"prompt": "a",\r\n "prompt": "b", "completion": "c"}',
        '{"prompt": "a", "completion": "b",\n "score": NaN}',
        '{"prompt": "\\ud83d", "completion": "b"}',
        '{"prompt": "",\n "completion": "b"}',
    ],
)
def test_an_item_of_an_array_is_refused_as_a_line_of_jsonl_is(row: str, tmp_path: Path) -> None:
    good = '{"prompt": "x",\n "completion": "y", "big": 12345678901234567890.123456789012345678901}'
    (tmp_path / "array.json").write_text(f"[{good},\n{row}]", encoding="utf-8")
    (tmp_path / "lines.jsonl").write_text("\n".join(" ".join(one.split()) for one in (good, row)), encoding="utf-8")
    said = []
    for name in ("array.json", "lines.jsonl"):
        with pytest.raises(DataError) as found:
            read(str(tmp_path / name))
        said.append(re.sub(r"\brow\b", "line", str(found.value).replace(name, "FILE")))
        left = read(str(tmp_path / name), skip_bad=True)
        assert len(left) == 1 and sum(left.dropped.values()) == 1
        left.lines.file.seek(left.places[0])
        assert b"12345678901234567890.123456789012345678901" in left.lines.file.readline()
        left.lines.file.close()
    assert said[0] == said[1]
