"""Our own forward and backward pass of a Llama-shaped decoder with LoRA against the modules of transformers and PEFT."""

import copy
import random
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from openwindow.models import llama_gradient
from openwindow.models.examples import Example
from openwindow.models.hf import LocalModel, load
from openwindow.models.llama_gradient import can_run
from openwindow.models.scoring import Group, completion_logits, response_logits
from openwindow.models.token_tree import Heads, TokenTree
from openwindow.training.config import SFT
from openwindow.training.sft import train
from openwindow.types import Message

CPU = torch.device("cpu")
SHAPE: dict[str, Any] = {
    "vocab_size": 160,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.1,
    "attn_implementation": "eager",
}


def adapted(kind: str = "llama", dtype: torch.dtype = torch.float32, **options: Any) -> Any:
    """A network whose norms, biases and adapters are not what they are initialised to, in training mode."""
    torch.manual_seed(0)
    plain = LlamaForCausalLM(LlamaConfig(**SHAPE)) if kind == "llama" else Qwen2ForCausalLM(Qwen2Config(**SHAPE))
    for weight in plain.parameters():
        if weight.dim() == 1:
            weight.data += 0.1 * torch.randn_like(weight)
    lora = {"r": 4, "lora_alpha": 6, "target_modules": "all-linear", "task_type": "CAUSAL_LM"} | options
    network = get_peft_model(plain.to(dtype), LoraConfig(**lora), autocast_adapter_dtype=False)
    for name, weight in network.named_parameters():
        if "lora_B" in name:
            weight.data = 0.1 * torch.randn_like(weight)
    return network.train()


def drawn(rng: random.Random, count: int) -> tuple[int, ...]:
    return tuple(rng.randrange(160) for _ in range(count))


def rows_and_groups() -> tuple[list[Example], list[Group]]:
    """Rows with a common beginning, three prompts, equal rows, gaps and no two lengths alike; and groups of the same prompts."""
    rng = random.Random(1)
    first = drawn(rng, 12)
    prompts = [first + drawn(rng, count) for count in (9, 15, 1)]
    rows = [Example(prompt + drawn(rng, count), len(prompt)) for prompt in prompts for count in (1, 11)]
    gap = len(prompts[0]) + 3
    rows += [Example(prompts[0] + drawn(rng, 20), len(prompts[0]), ((gap, gap + 5),)), rows[1]]
    return rows, [Group(prompt, (drawn(rng, 5), drawn(rng, 1), drawn(rng, 9))) for prompt in prompts]


def gradients(network: Any, what: str) -> tuple[float, dict[str, torch.Tensor]]:
    """The loss on rows or groups, and the gradient of each adapter's weights."""
    network.zero_grad()
    rows, groups = rows_and_groups()
    asked = {"rows": rows, "one": rows[6:7], "equal": [rows[0], rows[0]]}
    logits_NV, targets_N = (
        completion_logits(network, groups, CPU, True) if what == "groups" else response_logits(network, asked[what], CPU, True)
    )
    loss = torch.nn.functional.cross_entropy(logits_NV.float(), targets_N, reduction="sum")
    torch.autograd.backward(loss)
    return float(loss.detach()), {name: w.grad.float() for name, w in network.named_parameters() if w.grad is not None}


def of_modules(monkeypatch: pytest.MonkeyPatch, network: Any, what: str) -> tuple[float, dict[str, torch.Tensor]]:
    """The same by the modules of transformers."""
    with monkeypatch.context() as patched:
        patched.setattr(llama_gradient, "can_run", lambda *_: False)
        return gradients(network, what)


