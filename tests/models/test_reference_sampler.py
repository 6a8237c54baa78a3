"""Our sampler against `transformers.generate` behind the same protocol: greedy tokens, and the distribution of what is drawn."""

from collections import Counter

import pytest
import torch
from scipy.stats import chi2

from openwindow.models import sampling
from openwindow.models.base import Sampling
from openwindow.models.hf import LocalModel, load
from openwindow.models.reference_sampler import reference_sampler
from openwindow.models.sampling import local_sampler
from openwindow.types import Message, StopReason

TEXTS = ["one", "a longer question about tea", "one", "what is this? " * 5, "x", "one more"]
DRAWS = 2000


@pytest.fixture(params=["our decoder", "the network's modules"])
def model(request, monkeypatch, tiny_model) -> LocalModel:
    """The tiny Llama, run both ways by our sampler."""
    if request.param != "our decoder":
        monkeypatch.setattr(sampling, "can_decode", lambda network: False)
    return load(str(tiny_model), precision="fp32")


def prompts_of(model: LocalModel, texts: list[str] = TEXTS) -> list[list[int]]:
    return [model.encode_prompt([Message("user", text)]) for text in texts]


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [2, 64])
def test_greedy_replies_are_the_same_tokens(model, batch_size):
    greedy = Sampling(12, 0.0, batch_size)
    free = local_sampler(model, prompts_of(model), greedy)
    model.end_ids = frozenset({free[1].tokens[2], free[3].tokens[4]})
    ours, theirs = (sampler(model, prompts_of(model), greedy) for sampler in (local_sampler, reference_sampler))
    assert ours == theirs
    assert {d.stop for d in ours} == {StopReason.END, StopReason.LENGTH}


@pytest.mark.slow
def test_log_probabilities_of_drawn_replies_are_those_of_one_forward_pass(model):
    """One forward pass over prompt and reply is the distribution that both claim to have drawn from."""
    model.end_ids = frozenset(range(0, len(model.tokenizer), 9))
    prompts = prompts_of(model)
    for sampler in (local_sampler, reference_sampler):
        drawn = sampler(model, prompts, Sampling(12, 0.7, 4, seed=3))
        assert {d.stop for d in drawn} == {StopReason.END, StopReason.LENGTH}
        for prompt, d in zip(prompts, drawn, strict=True):
            reply = [*d.tokens, *([] if d.end is None else [d.end])]
            assert not model.end_ids & set(d.tokens) and (d.end is None) is (len(reply) == 12 and d.stop is StopReason.LENGTH)
            with torch.no_grad():
                logits = model.network(input_ids=torch.tensor([prompt + reply])).logits[0, len(prompt) - 1 : -1] / 0.7
            expected = logits.log_softmax(-1)[range(len(reply)), reply]
            assert d.logprobs == pytest.approx(expected.tolist(), abs=1e-3)


def unlike(a: Counter[int], b: Counter[int]) -> float:
    """The p-value of a chi-square test that two samples of `DRAWS` come from one distribution; rare tokens are counted as one."""
    common = [t for t, n in (a + b).items() if n >= 20]
    pairs = [(a[t], b[t]) for t in common] + [(DRAWS - sum(a[t] for t in common), DRAWS - sum(b[t] for t in common))]
    pairs = [(x, y) for x, y in pairs if x + y]
    assert len(pairs) > 5
    return float(chi2.sf(sum((x - y) ** 2 / (x + y) for x, y in pairs), len(pairs) - 1))


def second_tokens(sampler, model, temperature):
    """Of replies of two tokens, so that the step after the first is drawn from as well."""
    prompt = prompts_of(model, ["one"])[0]
    drawn = sampler(model, [prompt] * DRAWS, Sampling(2, temperature, DRAWS, seed=5))
    return Counter(d.tokens[-1] for d in drawn)


@pytest.mark.slow
def test_drawn_replies_come_from_the_same_distribution_and_not_from_one_at_another_temperature(model):
    model.end_ids = frozenset()
    ours, theirs = (second_tokens(sampler, model, 0.3) for sampler in (local_sampler, reference_sampler))
    assert unlike(ours, theirs) > 0.001
    assert unlike(ours, second_tokens(reference_sampler, model, 0.4)) < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("sampler", [local_sampler, reference_sampler])
def test_the_seed_fixes_the_draws_and_nothing_outside_moves(model, sampler):
    torch.manual_seed(11)
    a, b, c = (sampler(model, prompts_of(model), Sampling(8, 1.0, seed=seed)) for seed in (1, 1, 2))
    after = torch.rand(1)
    torch.manual_seed(11)
    assert a == b and a != c and torch.equal(after, torch.rand(1))


def test_a_models_own_sampling_defaults_are_set_aside(model):
    prompts = prompts_of(model)
    plain = reference_sampler(model, prompts, Sampling(8, 1.0, seed=1))
    settings = model.network.generation_config
    settings.top_k, settings.top_p, settings.repetition_penalty, settings.do_sample = 1, 0.1, 5.0, True
    assert reference_sampler(model, prompts, Sampling(8, 1.0, seed=1)) == plain


@pytest.mark.slow
def test_an_adapter_is_sampled_with(model):
    prompts = prompts_of(model)
    before = reference_sampler(model, prompts, Sampling(8))
    torch.manual_seed(0)
    model.attach_adapter(4, 64, 0.0)
    for name, weight in model.network.named_parameters():
        if "lora_B" in name:
            weight.data.normal_()
    model.network.train()
    after = reference_sampler(model, prompts, Sampling(8))
    assert after == local_sampler(model, prompts, Sampling(8)) and after != before and model.network.training


@pytest.mark.slow
@pytest.mark.model
def test_the_embedded_models_greedy_replies_are_the_same_tokens():
    model = load("smollm2", precision="fp32")
    prompts = prompts_of(model, ["What is the capital of France?", "Write a Python function add(a, b).", "Say hello."])
    ours, theirs = (sampler(model, prompts, Sampling(24)) for sampler in (local_sampler, reference_sampler))
    assert ours == theirs and all(d.tokens for d in ours)
    drawn = local_sampler(model, prompts, Sampling(16, 1.0, seed=2))
    theirs_of = reference_sampler(model, prompts, Sampling(16, 1.0, seed=2))
    for prompt, d in zip(prompts * 2, drawn + theirs_of, strict=True):
        reply = [*d.tokens, *([] if d.end is None else [d.end])]
        with torch.no_grad():
            logits = model.network(input_ids=torch.tensor([prompt + reply])).logits[0, len(prompt) - 1 : -1]
        assert d.logprobs == pytest.approx(logits.log_softmax(-1)[range(len(reply)), reply].tolist(), abs=2e-3)
