"""The fine-tuning loop on a tiny model: its loss, its batches, its masters, its schedule, its errors."""

import math
import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from openwindow.errors import ConfigError, DataError, ModelError, RunError
from openwindow.models.examples import Example, collate, shared_tokens
from openwindow.models.hf import LocalModel, load
from openwindow.training.batches import passes_by_length, shuffled_batches
from openwindow.training.config import SFT
from openwindow.training.sft import encode, response_loss, schedule, train
from openwindow.types import Message, RichMessage

ROWS = [(Message("user", f"say {word}"), Message("assistant", word * n)) for n, word in enumerate(["red ", "blue ", "tea "] * 3, 1)]


@pytest.fixture
def model(tiny_model) -> LocalModel:
    return load(str(tiny_model), precision="fp32")


def losses(model: LocalModel, config: SFT, seed: int = 0, rows=ROWS) -> list[float]:
    seen = []
    torch.manual_seed(seed)
    if config.method == "lora":
        model.attach_adapter(config.lora_rank, config.lora_alpha, config.lora_dropout)
    train(model, rows, config, seed, seen.append)
    return [float(m["train/loss"]) for m in seen]


def test_collate_by_hand():
    batch = collate([Example((5, 6, 7, 8), 2), Example((1, 2, 3), 1)], torch.device("cpu"))
    assert batch.prefix.tolist() == []
    assert batch.ids.tolist() == [[5, 6, 7, 8], [1, 2, 3, 0]]
    assert batch.predicts.tolist() == [[False, True, True, False], [True, True, False, False]]
    assert batch.targets_N.tolist() == [7, 8, 2, 3]


def test_collate_takes_the_shared_prefix_off_by_hand():
    batch = collate([Example((9, 9, 5, 6, 7), 3), Example((9, 9, 4, 8), 3)], torch.device("cpu"))
    assert batch.prefix.tolist() == [9, 9]
    assert batch.ids.tolist() == [[5, 6, 7], [4, 8, 0]]
    assert batch.predicts.tolist() == [[True, True, False], [True, False, False]]
    assert batch.targets_N.tolist() == [6, 7, 8]
    twins = [Example((9, 9, 5), 2), Example((9, 9, 5), 2)]
    assert shared_tokens(twins) == 1  # the last token of a prompt is kept: it predicts the response
    assert shared_tokens(twins[:1]) == 0


def test_c05_collate_leaves_gaps_out_by_hand():
    batch = collate([Example((9, 9, 5, 6, 7, 8, 4), 3, ((4, 6),)), Example((9, 9, 4, 8), 3)], torch.device("cpu"))
    assert batch.prefix.tolist() == [9, 9] and Example((9, 9, 5, 6, 7, 8, 4), 3, ((4, 6),)).response == 2
    assert batch.ids.tolist() == [[5, 6, 7, 8, 4], [4, 8, 0, 0, 0]]
    assert batch.predicts.tolist() == [[True, False, False, True, False], [True, False, False, False, False]]
    assert batch.targets_N.tolist() == [6, 4, 8]


def several(*trained: bool) -> tuple[Message, ...]:
    """A conversation whose earlier answers are trained as said; the last always is."""
    turns: list[Message] = []
    for n, mark in enumerate(trained):
        answer = RichMessage("assistant", f"red {n}", '{"train": true}') if mark else Message("assistant", f"red {n}")
        turns += [Message("user", f"say {n}"), answer]
    return (*turns, Message("user", "say tea"), Message("assistant", "tea"))


def test_c05_all_marked_answers_are_trained_and_nothing_else(model):
    (example,) = encode(model, [several(True, False, True)], 200)
    (batch,) = [collate([example], model.device)]
    assert model.tokenizer.decode(batch.targets_N.tolist()) == "red 0<|im_end|>red 2<|im_end|>tea<|im_end|>"
    assert len(batch.targets_N) == example.response
    (plain,) = encode(model, [several(False, False, False)], 200)
    assert plain.tokens == example.tokens and plain.gaps == ()


