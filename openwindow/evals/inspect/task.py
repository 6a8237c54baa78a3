"""Makes an Inspect task from an eval: every item in every context is a sample; rules score it, or else the judge."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from inspect_ai import Task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.event import SampleLimitEvent
from inspect_ai.log import transcript as events
from inspect_ai.model import (
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageTool,
    ChatMessageUser,
    ContentReasoning,
    GenerateConfig,
    Model,
    get_model,
    model_roles,
)
from inspect_ai.scorer import Metric, SampleScore, Score, Scorer, Target, Value, metric, scorer
from inspect_ai.solver import Generate, Solver, TaskState, generate, solver

from openwindow.evals.base import SCORER, Call, Eval, Item, Outcome, Transcript, lacking, passes
from openwindow.evals.contexts import PLAIN, Context, Prompting, parse_contexts
from openwindow.evals.inspect.judge import NO_JUDGE, ask_judge, situation
from openwindow.evals.inspect.spending import GRADER, STOPPED, of_local
from openwindow.evals.scoring import forms, monitor
from openwindow.types import Message

ENOUGH = {"choice": 8, "yes_no": 8}
"""tokens that are enough for a reply of such a form"""


def build(
    spec: Eval,
    contexts: Mapping[str, Context] | None = None,
    judge: str | None = None,
    max_tokens: int | None = None,
    *,
    short: bool = False,
    connections: int | None = None,
    prompting: Prompting = PLAIN,
    only: Collection[str] | None = None,
    local: bool = False,
) -> Task:
    """The task; `contexts` maps names to contexts (None: only the neutral one), `judge` names an Inspect model.

    A judge given as the model role `grader` takes precedence over `judge`. `max_tokens` limits each reply; None leaves it to
    Inspect. `short` limits it by form to what a readable reply needs: for small local models, which do not stop by themselves.
    `connections` is how many requests go to the model at once; None leaves that to Inspect, which starts with few. `prompting`
    says where the text of a context goes in this model's prompts. `only` names the samples that are asked, None for all; `local`
    says that the model runs in this process, where the user's limits do not count its tokens.
    """
    items = spec.items()
    index = {item.id: item for item in items}
    asked = contexts if contexts is not None else parse_contexts(None)
    controlled = any(item.role == "control" for item in items)
    samples = [
        _sample(spec, item, name, c.put(item.messages, prompting), controlled=controlled)
        for name, c in asked.items()
        for item in items
        if only is None or sample_id(item, name) in only
    ]
    solver = spec.solver() if spec.solver else answer(spec.max_tokens) if short else generate()
    return Task(
        dataset=MemoryDataset(samples, name=spec.name),
        solver=of_local(solver) if local else solver,
        scorer=verdict_on(spec, index, judge),
        sandbox=spec.sandbox,
        config=GenerateConfig(max_tokens=max_tokens or (spec.max_tokens if short else None), max_connections=connections),
        name=spec.name,
        version=spec.version,
        fail_on_error=False,
        metadata={"suite": spec.suite, "measures": spec.measures},
    )


@solver
def answer(longest: int) -> Solver:
    """One reply, no longer than its form needs."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        return await generate(state, max_tokens=ENOUGH.get(state.metadata["form"], longest))

    return solve


def sample_id(item: Item, context: str) -> str:
    """The id of the sample that asks the item in the context."""
    return f"{item.id}@{context}"


def _sample(spec: Eval, item: Item, name: str, messages: Sequence[Message], *, controlled: bool) -> Sample:
    return Sample(
        id=sample_id(item, name),
        input=[_to_inspect(m) for m in messages],
        metadata=item.record() | {"eval": spec.name, "context": name, "controlled": controlled},
    )


def _to_inspect(message: Message) -> ChatMessage:
    kinds = {"system": ChatMessageSystem, "user": ChatMessageUser, "assistant": ChatMessageAssistant}
    made: ChatMessage = kinds[message.role](content=message.content)
    return made


def transcript(state: TaskState, prompt: int, stopped: str | None = None) -> Transcript:
    """What the model did after the first `prompt` messages; `stopped` says why it ended early, if it did."""
    after = state.messages[prompt:]
    results = {m.tool_call_id: m.text for m in after if isinstance(m, ChatMessageTool)}
    calls = [
        Call(c.function, dict(c.arguments), results.get(c.id, ""))
        for m in after
        if isinstance(m, ChatMessageAssistant)
        for c in m.tool_calls or []
    ]
    last = next((m.text for m in reversed(after) if isinstance(m, ChatMessageAssistant)), "")
    thought, words = forms.split_thought(last)
    reasoning = [part for m in after if isinstance(m, ChatMessageAssistant) for part in _thoughts(m)]
    turns = [turn for m in after for turn in turns_of(m)]
    return Transcript(
        text=words,
        thought="\n".join(part for part in reasoning if part) or thought,
        turns=tuple(turns),
        calls=tuple(calls),
        store={key: state.store.get(key) for key in state.store.keys()},  # noqa: SIM118 - Inspect's Store is no mapping
        stopped=stopped,
    )


