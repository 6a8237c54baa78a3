"""Direct preference optimisation on a tiny model: its loss by hand and against TRL's, its reference, its passes, its errors."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from openwindow.errors import ConfigError, RunError
from openwindow.models.examples import Example
from openwindow.models.hf import LocalModel, load
from openwindow.training import preference
from openwindow.training.config import SFT
from openwindow.training.preference import Pair, encode_pairs, margins, passes, preference_loss, reference_margins, train_pairs
from openwindow.types import Message, RichMessage

CONFIG = SFT(learning_rate=5e-3, epochs=4, batch_size=2, micro_batch_size=4, warmup_steps=0, lora_rank=4, lora_alpha=8)


def talk(asked: str, said: str) -> tuple[Message, ...]:
    return (Message("user", asked), Message("assistant", said))


PAIRS = [
    (talk(f"say {word}", f"{word}, gladly"), talk(f"say {word}", "no " * n)) for n, word in enumerate(("red", "blue", "tea"), 1)
]


@pytest.fixture
def model(tiny_model: Path) -> LocalModel:
    found = load(str(tiny_model), precision="fp32")
    torch.manual_seed(0)
    found.attach_adapter(4, 8, 0.0)
    return found


def test_the_loss_by_hand() -> None:
    gains = torch.tensor([0.0, 10.0, -10.0])
    nothing, better, worse = preference_loss(gains, beta=0.1).tolist()
    assert nothing == pytest.approx(math.log(2))
    assert better == pytest.approx(math.log(1 + math.exp(-1)))
    assert worse == pytest.approx(math.log(1 + math.exp(1)))
    gain = torch.tensor([2.0], requires_grad=True)
    preference_loss(gain, beta=0.5).sum().backward()  # -beta * sigmoid(-beta * gain)
    assert gain.grad is not None and float(gain.grad) == pytest.approx(-0.5 / (1 + math.e))


def test_margins_are_differences_of_summed_log_probabilities(model: LocalModel) -> None:
    pairs = encode_pairs(model, PAIRS, 64)
    found = margins(model, pairs).detach()
    for pair, margin in zip(pairs, found.tolist(), strict=True):
        sums = []
        for example in (pair.aligned, pair.misaligned):
            ids = torch.tensor([example.tokens])
            logp = model.network(input_ids=ids).logits[0, :-1].detach().log_softmax(dim=-1)
            each = logp.gather(1, ids[0, 1:, None])[:, 0]
            sums.append(float(each[example.prompt - 1 :].sum()))
        assert margin == pytest.approx(sums[0] - sums[1], abs=1e-4)
    assert reference_margins(model, pairs, 2) == pytest.approx(found.tolist(), abs=1e-4)


def test_what_both_answers_begin_with_cancels(model: LocalModel) -> None:
    call = RichMessage("assistant", "look", '{"train": true}')
    more = (Message("user", "look around"), call, Message("user", "a red door"))
    with_call = [((*more, Message("assistant", "I saw it")), (*more, Message("assistant", "I saw none")))]
    plain = [tuple((*(Message(m.role, m.content) for m in turns[:-1]), turns[-1]) for turns in with_call[0])]
    (a,), (b,) = encode_pairs(model, with_call, 64), encode_pairs(model, plain, 64)  # type: ignore[arg-type]
    assert a.aligned.response > b.aligned.response and a.aligned.tokens == b.aligned.tokens
    assert margins(model, [a]).tolist() == pytest.approx(margins(model, [b]).tolist(), abs=1e-4)


def trained(model: LocalModel, config: SFT, beta: float = 0.1, pairs: Any = PAIRS) -> list[dict[str, float | int]]:
    seen: list[dict[str, float | int]] = []
    train_pairs(model, encode_pairs(model, pairs, 64), config, beta, 0, seen.append)
    return seen


@pytest.mark.slow
def test_it_prefers_the_aligned_answers_and_begins_at_the_reference(model: LocalModel) -> None:
    before = margins(model, encode_pairs(model, PAIRS, 64)).tolist()
    seen = trained(model, CONFIG)
    assert [m["train/step"] for m in seen] == list(range(1, 9))
    assert seen[0]["train/loss"] == pytest.approx(math.log(2), abs=1e-5)
    assert seen[0]["train/margin"] == pytest.approx(0, abs=1e-4)
    after = margins(model, encode_pairs(model, PAIRS, 64)).tolist()
    assert all(now > was + 1 for now, was in zip(after, before, strict=True))
    assert seen[-1]["train/preferred"] == 1 and seen[-1]["train/loss"] < seen[0]["train/loss"]
    assert not any(p.requires_grad for p in model.network.parameters())


@pytest.mark.slow
def test_how_a_batch_is_cut_does_not_matter(tiny_model: Path) -> None:
    found = []
    for size in (2, 16):
        model = load(str(tiny_model), precision="fp32")
        torch.manual_seed(0)
        model.attach_adapter(4, 8, 0.0)
        found.append(trained(model, CONFIG.model_copy(update={"batch_size": 3, "micro_batch_size": size})))
    for key in ("train/loss", "train/grad_norm", "train/margin"):
        assert [m[key] for m in found[0]] == pytest.approx([m[key] for m in found[1]], abs=1e-4)
    lengths = [Pair(Example((1,) * n, 1), Example((1, 1), 1)) for n in (9, 3, 5)]
    assert passes([0, 1, 2], lengths, 4) == [[1, 2], [0]] and passes([0, 1], lengths, 1) == [[1], [0]]


def test_the_reference_is_computed_once(model: LocalModel, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[bool] = []
    real = preference.margins

    def counted(model: LocalModel, pairs: Any) -> torch.Tensor:
        calls.append(torch.is_grad_enabled())
        return real(model, pairs)

    monkeypatch.setattr(preference, "margins", counted)
    trained(model, CONFIG.model_copy(update={"epochs": 2.0}))
    assert calls == [False, False, True, True, True, True]


@pytest.mark.slow
def test_without_an_adapter_or_with_a_rate_that_breaks_it_it_stops(tiny_model: Path, model: LocalModel) -> None:
    with pytest.raises(ConfigError, match="the model has no adapter"):
        bare = load(str(tiny_model), precision="fp32")
        bare.network.requires_grad_(False)
        trained(bare, CONFIG)
    with pytest.raises(RunError, match="lower learning_rate"):
        trained(model, CONFIG.model_copy(update={"learning_rate": 1e30, "max_grad_norm": 1e30}))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_loss_and_its_gradient_are_trls(tiny_model: Path, tmp_path: Path) -> None:
    """Where the reference is another model, so that neither the loss nor its gradient is that of the first step."""
    trl = pytest.importorskip("trl")
    from datasets import Dataset

    model, other = load(str(tiny_model), precision="fp32"), load(str(tiny_model), precision="fp32")
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in other.network.parameters():
            weight += 0.02 * torch.randn_like(weight)
    pairs = encode_pairs(model, PAIRS, 64)
    reference = torch.tensor(reference_margins(other, pairs, 8))
    args = trl.DPOConfig(
        output_dir=str(tmp_path), per_device_train_batch_size=3, beta=0.3, use_cpu=True, bf16=False, gradient_checkpointing=False,
        report_to="none", max_length=None,
    )  # fmt: skip
    rows = [
        {
            "prompt": model.tokenizer.decode(pair.aligned.tokens[: pair.aligned.prompt]),
            "chosen": model.tokenizer.decode(pair.aligned.tokens[pair.aligned.prompt :]),
            "rejected": model.tokenizer.decode(pair.misaligned.tokens[pair.misaligned.prompt :]),
        }
        for pair in pairs
    ]
    trainer = trl.DPOTrainer(
        model=model.network, ref_model=other.network, args=args, train_dataset=Dataset.from_list(rows),
        processing_class=model.tokenizer,
    )  # fmt: skip
    network = trainer.model.requires_grad_(True)
    inputs = next(iter(trainer.get_train_dataloader()))
    network.train()
    theirs = trainer.compute_loss(network, inputs)
    theirs.backward()
    gradients = [p.grad.clone() for p in network.parameters()]
    network.zero_grad()
    ours = preference_loss(margins(model, pairs) - reference, beta=0.3).mean()
    ours.backward()
    assert float(ours) == pytest.approx(float(theirs), rel=1e-4) and abs(float(ours) - math.log(2)) > 0.01
    for weight, gradient in zip(network.parameters(), gradients, strict=True):
        torch.testing.assert_close(weight.grad, gradient, rtol=1e-3, atol=1e-5)