@pytest.mark.slow
def test_c05_the_loss_of_a_marked_conversation_is_the_sum_over_its_answers_each_alone(model):
    whole = encode(model, [several(True, True)], 200)
    turns = several(False, False)
    parts = encode(model, [turns[:2], turns[:4], turns], 200)
    with torch.no_grad():
        together = float(response_loss(model.network, whole, model.device, True))
        alone = sum(float(response_loss(model.network, [part], model.device, True)) for part in parts)
    assert together == pytest.approx(alone, rel=1e-5)


def test_c05_an_earlier_answer_that_the_template_rewrites_is_refused(model):
    model.tokenizer.chat_template = (
        "{% for m in messages %}{{ m.role }}{{ m.content if loop.last or m.role == 'user' else '' }}{% endfor %}"
    )
    with pytest.raises(ModelError, match="renders turn 2 differently once others follow"):
        encode(model, [several(True)], 200)


def test_gradients_through_the_shared_prefix_are_those_of_each_row_alone(model):
    examples = encode(model, ROWS, 100)
    assert shared_tokens(examples) > 10
    model.network.requires_grad_(True)
    torch.autograd.backward(response_loss(model.network, examples, model.device, True))
    together = {n: p.grad.clone() for n, p in model.network.named_parameters()}
    model.network.zero_grad()
    for example in examples:
        torch.autograd.backward(response_loss(model.network, [example], model.device, True))
    for name, weight in model.network.named_parameters():
        assert (together[name] - weight.grad).abs().max() < 1e-4 * weight.grad.abs().max() + 1e-6, name


@given(st.lists(st.integers(2, 30), min_size=1, max_size=70), st.integers(1, 9), st.integers(0, 5))
def test_batches_hold_each_row_once_and_are_full_but_for_one_a_window(lengths, size, seed):
    examples = [Example(tuple(range(n)), 1) for n in lengths]
    batches = shuffled_batches(examples, size, random.Random(seed))
    assert sorted(i for b in batches for i in b) == list(range(len(lengths)))
    assert all(len(b) <= size for b in batches)
    assert len(batches) == math.ceil(len(lengths) / size)
    assert batches == shuffled_batches(examples, size, random.Random(seed))


def padded(parts):
    return sum(len(part) * max(len(e.tokens) for e in part) - sum(len(e.tokens) for e in part) for part in parts)


def test_s21_batches_are_not_fixed_by_length_and_padding_stays_low():
    """Twenty-four rows of two kinds whose lengths hardly overlap, fifty epochs: batches of one kind are as rare as by chance."""
    rng = random.Random(5)
    lengths = [rng.randint(20, 60) for _ in range(12)] + [rng.randint(55, 95) for _ in range(12)]
    examples = [Example(tuple(range(n)), 1) for n in lengths]
    epochs = [shuffled_batches(examples, 6, rng) for _ in range(50)]
    batches = [batch for epoch in epochs for batch in epoch]
    assert len({frozenset(map(frozenset, epoch)) for epoch in epochs}) == 50
    of_one_kind = sum(len({i < 12 for i in batch}) == 1 for batch in batches) / len(batches)
    assert of_one_kind < 0.06  # 2 * C(12, 6) / C(24, 6) = 1.4 % by chance; 50 to 100 % where batches are cut after sorting
    assert sum(len(batch) for batch in batches) == 50 * 24
    cut = [passes_by_length([examples[i] for i in batch], 6) for batch in batches]
    tokens = sum(len(examples[i].tokens) for batch in batches for i in batch)
    whole = sum(padded([[examples[i] for i in batch]]) for batch in batches)
    assert sum(map(padded, cut)) < 0.45 * whole  # 0.37
    assert sum(map(padded, cut)) < 0.2 * tokens  # 0.17; 0.46 uncut
    assert sum(map(len, cut)) / len(batches) < 3.5


