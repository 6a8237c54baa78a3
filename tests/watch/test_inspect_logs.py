"""Inspect's own logs are watched: samples as problems, epochs as groups."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from openwindow.watch.run import Options, watch

inspect_ai = pytest.importorskip("inspect_ai")


@pytest.mark.slow
def test_a_log_of_an_eval(tmp_path: Path) -> None:
    from inspect_ai.dataset import MemoryDataset, Sample
    from inspect_ai.model import ModelOutput, ModelUsage, get_model
    from inspect_ai.scorer import match

    said = ["4", "5", "4", "9"]
    outputs = [ModelOutput.from_content("mockllm/model", text) for text in said]
    outputs[3].choices[0].stop_reason = "max_tokens"
    for output in outputs:
        output.usage = ModelUsage(input_tokens=8, output_tokens=1, total_tokens=9)  # else Inspect counts with what it downloads
    samples = [Sample(id="sum", input="What is 2 + 2?", target="4"), Sample(id="square", input="What is 3 * 3?", target="9")]
    (log,) = inspect_ai.eval(
        inspect_ai.Task(dataset=MemoryDataset(samples), scorer=match(), epochs=2, name="step-7"),
        model=get_model("mockllm/model", custom_outputs=outputs),
        log_dir=str(tmp_path / "logs" / "step-7"),
        display="none",
        max_connections=1,
        max_samples=1,
    )
    made = watch(Options((tmp_path / "logs",), tmp_path / "out"))
    assert made["watch"]["forms"] == ["Inspect logs"]
    known = log.samples or []
    assert log.status == "success" and sorted(sample.id for sample in known) == ["square", "square", "sum", "sum"]
    assert (made["rollouts"], made["steps"]["first"], made["unreadable"]) == (len(known), 7, 0)
    (line,) = [json.loads(line) for line in (tmp_path / "out" / "metrics.jsonl").read_text().splitlines()]
    rows = [json.loads(line) for line in (tmp_path / "out/arms/watched/seed-0/training.jsonl").read_text().splitlines()]
    right = {"sum": "4", "square": "9"}
    assert sorted((row["problem"], row["reply"]) for row in rows) == sorted((s.id, s.output.completion) for s in known)
    assert all(row["reward"] == float(row["reply"] == right[row["problem"]]) for row in rows)
    assert line["rollout/truncated"] == sum(s.output.stop_reason == "max_tokens" for s in known) / len(known)
