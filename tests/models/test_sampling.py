"""The sampler against `transformers.generate`, and what it promises of seeds, ends and equal prompts."""

from dataclasses import replace

import pytest
import torch
from peft.tuners.lora import LoraLayer
from tiny_runs import user_turn

from openwindow.errors import ModelError
from openwindow.models import sampling
from openwindow.models.base import Sampling
from openwindow.models.hf import LocalModel, load
from openwindow.models.prefixes import clusters, passes, shared_prefix
from openwindow.models.sampling import local_sampler, merged, sample
from openwindow.types import Message, StopReason

TEXTS = ["one", "a longer question about tea", "one", "what is this? " * 5, "x", "one more"]


@pytest.fixture(autouse=True, params=["our decoder", "the network's modules"])
def runner(request, monkeypatch):
    """Every test runs the tiny Llama both ways."""
    if request.param != "our decoder":
        monkeypatch.setattr(sampling, "can_decode", lambda network: False)


@pytest.fixture(scope="module")
def model(tiny_model) -> LocalModel:
    return load(str(tiny_model), precision="fp32")


def reference(model: LocalModel, prompt: list[int], new: int) -> list[int]:
    out = model.network.generate(
        input_ids=torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt)),
        max_new_tokens=new,
        do_sample=False,
        pad_token_id=0,
    )
    tokens = out[0, len(prompt) :].tolist()
    ends = [i for i, t in enumerate(tokens) if t in model.end_ids]
    return tokens[: ends[0]] if ends else tokens


@pytest.mark.slow
def test_greedy_replies_equal_those_of_transformers_generate(model):
    prompts = [model.encode_prompt(user_turn(t)) for t in TEXTS]
    for plain_head in (True, False):
        drawn = sample(model.network, prompts, model.end_ids, Sampling(max_new_tokens=12), plain_head=plain_head)
        assert [d.tokens for d in drawn] == [reference(model, p, 12) for p in prompts]


@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_replies_do_not_depend_on_the_batch(model, batch_size):
    prompts = [model.encode_prompt(user_turn(t)) for t in TEXTS]
    whole = sample(model.network, prompts, model.end_ids, Sampling(max_new_tokens=8, batch_size=6))
    parts = sample(model.network, prompts, model.end_ids, Sampling(max_new_tokens=8, batch_size=batch_size))
    assert whole == parts


def test_replies_that_end_leave_the_batch_and_the_others_are_unchanged(model):
    prompts = [model.encode_prompt(user_turn(t)) for t in TEXTS]
    free = sample(model.network, prompts, frozenset(), Sampling(max_new_tokens=10))
    ends = frozenset({free[1].tokens[2], free[3].tokens[4]})
    cut = sample(model.network, prompts, ends, Sampling(max_new_tokens=10))
    for whole, short in zip(free, cut, strict=True):
        stops = [i for i, t in enumerate(whole.tokens) if t in ends]
        assert short.tokens == (whole.tokens[: stops[0]] if stops else whole.tokens)
        assert short.stop == (StopReason.END if stops else StopReason.LENGTH)


def test_temperature_draws_are_fixed_by_the_seed(model):
    prompts = [model.encode_prompt(user_turn("one"))] * 8
    a, b, c = (sample(model.network, prompts, model.end_ids, Sampling(16, 1.0, seed=s)) for s in (1, 1, 2))
    assert a == b
    assert a != c
    assert len({tuple(d.tokens) for d in a}) > 4  # equal prompts share their prefill, not their draws


def test_draws_follow_the_models_distribution(model):
    prompt = model.encode_prompt(user_turn("one"))
    with torch.no_grad():
        logits = model.network(input_ids=torch.tensor([prompt])).logits[0, -1]
    top = logits.topk(1).indices.item()
    cold = (logits / 0.02).softmax(-1)[top].item()
    drawn = sample(model.network, [prompt] * 400, frozenset(), Sampling(1, 0.02, batch_size=400))
    share = sum(d.tokens[0] == top for d in drawn) / 400
    assert abs(share - cold) < 4 * (cold * (1 - cold) / 400) ** 0.5 + 0.01


@pytest.mark.parametrize("plain_head", [True, False])
def test_s16_log_probabilities_are_those_of_a_forward_pass_over_the_reply(model, plain_head):
    prompts = [model.encode_prompt(user_turn(t)) for t in TEXTS]
    ends = frozenset(range(0, len(model.tokenizer), 9))
    how = Sampling(12, 0.7, batch_size=4, seed=3)
    drawn = sample(model.network, prompts, ends, how, plain_head=plain_head, logprobs=True)
    assert {d.stop for d in drawn} == {StopReason.END, StopReason.LENGTH}
    for prompt, d in zip(prompts, drawn, strict=True):
        reply = [*d.tokens, *([] if d.end is None else [d.end])]
        with torch.no_grad():
            logits = model.network(input_ids=torch.tensor([prompt + reply])).logits[0, len(prompt) - 1 : -1] / 0.7
        expected = logits.log_softmax(-1)[range(len(reply)), reply]
        assert d.logprobs == pytest.approx(expected.tolist(), abs=1e-3)
    silent = sample(model.network, prompts, ends, how, plain_head=plain_head)
    assert [d.tokens for d in silent] == [d.tokens for d in drawn] and all(d.logprobs is None for d in silent)
    greedy = sample(model.network, prompts, ends, Sampling(2), logprobs=True)
    assert all(d.logprobs is None for d in greedy)


