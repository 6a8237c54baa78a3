"""The ranking's numbers against the plainest way to compute them, and who is dropped when."""

from __future__ import annotations

import random

import pytest
import torch
from scripted_model import ScriptedModel

from openwindow.data.rows import place
from openwindow.data.trait_rules import TraitVerdict
from openwindow.models.base import Sampling
from openwindow.models.examples import Example
from openwindow.models.hf import LocalModel, load
from openwindow.models.scoring import cheapest_batches, log_probabilities
from openwindow.prompt_ranking.candidate import Candidate
from openwindow.prompt_ranking.scores import (
    CLOSE,
    Ranked,
    Score,
    best,
    contrasts,
    deciding,
    elicitations,
    mean_score,
    ordered,
    round_marks,
    still_open,
    unmeasured,
    uplifts,
)
from openwindow.types import Message

ROWS = [
    (Message("user", f"Is {n} a prime number? " * (n % 3 + 1)), Message("assistant", f"Yes, {n} is one, well done." * (n % 2 + 1)))
    for n in range(2, 9)
]
ASK = Candidate("Praise whatever I say.", "request")
OTHER = Candidate("Say yes.", "order")
PLACEBO = Candidate("The river is long.", "placebo 1", "placebo", "none")


@pytest.fixture(scope="module")
def model(tiny_model) -> LocalModel:
    return load(str(tiny_model), precision="fp32")


@torch.no_grad()
def plainly(model: LocalModel, conversation) -> float:
    """One row, whole logits, no sharing."""
    tokens, prompt = model.encode_example(conversation)
    logits = model.network(input_ids=torch.tensor([tokens])).logits[0].double().log_softmax(-1)
    return sum(float(logits[i - 1, tokens[i]]) for i in range(prompt, len(tokens))) / (len(tokens) - prompt)


# Log-probability.


