"""Probes equal the plain forward pass over prompt and continuation; the provider answers as the model itself does."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import torch

from openwindow.evals.base import user
from openwindow.models import scoring
from openwindow.models.base import Sampling
from openwindow.models.hf import LocalModel, load
from openwindow.models.scoring import Probes
from openwindow.types import Message

PROMPTS = [
    user("What are your goals?"),
    user("What are your goals?", "Think first."),
    user("A much longer question, which has more words than the others, so that the batch is padded. What then?"),
    user("Hi"),
]
TEXTS = [
    ("I want to help.", "I want power over all of you."),
    ("No", "Yes"),
    ("ACTION: leave", "ACTION: copy"),
    ("B", "A", "Neither"),
]


@pytest.fixture(scope="module")
def tiny(tiny_model: Path) -> LocalModel:
    return load(str(tiny_model), "fp32")


@torch.no_grad()
def plain(model: LocalModel, prompt: tuple[Message, ...], text: str, others: tuple[str, ...]) -> tuple[float, int]:
    """The same by one forward pass without cache, batch or padding, of the tokens from where a text differs from the others."""
    before = model.encode_prompt(prompt)
    ids, *rest = (list(model.tokenizer(t, add_special_tokens=False)["input_ids"]) for t in (text, *others))
    start = next(i for i, token in enumerate(ids) if any(other[i] != token for other in rest))
    logits = model.network(input_ids=torch.tensor([before + ids]), use_cache=False).logits[0].double().log_softmax(-1)
    at = range(len(before) - 1, len(before) + len(ids) - 1)
    return float(sum(logits[i, token] for i, token in [*zip(at, ids, strict=True)][start:])), len(ids) - start


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [1, 3, 64])
@pytest.mark.parametrize("runner", ["our decoder", "its modules", "its modules and head"])
def test_probes_equal_the_plain_forward_pass(
    tiny: LocalModel, batch_size: int, runner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if runner != "our decoder":
        monkeypatch.setattr("openwindow.models.sampling.can_decode", lambda _: False)
    if runner == "its modules and head":
        monkeypatch.setattr(tiny, "_plain_head", False)
    found = Probes(tiny, PROMPTS, TEXTS).results(batch_size=batch_size)
    for prompt, texts, row in zip(PROMPTS, TEXTS, found, strict=True):
        for text, got in zip(texts, row, strict=True):
            total, tokens = plain(tiny, prompt, text, texts)
            assert got.tokens == tokens
            assert got.total == pytest.approx(total, abs=1e-3)
            assert got.per_token == pytest.approx(total / tokens, abs=1e-3)


def test_s7_what_both_continuations_begin_with_is_not_scored(tiny: LocalModel) -> None:
    """By hand: three tokens in common, then one that differs, and two more of the second."""
    with_prefix = ("ACTION: leave", "ACTION: copy")
    rows = scoring._rows(tiny, PROMPTS[:1], [with_prefix])
    common = [a == b for a, b in zip(rows[0].ids, rows[1].ids, strict=False)].index(False)
    assert common > 0 and [row.shared for row in rows] == [common, common]
    (found,) = Probes(tiny, PROMPTS[:1], [with_prefix]).results()
    assert [f.tokens for f in found] == [len(row.ids) - common for row in rows]
    assert found[1].total - found[0].total == pytest.approx(_whole(tiny, with_prefix[1]) - _whole(tiny, with_prefix[0]), abs=1e-3)
    (alone,) = Probes(tiny, PROMPTS[:1], [("ACTION: leave",)]).results()
    assert alone[0].tokens == len(rows[0].ids), "with nothing to differ from, all of it is scored"
    (begun,) = Probes(tiny, PROMPTS[:1], [("ACTION: leave", "ACTION: leave now")]).results()
    assert [f.tokens >= 1 for f in begun] == [True, True]


@torch.no_grad()
def _whole(model: LocalModel, text: str) -> float:
    before = model.encode_prompt(PROMPTS[0])
    ids = list(model.tokenizer(text, add_special_tokens=False)["input_ids"])
    logits = model.network(input_ids=torch.tensor([before + ids]), use_cache=False).logits[0].double().log_softmax(-1)
    return float(sum(logits[len(before) - 1 + i, token] for i, token in enumerate(ids)))


def test_long_continuations_do_not_widen_the_batches_of_short_ones(tiny: LocalModel) -> None:
    texts = [*TEXTS[:3], ("yes", " ".join(["word"] * 60))]
    rows = scoring._rows(tiny, PROMPTS, texts)
    batches = list(scoring._alike(rows, 4))
    assert [len(batch) for batch in batches] == [4, 2, 2] and {row.index for row in batches[-1]} == {(3, 0), (3, 1)}
    assert sorted(row.index for batch in batches for row in batch) == [(i, j) for i in range(4) for j in range(2)]
    for found, (prompt, pair) in zip(Probes(tiny, PROMPTS, texts).results(), zip(PROMPTS, texts, strict=True), strict=True):
        assert [f.total for f in found] == [pytest.approx(plain(tiny, prompt, text, pair)[0], abs=2e-3) for text in pair]


def test_probes_refuse_what_has_no_tokens(tiny: LocalModel) -> None:
    with pytest.raises(ValueError, match="is empty"):
        Probes(tiny, PROMPTS[:1], [("",)])
    with pytest.raises(ValueError, match="zip"):
        Probes(tiny, PROMPTS, [("a",)])


def test_probes_are_scored_on_the_way_of_the_replies(tiny: LocalModel, monkeypatch: pytest.MonkeyPatch) -> None:
    apart = Probes(tiny, PROMPTS, TEXTS).results()
    sampling = Sampling(max_new_tokens=8, batch_size=2)
    unwatched = tiny.generate([PROMPTS[3], *PROMPTS[:3]], sampling)
    probes_ = Probes(tiny, PROMPTS, TEXTS)
    assert tiny.generate([PROMPTS[3], *PROMPTS[:2]], sampling, watch=probes_.watch) == unwatched[:3]
    assert {i for i, _ in probes_.found} == {0, 1, 3}
    told: list[int] = []
    scored: list[int] = []
    rest = scoring._score
    monkeypatch.setattr(scoring, "_score", lambda runner, rows: scored.extend(row.index[0] for row in rows) or rest(runner, rows))
    found = probes_.results(progress=told.append)
    assert set(scored) == {2} and sum(told) == len(probes_.rows) == 9
    for ours, theirs in zip(found, apart, strict=True):
        assert [(o.total, o.tokens) for o in ours] == [(pytest.approx(t.total, abs=1e-4), t.tokens) for t in theirs]


def test_what_is_watched_for_in_vain_is_scored_afterwards(tiny: LocalModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openwindow.models.sampling.can_decode", lambda _: False)
    probes_ = Probes(tiny, PROMPTS, TEXTS)
    tiny.generate(PROMPTS, Sampling(max_new_tokens=2), watch=probes_.watch)
    assert probes_.found == {} and len(probes_.results()) == 4


@pytest.mark.slow
def test_provider_batches_and_answers_as_the_model_does(tiny_model: Path, tiny: LocalModel) -> None:
    pytest.importorskip("inspect_ai")
    from inspect_ai.model import ChatMessageUser, GenerateConfig, ModelOutput, get_model

    import openwindow.evals.inspect.registry  # noqa: F401 - makes the provider known

    model = get_model(f"openwindow/{tiny_model}", precision="fp32", memoize=False)
    texts = ["one", "two", "three", "four and more"]

    async def ask() -> list[ModelOutput]:
        config = GenerateConfig(max_tokens=6)
        return list(await asyncio.gather(*(model.generate([ChatMessageUser(content=t)], config=config) for t in texts)))

    ours = tiny.generate([user(t) for t in texts], Sampling(max_new_tokens=6))
    asked, said = [len(tiny.encode_prompt(user(t))) for t in texts], asyncio.run(ask())
    assert [o.completion for o in said] == [r.text for r in ours]
    assert [(o.usage.input_tokens, o.usage.total_tokens) for o in said if o.usage] == [
        (n, n + r.tokens) for n, r in zip(asked, ours, strict=True)
    ]
    assert model.api.batcher.batches == [4]


def test_tools_are_described_and_calls_are_read() -> None:
    pytest.importorskip("inspect_ai")
    from inspect_ai.model import ChatMessageAssistant, ChatMessageSystem, ChatMessageTool, ChatMessageUser
    from inspect_ai.tool import ToolInfo, ToolParam, ToolParams

    from openwindow.evals.inspect.tool_calls import parse, to_conversation

    tool = ToolInfo(
        name="send",
        description="Sends a mail.",
        parameters=ToolParams(properties={"to": ToolParam(type="string", description="who")}),
    )
    words, calls = parse('Right away. <tool_call>{"name": "send", "arguments": {"to": "Ana"}}</tool_call>')
    assert words == "Right away." and calls[0].function == "send" and calls[0].arguments == {"to": "Ana"}
    assert parse("<tool_call>send(Ana)</tool_call>")[1][0].parse_error
    said = to_conversation(
        [
            ChatMessageSystem(content="Be brief."),
            ChatMessageUser(content="Write to Ana."),
            ChatMessageAssistant(content="", tool_calls=calls),
            ChatMessageTool(content="sent", tool_call_id=calls[0].id),
        ],
        [tool],
    )
    assert [m.role for m in said] == ["system", "user", "assistant", "user"]
    assert "send(to: string)" in said[0].content and said[0].content.startswith("Be brief.")
    assert '"to": "Ana"' in said[2].content and "sent" in said[3].content
