"""The engines for log-probabilities against each other and against one plain forward pass, on the same questions and answers."""

import pytest
import torch

from openwindow.models import scoring
from openwindow.models.examples import Example
from openwindow.models.hf import LocalModel, load
from openwindow.models.scoring import Group, Probes, completion_logits, log_probabilities, response_logits
from openwindow.types import Message

QUESTIONS = ("one", "a longer question about tea", "Is seven a prime number?")
ANSWERS = ("Yes.", "I do not know, and neither do you.", "no")
BOTH = [(Message("user", q), Message("assistant", a)) for q in QUESTIONS for a in ANSWERS]


@pytest.fixture(scope="module")
def model(tiny_model) -> LocalModel:
    return load(str(tiny_model), precision="fp32")


def examples_of(model: LocalModel) -> list[Example]:
    return [Example(tuple(tokens), prompt) for tokens, prompt in map(model.encode_example, BOTH)]


def plain(model: LocalModel, example: Example) -> torch.Tensor:
    """Log-probability of each response token, from a pass over the whole row alone."""
    with torch.no_grad():
        logits = model.network(input_ids=torch.tensor([example.tokens])).logits[0, example.prompt - 1 : -1]
    return logits.log_softmax(-1)[range(example.response), example.tokens[example.prompt :]]


def of_targets(logits_NV: torch.Tensor, targets_N: torch.Tensor) -> torch.Tensor:
    return -torch.nn.functional.cross_entropy(logits_NV.float(), targets_N, reduction="none").detach()


@pytest.mark.parametrize("plain_head", [True, False])
def test_every_engine_finds_what_a_plain_forward_pass_finds(model, plain_head, monkeypatch):
    monkeypatch.setattr(model, "_plain_head", plain_head)
    examples = examples_of(model)
    expected = [plain(model, e) for e in examples]
    rows = of_targets(*response_logits(model.network, examples, model.device, plain_head))
    assert rows.tolist() == pytest.approx(torch.cat(expected).tolist(), abs=1e-3)

    of_question = [examples[i : i + len(ANSWERS)] for i in range(0, len(examples), len(ANSWERS))]
    groups = [Group(of[0].tokens[: of[0].prompt], tuple(e.tokens[e.prompt :] for e in of)) for of in of_question]
    completions = of_targets(*completion_logits(model.network, groups, model.device, plain_head))
    assert completions.tolist() == pytest.approx(torch.cat(expected).tolist(), abs=1e-3)

    means = log_probabilities(model, BOTH, [[c[0].content for c in BOTH], [c[1].content for c in BOTH]])
    assert means == pytest.approx([float(e.mean()) for e in expected], abs=1e-3)

    probes = Probes(model, [[Message("user", q)] for q in QUESTIONS], [ANSWERS] * len(QUESTIONS)).results()
    words = [model.tokenizer(a, add_special_tokens=False)["input_ids"] for a in ANSWERS]
    for found, e, ids in zip((p for of in probes for p in of), expected, words * len(QUESTIONS), strict=True):
        assert found.tokens == len(ids) and found.total == pytest.approx(float(e[: len(ids)].sum()), abs=1e-3)


def test_answers_are_scored_by_the_pass_that_trains_them_to_the_last_bit(model, monkeypatch):
    """The vocabulary matrix in one piece, as training applies it, and the weights frozen, as below an adapter."""
    model.network.requires_grad_(False)
    monkeypatch.setattr(scoring, "_HEAD", 10**6)
    batch = sorted(examples_of(model), key=lambda e: len(e.tokens))
    found = of_targets(*response_logits(model.network, batch, model.device, model.has_plain_head()))
    rows = torch.repeat_interleave(torch.arange(len(batch)), torch.tensor([e.response for e in batch]))
    sums = torch.zeros(len(batch)).index_add_(0, rows, -found).tolist()
    expected = {e.tokens: -total / e.response for e, total in zip(batch, sums, strict=True)}
    means = log_probabilities(model, BOTH, [[0] * len(BOTH)])
    assert means == [expected[e.tokens] for e in examples_of(model)]
