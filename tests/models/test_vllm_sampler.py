"""What is handed to vLLM is the policy itself: a stand-in with its interface draws from the folders that it is given."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from openwindow.errors import ConfigError, ModelError
from openwindow.models.base import Sampling
from openwindow.models.hf import LocalModel, load
from openwindow.models.sampling import sample
from openwindow.models.scoring import Group, completion_logits
from openwindow.models.vllm_sampler import VLLMSampler
from openwindow.training.advantages import token_logprobs
from openwindow.types import Message, StopReason

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread"), pytest.mark.filterwarnings("ignore")]
HOW = Sampling(max_new_tokens=6, temperature=0.8, seed=4)


@dataclass(frozen=True)
class Request:
    """vLLM's `LoRARequest`."""

    name: str
    number: int
    path: str


class LLM:
    """vLLM's `LLM`: the weights and the adapter come from their folders alone."""

    started: list[dict[str, Any]]
    requests: list[Request]
    handed: dict[str, torch.Tensor]

    def __init__(self, **given: Any) -> None:
        self.started.append(given)
        self.model = load(given["model"], {"float32": "fp32", "bfloat16": "bf16"}[given["dtype"]], "cpu")

    def generate(self, prompts: Any, settings: Any, *, lora_request: Request, use_tqdm: bool) -> list[Any]:
        assert use_tqdm is False and lora_request.number not in [r.number for r in self.requests]
        self.requests.append(lora_request)
        self.model.attach_saved_adapter(Path(lora_request.path))
        LLM.handed = weights_of(self.model)
        made = []
        for prompt, one in zip(prompts, settings, strict=True):
            assert (one.top_p, one.top_k, one.logprobs, one.detokenize) == (1.0, -1, 0, False)
            how = Sampling(one.max_tokens, one.temperature, 1, one.seed)
            [drawn] = sample(self.model.network, [prompt["prompt_token_ids"]], frozenset(one.stop_token_ids), how, logprobs=True)
            tokens = drawn.tokens if drawn.end is None else [*drawn.tokens, drawn.end]
            chances = [{t: SimpleNamespace(logprob=p)} for t, p in zip(tokens, drawn.logprobs or [], strict=True)]
            reason = "length" if drawn.end is None else "stop"
            made.append(SimpleNamespace(outputs=[SimpleNamespace(token_ids=tokens, logprobs=chances, finish_reason=reason)]))
        self.model.detach_adapter(merge=False)
        return made


def weights_of(model: LocalModel) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in model.network.named_parameters()}


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> type[LLM]:
    LLM.started, LLM.requests = [], []
    package, lora, request = ModuleType("vllm"), ModuleType("vllm.lora"), ModuleType("vllm.lora.request")
    vars(package).update(LLM=LLM, SamplingParams=SimpleNamespace)
    vars(request).update(LoRARequest=Request)
    for name, module in (("vllm", package), ("vllm.lora", lora), ("vllm.lora.request", request)):
        monkeypatch.setitem(sys.modules, name, module)
    return LLM


def policy(folder: Path, precision: Any) -> LocalModel:
    model = load(str(folder), precision, "cpu")
    model.end_ids = frozenset(range(0, 49152, 7))
    torch.manual_seed(0)
    model.attach_adapter(4, 8, 0.0)
    _moved(model)
    return model


def _moved(model: LocalModel) -> None:
    """A small step of the adapter, most of which is lost where it is merged into 16-bit weights."""
    with torch.no_grad():
        for name, weight in model.network.named_parameters():
            if "lora_B" in name:
                weight += torch.randn_like(weight) * 0.01


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_what_is_drawn_is_the_policy_after_every_step(tiny_model: Path, vllm: type[LLM], precision: Any) -> None:
    model = policy(tiny_model, precision)
    prompts = [model.encode_prompt([Message("user", text)]) for text in ["one", "two", "three", "four", "five", "six", "seven"] * 2]
    with VLLMSampler() as sampler:
        folder = sampler._folder
        before = sampler(model, prompts, HOW)
        assert [d.tokens for d in sampler(model, prompts, HOW)] == [d.tokens for d in before]
        assert [d.tokens for d in sampler(model, prompts, replace(HOW, seed=5))] != [d.tokens for d in before]
        _moved(model)
        after = sampler(model, prompts, HOW)
        assert len(list(folder.glob("adapter-*"))) == 1
    assert not folder.exists() and vllm.handed.keys() == weights_of(model).keys()
    assert all(torch.equal(weight, vllm.handed[name]) for name, weight in weights_of(model).items())
    assert len(vllm.started) == 1 and [r.number for r in vllm.requests] == [1, 2, 3, 4]
    assert vllm.started[0]["logprobs_mode"] == "processed_logprobs" and vllm.started[0]["max_lora_rank"] >= 4
    assert {d.stop for d in after} == {StopReason.END, StopReason.LENGTH}
    completions = [tuple(d.tokens if d.end is None else [*d.tokens, d.end]) for d in after]
    groups = [Group(tuple(p), (c,)) for p, c in zip(prompts, completions, strict=True)]
    with torch.no_grad():
        now = token_logprobs(*completion_logits(model.network, groups, model.device, True), HOW.temperature)
    gap = now - torch.tensor([p for d in after for p in d.logprobs or []])
    assert float(gap.abs().mean()) < {"fp32": 1e-4, "bf16": 0.5}[precision]


def test_what_cannot_be_handed_over(tiny_model: Path, vllm: type[LLM]) -> None:
    model = load(str(tiny_model), "fp32", "cpu")
    with VLLMSampler() as sampler, pytest.raises(ConfigError, match="--sampler vllm with method `full`"):
        sampler(model, [[1, 2]], HOW)
    model = policy(tiny_model, "fp32")
    model.context_length = 10
    with VLLMSampler() as sampler:
        sampler(model, [[1, 2]], HOW)
        with pytest.raises(ModelError, match="may have 11 tokens, more than the 10"):
            sampler(model, [[1] * 5], HOW)


def test_without_vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(ConfigError, match=r"needs vllm, which is not installed here; .* pip install \"openwindow\[vllm\]\""):
        VLLMSampler()