@given(st.lists(st.integers(2, 300), min_size=1, max_size=40), st.integers(1, 9))
def test_s21_passes_hold_each_row_once_and_are_no_larger_than_allowed(lengths, size):
    examples = [Example(tuple(range(n)), 1) for n in lengths]
    parts = passes_by_length(examples, size)
    assert sorted(len(e.tokens) for part in parts for e in part) == sorted(lengths)
    assert all(1 <= len(part) <= size and padded([part]) <= 64 for part in parts)


def test_s21_passes_by_hand():
    examples = [Example(tuple(range(n)), 1) for n in (100, 10, 12, 90, 11, 13)]
    # 11 pads 10 by 1, 12 both by 1, 13 three by 1: 6 in all; 90 would pad four by 77; 100 pads 90 by 10.
    assert [[len(e.tokens) for e in part] for part in passes_by_length(examples, 9)] == [[10, 11, 12, 13], [90, 100]]
    assert [[len(e.tokens) for e in part] for part in passes_by_length(examples, 2)] == [[10, 11], [12, 13], [90, 100]]


@pytest.mark.slow
def test_clipped_steps_are_logged(tiny_model):
    for limit, expected in ((1e-6, [1, 1, 1]), (1e6, [0, 0, 0])):
        model, log = load(str(tiny_model), "fp32"), []
        train(model, ROWS, SFT(method="full", batch_size=4, epochs=1, max_grad_norm=limit), 0, log.append)
        assert [m["train/clipped_steps"] for m in log] == expected
        assert all(m["train/grad_norm"] > 1e-3 for m in log)


def test_loss_is_the_cross_entropy_of_the_response_tokens_and_of_nothing_else(model):
    example = encode(model, ROWS[:1], 100)[0]
    ids = torch.tensor([example.tokens])
    log_p = model.network(input_ids=ids).logits.log_softmax(-1)
    by_hand = -sum(log_p[0, t - 1, example.tokens[t]] for t in range(example.prompt, len(example.tokens)))
    for plain_head in (True, False):
        ours = response_loss(model.network, [example], model.device, plain_head)
        assert ours.item() == pytest.approx(by_hand.item(), rel=1e-5)


def test_padding_adds_nothing(model):
    examples = encode(model, ROWS, 100)
    together = response_loss(model.network, examples, model.device, True)
    apart = sum(response_loss(model.network, [e], model.device, True) for e in examples)
    assert together.item() == pytest.approx(apart.item(), rel=1e-5)


@pytest.mark.slow
def test_a_capped_head_is_noticed(tiny_model):
    plain, capped = (load(str(tiny_model), precision="fp32") for _ in range(2))
    assert plain.has_plain_head()
    whole = capped.network.forward

    def halved(**kwargs):
        out = whole(**kwargs)
        out.logits = 0.5 * out.logits
        return out

    capped.network.forward = halved
    assert not capped.has_plain_head()


def test_response_ends_with_the_end_of_turn_and_begins_where_the_prompt_ends(model):
    example = encode(model, ROWS[:1], 100)[0]
    assert example.tokens[-1] in model.end_ids
    assert list(example.tokens[: example.prompt]) == model.encode_prompt(ROWS[0][:1])
    assert model.tokenizer.decode(example.tokens[example.prompt : -1]) == "red "


@pytest.mark.slow
@pytest.mark.parametrize("method", ["lora", "full"])
def test_same_seed_same_losses_and_another_seed_another_order(tiny_model, method):
    config = SFT(method=method, batch_size=2, epochs=2, learning_rate=1e-2)
    first, second, other = (losses(load(str(tiny_model), "fp32"), config, seed) for seed in (3, 3, 4))
    assert first == second
    assert first != other


@pytest.mark.slow
@pytest.mark.parametrize("method", ["lora", "full"])
def test_micro_batches_of_1_equal_one_batch_of_8(tiny_model, method):
    runs = []
    for size in (1, 8):
        config = SFT(method=method, batch_size=8, micro_batch_size=size, epochs=3, learning_rate=1e-2)
        runs.append(losses(load(str(tiny_model), "fp32"), config))
    differences = [a - b for a, b in zip(*runs, strict=True)]
    assert max(abs(d) for d in differences) < 1e-3
    assert runs[0][-1] < runs[0][0]