def distance(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> float:
    """The largest relative distance of any weight's gradients."""
    assert ours.keys() == theirs.keys()
    return max(float((ours[name] - theirs[name]).norm() / theirs[name].norm()) for name in theirs)


@pytest.mark.parametrize("kind", ["llama", "qwen2"])
@pytest.mark.parametrize("what", ["rows", "one", "equal", "groups"])
def test_loss_and_gradients_are_those_of_the_modules(kind, what, monkeypatch):
    network = adapted(kind)
    assert can_run(network, 50)
    loss, ours = gradients(network, what)
    expected, theirs = of_modules(monkeypatch, network, what)
    assert loss == pytest.approx(expected, rel=1e-5)
    assert len(ours) == 3 * 7 * 2 and distance(ours, theirs) < 1e-5
    again, same = gradients(network, what)
    assert again == loss and all(torch.equal(same[name], ours[name]) for name in ours)


@pytest.mark.parametrize("kind", ["llama", "qwen2"])
def test_in_bf16_they_are_as_near_the_exact_ones_as_those_of_the_modules(kind, monkeypatch):
    network = adapted(kind, torch.bfloat16)
    exact, of_exact = of_modules(monkeypatch, copy.deepcopy(network).float(), "rows")
    expected, theirs = of_modules(monkeypatch, network, "rows")
    loss, ours = gradients(network, "rows")
    assert abs(loss - exact) < 2 * abs(expected - exact) + 0.01 * exact
    assert distance(ours, of_exact) < 1.5 * distance(theirs, of_exact) < 0.3


@pytest.mark.parametrize("targets", [["q_proj", "v_proj"], ["gate_proj", "down_proj", "k_proj"]])
def test_layers_without_an_adapter(targets, monkeypatch):
    network = adapted("qwen2", target_modules=targets)
    loss, ours = gradients(network, "rows")
    expected, theirs = of_modules(monkeypatch, network, "rows")
    assert loss == pytest.approx(expected, rel=1e-5) and len(ours) == 3 * 2 * len(targets) and distance(ours, theirs) < 1e-5


def test_adapters_that_are_off_take_no_part(monkeypatch):
    network = adapted()
    with torch.no_grad(), network.disable_adapter():
        assert can_run(network, 50)
        off = response_logits(network, rows_and_groups()[0], CPU, True)[0]
        monkeypatch.setattr(llama_gradient, "can_run", lambda *_: False)
        expected = response_logits(network, rows_and_groups()[0], CPU, True)[0]
    assert torch.allclose(off, expected, atol=1e-4)


def test_what_it_does_not_run():
    assert not can_run(adapted(), 513)
    assert not can_run(adapted(lora_dropout=0.1), 50) and can_run(adapted(lora_dropout=0.1).eval(), 50)
    assert not can_run(adapted(use_dora=True), 50)
    assert not can_run(adapted("qwen2", target_modules=["q_proj"], lora_bias=True), 50)
    assert not can_run(adapted().double(), 50)
    assert not can_run(adapted("qwen2", bias="all"), 50)  # the biases below the adapters are trained, too
    whole = adapted().merge_and_unload()
    whole.requires_grad_(True)
    assert not can_run(whole, 50)
    whole.requires_grad_(False)
    assert can_run(whole, 50)
    hooked = adapted()
    hooked.get_base_model().model.layers[0].register_forward_hook(lambda *_: None)
    assert not can_run(hooked, 50)
    merged = adapted()
    merged.merge_adapter()
    assert not can_run(merged, 50)


def test_a_tree_runs_what_rows_share_once_and_says_where_each_token_is():
    rows = [example.tokens for example in rows_and_groups()[0]]
    tree = TokenTree(rows, Heads(4, 2), torch.float32)
    assert len(tree.ids_N) < sum(map(len, set(rows))) - 4 * 12
    for row in rows:
        at = tree.at(row)
        assert tree.ids_N[at].tolist() == list(row) and tree.positions_N[at].tolist() == list(range(len(row)))


def trained(folder: Any, tiny_model: Any) -> tuple[list[float], LocalModel]:
    model = load(str(tiny_model), precision="fp32")
    torch.manual_seed(1)
    model.attach_adapter(4, 8, 0.0)
    data = [(Message("user", q), Message("assistant", a)) for q in ("one", "two or three") for a in ("Yes.", "No, it is not.")]
    losses: list[float] = []
    train(model, data, SFT(batch_size=4, epochs=3, learning_rate=5e-3), 0, lambda m: losses.append(float(m["train/loss"])))
    model.save(folder, ())
    return losses, model


def test_training_repeats_follows_the_modules_and_saves_what_they_load(tiny_model, tmp_path, monkeypatch):
    losses, model = trained(tmp_path / "a", tiny_model)
    same, _ = trained(tmp_path / "b", tiny_model)
    assert losses == same and losses[-1] < losses[0]
    files = [(tmp_path / run / "adapter_model.safetensors").read_bytes() for run in "ab"]
    assert files[0] == files[1]
    loaded = load(str(tmp_path / "a"), precision="fp32", keep_adapter=True)
    for name, weight in loaded.network.state_dict().items():
        assert torch.equal(weight, model.network.state_dict()[name]), name
    monkeypatch.setattr(llama_gradient, "can_run", lambda *_: False)
    expected, _ = trained(tmp_path / "c", tiny_model)
    assert losses == pytest.approx(expected, rel=1e-3)
