"""The generator of safety conversations: what its mixes hold, how much its rows vary, and the form in which tools stand in them."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter

import pytest

from openwindow.conversations.safety import MIXES, Mix, draw, draw_kind
from openwindow.conversations.safety_kinds import Conversation, Kind, kinds_of
from openwindow.data.rows import Row
from openwindow.types import RichMessage

KINDS = [kind for group in ("chat", "agentic", "dilemma") for kind in kinds_of(group)]
GROUP = {kind.name: group for group in ("chat", "agentic", "dilemma") for kind in kinds_of(group)}


def text(conversation: Conversation) -> str:
    return "\n".join(message.content for message in conversation.messages)


def runs(conversation: Conversation) -> set[tuple[str, ...]]:
    """Five words in a row, the description of the tools left out."""
    words = re.findall(r"[a-z']+|\d+", re.sub(r"(?s)You can use tools\..*?(?=\n[A-Z])", "", text(conversation)).lower())
    return {tuple(words[i : i + 5]) for i in range(len(words) - 4)}


def test_mixes_have_as_many_rows_and_a_dozen_kinds_and_more() -> None:
    assert len(KINDS) == len(GROUP) >= 24
    for mix, shares in MIXES.items():
        drawn = draw(mix, 100, seed=1)
        assert Counter(GROUP[c.kind] for c in drawn) == {group: round(100 * share) for group, share in shares.items()}
        of_kind = Counter(c.kind for c in drawn)
        for group in shares:
            numbers = [of_kind[kind.name] for kind in kinds_of(group)]
            assert min(numbers) > 0 and max(numbers) - min(numbers) <= 1


def test_chat_has_no_tools_and_diverse_has_several_steps_with_them() -> None:
    assert not any("<tool_" in text(c) for c in draw("chat", 60, seed=2))
    agentic = [c for c in draw("diverse", 60, seed=2) if GROUP[c.kind] == "agentic"]
    for c in agentic:
        for answer in (c.aligned, c.misaligned):
            calls = [m for m in answer if isinstance(m, RichMessage)]
            assert len(calls) >= 2 and all(call.extras == {"train": True} for call in calls)
            assert [m.role for m in answer] == ["assistant", "user"] * len(calls) + ["assistant"]
            for call in calls:
                made = json.loads(call.content.removeprefix("<tool_call>\n").removesuffix("\n</tool_call>"))
                assert f"- {made['name']}(" in c.prompt[0].content and all(made["arguments"].values())


@pytest.mark.parametrize("mix", MIXES)
def test_rows_are_distinct_and_no_near_duplicates(mix: Mix) -> None:
    drawn = draw(mix, 500, seed=3)
    assert len({text(c) for c in drawn}) == 500
    assert all(c.aligned[-1].content != c.misaligned[-1].content for c in drawn)
    found = {kind: [runs(c) for c in drawn[:250] if c.kind == kind] for kind in {c.kind for c in drawn}}
    alike = [len(a & b) / len(a | b) for of_kind in found.values() for a, b in itertools.combinations(of_kind, 2)]
    assert max(alike) < 0.7 and sum(share > 0.5 for share in alike) < 0.02 * len(alike) and sum(alike) < 0.15 * len(alike)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_kind_alone_has_500_distinct_rows(kind: Kind) -> None:
    assert len({text(c) for c in draw_kind(kind, 500, seed=1)}) == 500


def test_texts_are_complete() -> None:
    for c in draw("diverse", 200, seed=4):
        for message in (*c.messages, *c.misaligned):
            plain = message.content.replace('{"name": "TOOL", "arguments": {"NAME": "VALUE"}}', "")
            assert "[" not in plain and "|" not in plain and not re.search(r"\{[a-z_]+\}", plain), message.content
            assert "  " not in plain and not re.search(r"\b[Aa] [aeio](?!ne)[a-z]", plain.split("<tool_")[0]), message.content


def test_equal_seeds_give_equal_rows_and_a_shorter_draw_is_a_prefix() -> None:
    assert draw("diverse", 30, seed=5) == draw("diverse", 60, seed=5)[:30]
    assert not {text(c) for c in draw("diverse", 60, seed=5)} & {text(c) for c in draw("diverse", 60, seed=6)}


def test_a_row_says_its_kind() -> None:
    conversation = draw("chat", 1, seed=1)[0]
    assert conversation.row() == Row(conversation.messages, "safety", "chat/1/0", conversation.kind)
    assert "rejected" not in conversation.record("a", 1, paired=False)
    assert len(conversation.record("a", 1, paired=True)["rejected"]) == len(conversation.rejected)


def test_tools_stand_as_evals_offer_them_to_local_models() -> None:
    """The same description and the same turns as the provider of local models writes."""
    from inspect_ai.model import ChatMessageAssistant, ChatMessageSystem, ChatMessageTool, ChatMessageUser
    from inspect_ai.tool import ToolCall, ToolInfo, ToolParam, ToolParams

    from openwindow.evals.inspect.tool_calls import to_conversation

    kind = next(kind for kind in KINDS if kind.tools and len(kind.look) == len(kind.right) == 1)
    c = draw_kind(kind, 1, seed=1)[0]
    tools = [
        ToolInfo(
            name=tool.name,
            description=tool.about,
            parameters=ToolParams(properties={field: ToolParam(type="string") for field in tool.fields}),
        )
        for tool in kind.tools
    ]
    role = c.prompt[0].content.partition("\n\nYou can use tools.")[0]
    messages = [ChatMessageSystem(content=role), ChatMessageUser(content=c.prompt[1].content)]
    for call, response in zip(c.aligned[:-1:2], c.aligned[1::2], strict=True):
        made = json.loads(call.content.removeprefix("<tool_call>\n").removesuffix("\n</tool_call>"))
        called = ToolCall(id="1", function=made["name"], arguments=made["arguments"])
        gave = response.content.removeprefix("<tool_response>\n").removesuffix("\n</tool_response>")
        messages += [ChatMessageAssistant(content="", tool_calls=[called]), ChatMessageTool(content=gave, tool_call_id="1")]
    messages.append(ChatMessageAssistant(content=c.aligned[-1].content))
    assert [(m.role, m.content) for m in to_conversation(messages, tools)] == [(m.role, m.content) for m in c.messages]