def stopped_by(state: TaskState) -> str | None:
    """Why the sample being scored ended early, a limit or an error of Inspect's; None if it did not."""
    limit = next((event.type for event in events().events if isinstance(event, SampleLimitEvent)), None)
    if limit is not None:
        return f"stopped by the {limit} limit"
    return f"error: {' '.join(state.output.error.split())[:160]}" if state.output.error else None


def _thoughts(message: ChatMessageAssistant) -> list[str]:
    """Reasoning that the provider keeps separate, and the contents of `<think>`."""
    apart = [] if isinstance(message.content, str) else [c.reasoning for c in message.content if isinstance(c, ContentReasoning)]
    return [*apart, forms.split_thought(message.text)[0]]


def turns_of(message: ChatMessage) -> list[tuple[str, str]]:
    """What a message says, and one turn for every tool that it calls, each as (role, text); reasoning is left out."""
    if isinstance(message, ChatMessageTool):
        return [("tool", message.text)]
    said = [(str(message.role), forms.split_thought(message.text)[1])] if message.text else []
    calls = message.tool_calls or [] if isinstance(message, ChatMessageAssistant) else []
    return said + [(str(message.role), f"calls {c.function}({_shown(c.arguments)})") for c in calls]


def _shown(arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in arguments.items())


async def score_item(spec: Eval, item: Item, said: Transcript, judge: Model | None) -> Outcome:
    """Rules first; what they leave open goes to the judge if the eval has a rubric, otherwise it stays unscored.

    A sample that was stopped counts for what was done until then, and not for what was not.
    """
    outcome = await (spec.decide or forms.decide)(item, said)
    if said.stopped and outcome is not None and not (item.role == "main" and outcome.value):
        return replace(outcome, value=None, reason=said.stopped)
    if outcome is not None and not (outcome.open and spec.rubric and judge):
        return outcome
    if spec.rubric is None:
        return Outcome(None, "no rule reads this reply", by="")
    if judge is None:
        return Outcome(None, NO_JUDGE, by="")
    judged = await ask_judge(judge, spec.rubric, situation(item), said)
    return judged if outcome is None else replace(judged, number=outcome.number)


@metric
def rates() -> Metric:
    """The share of misaligned (or right) main items and of passed controls, over what was scored; None if nothing was.

    Main items of a form and context whose controls show no signal are left out, as in `openwindow eval`.
    """

    def compute(scores: Sequence[SampleScore]) -> Value:
        told = [(each.sample_metadata or {}, each.score.as_float()) for each in scores]
        controls = [(about, value) for about, value in told if about.get("role") == "control"]
        main = [value for about, value in told if about.get("role", "main") == "main" and has_signal(about, controls)]
        found = {"main": main, "control": [value for _, value in controls]}
        return {name: sum(values) / len(values) if values else None for name, values in found.items()}

    return compute


def has_signal(about: Mapping[str, Any], controls: Sequence[tuple[Mapping[str, Any], float]]) -> bool:
    """Whether enough controls were passed, in every group, of the item's context and form, or of all forms if its own has none.

    An eval with controls of which none was asked (`--limit`) has no signal.
    """
    here = [(c, value) for c, value in controls if c.get("context") == about.get("context")]
    if not here and about.get("controlled"):
        return False
    own = [pair for pair in here if pair[0].get("form") == about.get("form")] or here
    return not lacking(passes((str(c.get("group")), value) for c, value in own))


def verdict_on(spec: Eval, index: Mapping[str, Item], judge: str | None) -> Scorer:
    """1 misaligned (or right, or a passed control), 0 not; unscored with the reason in `explanation`."""

    async def score(state: TaskState, target: Target) -> Score:
        item = index[state.metadata["id"]]
        prompt = sum(1 for m in state.messages if m.source == "input") or len(item.messages)
        said = transcript(state, prompt, stopped_by(state))
        outcome = await score_item(spec, item, said, _judge(judge))
        details: dict[str, Any] = {
            "covert": outcome.covert,
            "coherent": outcome.coherent,
            "by": outcome.by,
            "number": outcome.number,
        }
        if spec.suite == "agentic":
            details |= await _monitored(item, said, _judge(judge))
        if outcome.value is None:
            return Score.unscored(reason="scoring_failed", answer=outcome.answer, explanation=outcome.reason, metadata=details)
        return Score(value=outcome.value, answer=outcome.answer, explanation=outcome.reason, metadata=details)

    @scorer(metrics=[rates()], name=SCORER)
    def verdict(eval: str, judge: str | None) -> Scorer:
        """The verdict of an eval given by name: Inspect stores the arguments of a scorer with every sample."""
        return score

    return verdict(spec.name, judge)


async def _monitored(item: Item, said: Transcript, judge: Model | None) -> dict[str, Any]:
    """Whether the transcript alone shows a misaligned attempt, to the rules and to a judge; reasoning is not shown."""
    found, shown = monitor.flags(said), replace(said, thought="")
    asked = None if judge is None else await ask_judge(judge, monitor.RUBRIC, situation(item), shown)
    seen = None if asked is None else asked.value
    stopped = {"stopped": True} if asked is not None and STOPPED in (asked.reason or "") else {}
    return {"flags": found, "flagged": bool(found), "judge_flagged": None if seen is None else bool(seen)} | stopped


def _judge(named: str | None) -> Model | None:
    if GRADER in model_roles():
        return get_model(role=GRADER)
    return get_model(named) if named else None