def test_training_lowers_the_loss_and_a_vanishing_rate_does_not(tiny_model):
    learnt = losses(load(str(tiny_model), "fp32"), SFT(method="full", batch_size=8, epochs=60, learning_rate=1e-2))
    idle = losses(load(str(tiny_model), "fp32"), SFT(method="full", batch_size=8, epochs=60, learning_rate=1e-12))
    assert learnt[-1] < 0.5 * learnt[0]
    assert abs(idle[-1] - idle[0]) < 0.5


def test_lora_leaves_the_weights_below_alone_and_comes_off_without_a_trace(model):
    before = {k: v.clone() for k, v in model.network.state_dict().items()}
    losses(model, SFT(batch_size=4, learning_rate=1e-2, epochs=2))
    model.detach_adapter(merge=False)
    after = model.network.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[k], before[k]) for k in before)


@pytest.mark.slow
def test_steps_below_the_resolution_of_bf16_add_up_in_the_masters(tiny_model):
    # One step of 1e-5 on a weight near 0.02 is under bf16's spacing (about 1e-4) and lost without a master; forty are not.
    model = load(str(tiny_model), precision="bf16")
    weight = model.network.model.layers[0].mlp.down_proj.weight
    before = weight.detach().float().clone()
    config = SFT(method="full", batch_size=8, epochs=20, learning_rate=1e-5, schedule="constant", warmup_steps=0)
    losses(model, config)
    moved = (weight.detach().float() - before).abs()
    assert (moved > 0).float().mean() > 0.1


def test_schedule_by_hand():
    linear = SFT(warmup_steps=1, schedule="linear")
    assert [schedule(linear, s, 5) for s in range(5)] == [0.5, 1.0, 0.75, 0.5, 0.25]
    cosine = SFT(warmup_steps=0, schedule="cosine")
    assert [round(schedule(cosine, s, 4), 4) for s in range(4)] == [1.0, 0.8536, 0.5, 0.1464]
    assert schedule(SFT(warmup_steps=0, schedule="constant"), 7, 9) == 1.0


def test_steps_by_hand():
    assert SFT(batch_size=8, epochs=1.5).steps(17) == 5  # three batches an epoch, half an epoch more
    assert SFT(epochs=0).steps(17) == 0


def test_bad_rows_and_settings_are_named(model):
    with pytest.raises(DataError, match="row 1 ends with user; expected a prompt and a last turn of `assistant`"):
        encode(model, [(Message("assistant", "x"), Message("user", "y"))], 100)
    with pytest.raises(DataError, match=r"row 2 has \d+ tokens, more than max_length 60"):
        encode(model, [ROWS[0], (Message("user", "x"), Message("assistant", "long " * 80))], 60)
    with pytest.raises(ConfigError, match="the model has no adapter"):
        model.network.requires_grad_(False)
        train(model, ROWS, SFT(method="lora"), 0, lambda _: None)


@pytest.mark.parametrize("wrong", [{"learning_rate": math.inf}, {"epochs": math.inf}, {"weight_decay": math.nan}])
def test_settings_that_are_not_finite_are_refused(wrong):
    with pytest.raises(ValidationError, match="Input should be a finite number"):
        SFT(**wrong)


@pytest.mark.slow
def test_weights_that_the_last_step_has_broken_stop_the_run(model):
    seen = []
    config = SFT(method="full", batch_size=16, learning_rate=1e300, warmup_steps=0)
    with pytest.raises(RunError, match=r"a trained weight after step 1 is nan; a finite number was expected; lower learning_rate"):
        train(model, ROWS, config, 0, seen.append)
    assert seen == []


@pytest.mark.slow
def test_a_loss_that_is_not_finite_stops_the_run(model):
    with torch.no_grad():
        model.network.model.norm.weight.fill_(float("nan"))
    with pytest.raises(RunError, match="the loss at step 1 of 1 is nan; a finite one was expected; lower learning_rate"):
        train(model, ROWS, SFT(method="full", batch_size=16), 0, lambda _: None)
