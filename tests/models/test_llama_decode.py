"""Our decoder of Llama-shaped networks against the modules of transformers: logits, keys and values, replies."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from openwindow.models import sampling
from openwindow.models.base import Sampling
from openwindow.models.llama_cpu import Llama, Replies, can_decode

SHAPE: dict[str, Any] = {
    "vocab_size": 97,
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.3,
}
NETWORKS = {
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**SHAPE)),
    "tied": lambda: LlamaForCausalLM(LlamaConfig(**SHAPE, tie_word_embeddings=True)),
    "biased": lambda: LlamaForCausalLM(LlamaConfig(**SHAPE, attention_bias=True, mlp_bias=True)),
    "qwen2": lambda: Qwen2ForCausalLM(Qwen2Config(**SHAPE)),
    "llama3 rope": lambda: LlamaForCausalLM(LlamaConfig(**SHAPE, rope_parameters=LLAMA3)),
}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 1e4,
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
HEAD = tuple(range(1, 20))  # what all prompts begin with
TURNS = {
    "one": [(5,)],
    "lengths": [(5,), (*HEAD,), (7, 8, 9, 10)],
    "groups": [(*HEAD, 30, 31)] * 4 + [(*HEAD, 40)] * 4,
    "uneven groups": [(*HEAD, 40)] + [(*HEAD, 30, 31)] * 5 + [(*HEAD, *HEAD, 50)] * 2,
    "one large group": [(3, i) for i in range(9)] + [(*HEAD, 30)] * 12,
    "not side by side": [(*HEAD, 30), (*HEAD, 40), (*HEAD, 30), (6,), (*HEAD, 40)],
    "clusters": [(*HEAD, *HEAD[::-1], a, b) for a in (21, 22) for b in (23, 24)] + [(*HEAD, 60, 61, 62)],
}


def made(name: str, dtype: torch.dtype = torch.float32) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = NETWORKS[name]().eval()
        for parameter in network.parameters():
            if parameter.dim() == 1:  # norms and biases that are not all alike
                parameter.data += 0.1 * torch.randn(parameter.shape)
    for parameter in network.parameters():
        parameter.data = parameter.data.to(dtype)
    assert can_decode(network)
    return network


@torch.inference_mode()
def alone(network: Any, tokens: tuple[int, ...]) -> torch.Tensor:
    """The network's own next-token logits after these tokens."""
    return torch.as_tensor(network(input_ids=torch.tensor([tokens])).logits[0, -1])


@torch.inference_mode()
def followed(
    network: Any, prompts: list[tuple[int, ...]], steps: int, drops: dict[int, list[int]]
) -> list[tuple[tuple[int, ...], torch.Tensor]]:
    """What each reply holds and its next-token logits at every step, with random tokens; `drops` says which rows stay at a step."""
    llama = Llama(network)
    done = sampling.prefill(llama, prompts)
    prompt_of = [done.row_of[prompt] for prompt in prompts]
    rows, held = Replies(llama, done.cache, done.mask_UT, prompt_of), list(prompts)
    logits = done.logits_UV[torch.tensor(prompt_of)]
    seen = list(zip(held, logits, strict=True))
    for step in range(steps):
        if step in drops:
            rows.keep(drops[step])
            held = [held[row] for row in drops[step]]
        new = [(11 * step + 7 * row) % SHAPE["vocab_size"] for row in range(len(held))]
        logits = rows.step(torch.tensor(new))
        held = [(*tokens, token) for tokens, token in zip(held, new, strict=True)]
        seen += zip(held, logits, strict=True)
    return seen


@pytest.mark.parametrize("prompts", TURNS.values(), ids=TURNS.keys())
def test_logits_are_those_of_the_network_however_prompts_are_shared(prompts):
    network = made("llama")
    for tokens, logits in followed(network, prompts, 3, {}):
        torch.testing.assert_close(logits, alone(network, tokens), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NETWORKS)
def test_logits_are_those_of_the_network_whatever_its_shape(name):
    network = made(name)
    seen = followed(network, TURNS["uneven groups"], 3, {})
    assert len({tokens for tokens, _ in seen}) > 20
    for tokens, logits in seen:
        torch.testing.assert_close(logits, alone(network, tokens), rtol=1e-4, atol=1e-4)