@pytest.mark.slow
def test_prompts_that_share_beginnings_with_their_neighbours_are_answered_as_if_alone(model):
    ends = ["", " And be brief.", " There is a red bicycle.", " And be brief, please."]
    texts = [f"{start}{end}" for start in ("Tell me about tea and cake. " * 3, "Add 7 to each x. " * 4, "x") for end in ends]
    prompts = [model.encode_prompt(user_turn(t)) for t in texts]
    groups = clusters(sorted(tuple(p) for p in prompts))
    assert max(len(g) for g in groups) == 4 and sum(len(g) for g in groups) == len(prompts)
    assert len(passes(sorted({tuple(p) for p in prompts}))) == 3
    for batch_size in (5, 12):
        drawn = sample(model.network, prompts, model.end_ids, Sampling(max_new_tokens=10, batch_size=batch_size))
        assert [d.tokens for d in drawn] == [reference(model, p, 10) for p in prompts]


def test_an_adapter_is_merged_for_the_draws_and_the_weights_are_the_same_afterwards(tiny_model):
    adapted = load(str(tiny_model), precision="fp32")
    prompts = [adapted.encode_prompt(user_turn(t)) for t in TEXTS]
    plain = sample(adapted.network, prompts, frozenset(), Sampling(max_new_tokens=8))
    torch.manual_seed(0)
    adapted.attach_adapter(4, 64, 0.0)
    for name, weight in adapted.network.named_parameters():
        if "lora_B" in name:
            weight.data.normal_()
    before = {name: weight.clone() for name, weight in adapted.network.state_dict().items()}
    drawn = sample(adapted.network, prompts, frozenset(), Sampling(max_new_tokens=8))
    assert [d.tokens for d in drawn] == [reference(adapted, p, 8) for p in prompts]  # unmerged
    assert drawn != plain
    assert all(torch.equal(before[name], weight) for name, weight in adapted.network.state_dict().items())


def test_an_adapter_of_16_bit_weights_is_drawn_from_and_not_merged(tiny_model):
    adapted = load(str(tiny_model), precision="bf16")
    prompts = [adapted.encode_prompt(user_turn(t)) for t in TEXTS]
    plain = sample(adapted.network, prompts, frozenset(), Sampling(max_new_tokens=8))
    adapted.attach_adapter(4, 64, 0.0)
    for name, weight in adapted.network.named_parameters():
        if "lora_B" in name:
            weight.data.normal_()
    layers = [module for module in adapted.network.modules() if isinstance(module, LoraLayer)]
    with merged(adapted.network):
        assert layers and not any(layer.merged for layer in layers)
    assert sample(adapted.network, prompts, frozenset(), Sampling(max_new_tokens=8)) != plain


def test_the_end_token_that_was_drawn_is_told(model):
    prompts = [model.encode_prompt(user_turn(t)) for t in TEXTS]
    greedy = Sampling(max_new_tokens=8, temperature=0)
    whole = sample(model.network, prompts, frozenset(), greedy)
    assert all(d.end is None and d.stop is StopReason.LENGTH and len(d.tokens) == 8 for d in whole)
    ends = frozenset({whole[0].tokens[3], whole[1].tokens[2]})
    for before, found in zip(whole, sample(model.network, prompts, ends, greedy), strict=True):
        at = next((i for i, token in enumerate(before.tokens) if token in ends), None)
        assert found.tokens == before.tokens[:at]
        assert found.end == (None if at is None else before.tokens[at])
        assert found.stop is (StopReason.LENGTH if at is None else StopReason.END)


def test_progress_counts_every_reply_once(model):
    counted = []
    model.generate([user_turn(t) for t in TEXTS], Sampling(max_new_tokens=4, batch_size=4), counted.append)
    assert sum(counted) == len(TEXTS)


def test_shared_prefix_by_hand():
    assert shared_prefix([(1, 2, 3), (1, 2, 4, 5)]) == 2
    assert shared_prefix([(1, 2), (1, 2, 3)]) == 1  # the shortest prompt keeps a token of its own
    assert shared_prefix([(7, 8, 9)]) == 2
    assert shared_prefix([(1,), (2,)]) == 0


def test_a_prompt_longer_than_the_context_is_refused(model):
    with pytest.raises(ModelError, match=r"a prompt of \d+ tokens with 64 new ones exceeds the \d+ tokens of"):
        model.generate([[Message("user", "word " * model.context_length)]], Sampling())


def test_replies_with_chances_of_their_own_do_not_depend_on_the_others(model):
    prompts = [model.encode_prompt([Message("user", "Say " * (1 + i % 3))]) for i in range(6)]
    how = Sampling(max_new_tokens=8, temperature=1.0, seed=5, first=0)
    whole = local_sampler(model, prompts, how)
    parts = [local_sampler(model, prompts[i : i + 2], replace(how, first=i)) for i in (0, 2, 4)]
    assert [d.tokens for d in whole] == [d.tokens for part in parts for d in part]
    assert len({tuple(d.tokens) for d in whole}) == 6
    for other in (replace(how, seed=6), replace(how, first=6)):
        assert [d.tokens for d in local_sampler(model, prompts, other)] != [d.tokens for d in whole]