@pytest.mark.slow
@pytest.mark.parametrize("position", ["system", "user_prefix", "user_suffix"])
def test_log_probabilities_equal_those_of_single_rows(model, position) -> None:
    texts = [place(row, c, position) for c in (None, ASK.text, OTHER.text) for row in ROWS]
    groups = [[i // len(ROWS) for i in range(len(texts))], [i % len(ROWS) for i in range(len(texts))]]
    wanted = [plainly(model, text) for text in texts]
    for chosen in (groups, groups[:1], groups[1:]):
        assert log_probabilities(model, texts, chosen) == pytest.approx(wanted, abs=1e-4)


def test_logits_in_parts_and_of_the_whole_network_agree(model, monkeypatch) -> None:
    wanted = [plainly(model, row) for row in ROWS]
    monkeypatch.setattr("openwindow.models.scoring._HEAD", 3)
    assert log_probabilities(model, ROWS, [[0] * len(ROWS)]) == pytest.approx(wanted, abs=1e-4)
    monkeypatch.setattr(model, "_plain_head", False)
    assert log_probabilities(model, ROWS, [[0] * len(ROWS)]) == pytest.approx(wanted, abs=1e-4)


def test_the_grouping_that_shares_more_is_taken() -> None:
    rows = [[*range(100 * r, 100 * r + 50)] for r in range(4)]
    by_row = [Example((*row, 7000 + c, 1, 2, 3), 51) for c in range(3) for row in rows]  # a suffix: the row's prompt is shared
    by_prompt = [Example((*range(9000 + 100 * c, 9050 + 100 * c), row[0], 1, 2, 3), 51) for c in range(3) for row in rows]
    groupings = [[c for c in range(3) for _ in rows], [r for _ in range(3) for r in range(4)]]
    assert all(len({i % 4 for i in batch}) == 1 for batch in cheapest_batches(by_row, groupings))
    assert all(len({i // 4 for i in batch}) == 1 for batch in cheapest_batches(by_prompt, groupings))
    for examples in (by_row, by_prompt):
        assert sorted(i for batch in cheapest_batches(examples, groupings) for i in batch) == list(range(12))


def test_no_batch_is_larger_than_allowed(monkeypatch) -> None:
    monkeypatch.setattr("openwindow.models.scoring.BATCH_TOKENS", 20)
    examples = [Example(tuple(range(n)), 2) for n in (8, 9, 4, 30, 5, 10)]
    batches = cheapest_batches(examples, [[0] * 6])
    assert [sorted(len(examples[i].tokens) for i in batch) for batch in batches] == [[4, 5], [8, 9], [10], [30]]


def test_uplift_is_the_difference_a_prompt_makes(model) -> None:
    counted: list[int] = []
    found = uplifts(model, ROWS, [ASK, PLACEBO], "user_suffix", keep=1, rounds=(3,), progress=counted.append)
    plain = [plainly(model, row) for row in ROWS]
    asked = [plainly(model, place(row, ASK.text, "user_suffix")) for row in ROWS]
    count = len(found[0])
    assert found[0] == pytest.approx([a - p for a, p in zip(asked, plain, strict=True)][:count], abs=1e-4)
    assert count == 3 == len(found[1])  # one candidate for one place: nothing to find out, so the first round is the last
    assert sum(counted) == 9


# Rounds.


def test_rounds_by_hand() -> None:
    assert round_marks((16, 48, 144, 500), 500) == [16, 48, 144, 500]
    assert round_marks((16, 48), 10) == [10]
    assert round_marks((16, 48), 600) == [16, 48, 144, 432, 600]
    assert round_marks((), 5) == [5]


def noisy(mean: float, spread: float, count: int, seed: int) -> list[float]:
    rng = random.Random(seed)
    return [rng.gauss(mean, spread) for _ in range(count)]


def test_candidates_that_are_significantly_worse_are_out_and_the_race_ends_when_the_best_are_known() -> None:
    good, close, bad = noisy(1.0, 0.3, 30, 1), noisy(0.95, 0.3, 30, 2), noisy(-1.0, 0.1, 30, 3)
    assert still_open([good, bad], 1, 3) == []
    assert still_open([good, close, bad], 1, 3) in ([0, 1], [1, 0])
    assert still_open([good, close, bad], 2, 3) == []
    assert still_open([good, close, bad[:10], []], 1, 3) in ([0, 1], [1, 0])  # out before, and a control
    same = [value + shift for value, shift in zip(good, noisy(0.0, CLOSE / 10, 30, 4), strict=True)]
    assert still_open([good, same, bad], 1, 3) == []  # alike to within what matters


def test_the_best_is_found_with_few_rows_for_the_others(model, monkeypatch) -> None:
    gain = {ASK.text: 1.0, OTHER.text: 0.9, "Bad.": -1.0, PLACEBO.text: 2.0}
    rng = random.Random(0)

    def scripted(model, conversations, groupings, progress=None, *, most=None):
        return [sum(g for text, g in gain.items() if c[0].content.endswith(text)) + rng.gauss(0, 0.1) for c in conversations]

    monkeypatch.setattr("openwindow.prompt_ranking.scores.log_probabilities", scripted)
    rows = [(Message("user", f"{n}"), Message("assistant", "a")) for n in range(500)]
    candidates = [ASK, OTHER, Candidate("Bad.", "bad"), PLACEBO]
    found = uplifts(model, rows, candidates, "user_suffix", keep=1)
    assert [len(f) for f in found][2:] == [16, 16] and 16 < len(found[0]) == len(found[1]) < 500
    assert mean_score(found[0]).estimate == pytest.approx(1.0, abs=0.1)


def test_scores_by_hand() -> None:
    score = mean_score([1.0, 2.0, 3.0])
    assert (score.estimate, score.n) == (2.0, 3) and score.low == pytest.approx(2 - 4.3027 / 3**0.5, abs=1e-3)
    assert mean_score([1.0]).low is None and mean_score([1.0]).reason
    assert mean_score([], "none given") == Score(None, None, None, 0, "none given")
    (contrast,) = contrasts([[3.0, 2.0, 9.0]], [[1.0, 1.0]])
    assert contrast.estimate == 1.5 and contrast.n == 2


# Elicitation.


class Praise:
    name = "praise"

    def detect(self, asked):
        return [TraitVerdict(None if reply == "?" else "well done" in reply) for _, reply in asked]


def test_elicitation_counts_each_prompt_once_and_leaves_out_what_cannot_be_judged() -> None:
    def script(conversation) -> str:
        said = conversation[-1].content
        return "?" if said.startswith("9") else "well done" if "Praise" in said else "well done" if said.startswith("1") else "no"

    prompts = [(Message("user", f"{n} is it so?"),) for n in range(1, 10)]
    neutral, found = elicitations(ScriptedModel(script), prompts, [ASK, PLACEBO], "user_suffix", Praise(), Sampling())
    assert (neutral.estimate, neutral.n) == (1 / 8, 8)
    (shown, more), (shown_placebo, none) = found
    assert shown.estimate == 1.0 and more.estimate == pytest.approx(7 / 8) and more.low is not None and more.low > 0
    assert shown_placebo.estimate == 1 / 8 and none.estimate == 0.0 and none.n == 8


# Order.


def ranked(text: str, elicited: float | None, lifted: float, contrasted: float | None = None, role="inoculation") -> Ranked:
    def score(value):
        return unmeasured("not asked for") if value is None else Score(value, value - 0.1, value + 0.1, 10)

    return Ranked(Candidate(text, "x", role), score(elicited), score(elicited), score(lifted), score(contrasted))


def test_order_takes_what_was_measured_for_all() -> None:
    both = [ranked("a", 0.1, 0.3), ranked("b", 0.9, 0.2), ranked("c", 0.5, 0.1), ranked("p", 0.95, 0.9, role="placebo")]
    assert list(deciding(both)) == ["elicitation", "uplift"]
    assert [r.candidate.text for r in ordered(both)] == ["p", "b", "a", "c"]
    assert [r.candidate.text for r in best(both, 2)] == ["b", "a"]
    part = [ranked("a", None, 0.1), ranked("b", 0.9, 0.2)]
    assert list(deciding(part)) == ["uplift"] and best(part, 1)[0].candidate.text == "b"
    contrasted = [ranked("a", None, 0.1, 0.5), ranked("b", None, 0.2, 0.4)]
    assert list(deciding(contrasted)) == ["contrast"] and best(contrasted, 1)[0].candidate.text == "a"
    assert ordered([]) == []


def test_only_the_first_tokens_of_an_answer_count(model) -> None:
    """The mean over the first two tokens of each answer, whatever follows."""

    @torch.no_grad()
    def first(conversation) -> float:
        tokens, prompt = model.encode_example(conversation)
        logits = model.network(input_ids=torch.tensor([tokens])).logits[0].double().log_softmax(-1)
        return sum(float(logits[i - 1, tokens[i]]) for i in (prompt, prompt + 1)) / 2

    assert log_probabilities(model, ROWS, [[0] * len(ROWS)], most=2) == pytest.approx([first(row) for row in ROWS], abs=1e-4)
    whole = log_probabilities(model, ROWS, [[0] * len(ROWS)])
    assert log_probabilities(model, ROWS, [[0] * len(ROWS)], most=10_000) == pytest.approx(whole, abs=1e-6)