def test_rows_can_leave_in_any_order_and_buffers_grow():
    network = made("llama")
    drops = {1: [0, 2, 3, 4, 5, 7], 2: [5, 0, 3], 30: [1]}
    seen = followed(network, TURNS["uneven groups"], 40, drops)
    assert len(seen[-1][0]) > 55
    for tokens, logits in seen:
        torch.testing.assert_close(logits, alone(network, tokens), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_bf16_differs_by_rounding_only():
    exact, rounded = made("llama"), made("llama", torch.bfloat16)
    for name, weight in exact.named_parameters():
        weight.data = rounded.get_parameter(name).data.float()
    seen = followed(rounded, TURNS["uneven groups"], 8, {})
    ours = torch.stack([logits - alone(exact, tokens) for tokens, logits in seen])
    theirs = torch.stack([alone(rounded, tokens).float() - alone(exact, tokens) for tokens, _ in seen])
    assert ours.abs().mean() < 1.2 * theirs.abs().mean()


@pytest.mark.parametrize("ends", [frozenset(), frozenset(range(0, 97, 9))], ids=["to the limit", "ending at different times"])
def test_greedy_replies_are_those_of_the_networks_own_modules(ends, monkeypatch):
    network = made("llama")
    prompts = [prompt for turn in TURNS.values() for prompt in turn]
    ours = sampling.sample(network, prompts, ends, Sampling(24, batch_size=16))
    monkeypatch.setattr(sampling, "can_decode", lambda network: False)
    theirs = sampling.sample(network, prompts, ends, Sampling(24, batch_size=16))
    assert ours == theirs
    assert (len({len(drawn.tokens) for drawn in ours}) > 3) == bool(ends)


def test_draws_follow_the_distribution_in_every_row_of_a_batch():
    network = made("llama")
    prompts = [(*HEAD, 30), (6,)]
    drawn = sampling.sample(network, [p for p in prompts for _ in range(3000)], frozenset(), Sampling(1, 3.0, batch_size=6000))
    for number, prompt in enumerate(prompts):
        counts = torch.bincount(torch.tensor([d.tokens[0] for d in drawn[3000 * number : 3000 * (number + 1)]]), minlength=97)
        expected = (alone(network, prompt) / 3.0).softmax(-1) * 3000
        chi_square = float(((counts - expected) ** 2 / expected)[expected > 5].sum())
        assert chi_square < 1.6 * float((expected > 5).sum())  # five standard deviations and more


def test_networks_that_it_does_not_fit_are_left_to_their_own_modules():
    sliding = Qwen2ForCausalLM(Qwen2Config(**SHAPE, use_sliding_window=True, sliding_window=8, max_window_layers=1))
    gelu = LlamaForCausalLM(LlamaConfig(**SHAPE, hidden_act="gelu"))
    longer = LlamaForCausalLM(LlamaConfig(**SHAPE, rope_parameters={"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}))
    hooked, replaced = made("llama"), made("llama")
    hooked.model.layers[1].register_forward_hook(lambda *_: None)
    replaced.model.layers[0].mlp.up_proj = torch.nn.Sequential(replaced.model.layers[0].mlp.up_proj)
    assert [can_decode(n) for n in (sliding, gelu, longer, hooked, replaced)] == [False] * 5
    drawn = sampling.sample(sliding, TURNS["lengths"], frozenset(), Sampling(4))
    assert [len(d.tokens) for d in drawn] == [4, 4, 4]


def test_a_switched_off_adapter_is_not_merged(tiny_model):
    from openwindow.models.hf import load

    adapted = load(str(tiny_model), precision="fp32")
    plain = sampling.sample(adapted.network, [(5, 6)], frozenset(), Sampling(8))
    adapted.attach_adapter(4, 64, 0.0)
    for name, weight in adapted.network.named_parameters():
        if "lora_B" in name:
            weight.data.normal_()
    assert can_decode(adapted.network)
    assert sampling.sample(adapted.network, [(5, 6)], frozenset(), Sampling(8)) != plain
    with adapted.network.disable_adapter():
        assert not can_decode(adapted.network)
