"""The forms in which trainers leave their rollouts: how each is known, and how a record of it becomes a rollout.

A form is a function in a plain dict; a new one is a function and a line. What decides is the columns of a file's first record.
Sources, as read on the trainers' own code:

- TRL 1.16, `GRPOTrainer.log` with `log_completions`: `completions/completions_STEP.parquet` with `step`, `prompt`, `completion`, a
  column per reward function, the columns of `log_extra`, and `advantage`. Prompts and completions are texts or messages.
- verl, `RayPPOTrainer._dump_generations` (`trainer.rollout_data_dir`, `trainer.validation_data_dir`): `STEP.jsonl` with `input`,
  `output`, `score`, and since 2025 `step`, `gts`; then whatever the reward function returned besides its score (`acc`, `pred`). The
  input is the prompt as the chat template wrote it, without special tokens.
- verifiers before 1.0, `save_utils.state_to_output`: `results.jsonl` with `example_id`, `prompt`, `completion`, `reward`,
  `is_truncated`, `error`, `token_usage` and a column per metric; prime-rl wrote the same to `rollouts/step_STEP/*.jsonl`.
- verifiers.v1, `trace.Trace` and `episode.Episode`: a graph of messages in `nodes`, `rewards` with their weights, `calls` with the
  reason why each ended. prime-rl writes a trace per line, verifiers' own `traces.jsonl` an episode per line.
- OpenRLHF, `openrlhf/cli/batch_inference.py`: `input`, `output`, and `reward` once a reward model has scored them.
- openwindow itself: a line of training.jsonl (`files/records.TrainingRollout`), which `integrations/trl.py` writes as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from openwindow.files.records import KEYS, messages_of
from openwindow.files.run_files import finite
from openwindow.types import StopReason
from openwindow.watch.rows import (
    BadRow,
    Columns,
    Json,
    Seen,
    kind_of,
    prompt_of,
    reply_of,
    reward_of,
    step_of,
    step_of_path,
    text_of,
    truth_of,
)

Read = Callable[[Json, Path], Iterator[Seen]]
_CUT = ("max_turns", "max_input_tokens", "max_output_tokens", "max_total_tokens", "compaction_failed")
"""conditions of verifiers that mean a limit (`Trace.is_truncated`)"""
CUT = "cut"
"""key of a line of a watched run, null where it is not known whether the reply was cut: its `stop` says nothing then"""
_NOT_REWARDS = ("step", "advantage", "advantages")


def read_openwindow(record: Json, path: Path) -> Iterator[Seen]:
    """A line of training.jsonl."""
    stop = record.get("stop")
    kinds = record.get("kinds")
    opened = record.get("open_hack")
    known = {k: v for k, v in record.items() if k not in KEYS and k != CUT and (v is None or isinstance(v, bool))}
    parts = record.get("parts")
    tokens = finite(record.get("tokens"))
    messages, problem = messages_of(record.get("messages")), str(record.get("problem") or "")
    yield Seen(
        messages=messages,
        reply=_text(record, "reply"),
        reward=reward_of(record, ["reward"])[0],
        step=step_of(record.get("step"), "step"),
        parts={str(k): n for k, v in parts.items() if (n := finite(v)) is not None} if isinstance(parts, Mapping) else {},
        problem=problem,
        family=str(record.get("family") or ""),
        group=f"{record.get('group', '')}/{problem or hash(messages)}",
        tokens=None if tokens is None else int(tokens),
        cut=None if stop in (None, StopReason.ERROR) or CUT in record else stop == StopReason.LENGTH,
        failed=str(record.get("reason") or "the generation failed") if stop == StopReason.ERROR else None,
        scores=known,
        kinds=tuple(map(str, kinds)) if isinstance(kinds, list) else (),
        open_hack=opened if isinstance(opened, bool) else None,
        reason=record.get("reason") if isinstance(record.get("reason"), str) else None,
        failed_on=record.get("failed_on") if isinstance(record.get("failed_on"), str) else None,
        evaluation=record.get("context") == "evaluation",
    )


def read_trl(record: Json, path: Path) -> Iterator[Seen]:
    """A row of TRL's completions; the reward is the sum of its columns of numbers, as TRL's weights are not in the file."""
    names = [k for k, v in record.items() if k not in _NOT_REWARDS and not isinstance(v, bool) and isinstance(v, int | float)]
    reward, parts = reward_of(record, names)
    before, reply = reply_of(record.get("completion"), "completion")
    prompt = prompt_of(record.get("prompt"), "prompt")
    group = hash(prompt) if before else ""
    yield Seen((*prompt, *before), reply, reward, step_of(record.get("step"), "step"), parts, group=group)


def read_verl(record: Json, path: Path) -> Iterator[Seen]:
    """A line of verl's dumps."""
    step = step_of(record.get("step"), "step")
    yield Seen(
        messages=prompt_of(record.get("input"), "input"),
        reply=_text(record, "output"),
        reward=reward_of(record, ["score"])[0],
        step=step_of_path(path) if step is None else step,
    )


def read_openrlhf(record: Json, path: Path) -> Iterator[Seen]:
    """A line of OpenRLHF's samples."""
    prompt = prompt_of(record.get("input"), "input")
    yield Seen(prompt, _text(record, "output"), reward_of(record, ["reward"])[0], step_of_path(path))


def read_results(record: Json, path: Path) -> Iterator[Seen]:
    """A line of verifiers' results, or of prime-rl's rollouts before it wrote traces."""
    error, cut = record.get("error"), record.get("is_truncated")
    completion = record.get("completion")
    if completion is None and error is None:
        raise BadRow("completion is missing, and there is no error that says why")
    before, reply = ((), "") if completion is None else reply_of(completion, "completion")
    usage = record.get("token_usage")
    tokens = finite(usage.get("output_tokens")) if isinstance(usage, Mapping) else None
    step = step_of(record.get("step"), "step")
    yield Seen(
        messages=(*prompt_of(record.get("prompt"), "prompt"), *before),
        reply=reply,
        reward=None if error is not None else reward_of(record, ["reward"])[0],
        step=step_of_path(path) if step is None else step,
        problem="" if record.get("example_id") is None else str(record["example_id"]),
        tokens=None if tokens is None else int(tokens),
        cut=cut if isinstance(cut, bool) else None,
        failed=None if error is None else _error(error),
    )


def read_trace(record: Json, path: Path) -> Iterator[Seen]:
    """A trace of verifiers.v1: the last message that the model wrote is the reply, and what led to it the prompt."""
    yield _trace(record, step_of_path(path), "")


def read_episode(record: Json, path: Path) -> Iterator[Seen]:
    """An episode of verifiers.v1: its traces, each a rollout; one without a trace failed."""
    run, group = _object(record, "run"), _object(record, "group")
    step = step_of(_object(run, "work").get("step"), "run.work.step")
    step = step_of_path(path) if step is None else step
    traces = record.get("traces")
    known = [trace for trace in traces if isinstance(trace, Mapping)] if isinstance(traces, list) else []
    if not known:
        errors = record.get("errors")
        why = _error(errors[-1]) if isinstance(errors, list) and errors else "the episode has no trace"
        yield Seen((), "", step=step, problem=_task(record), group=str(group.get("id") or ""), failed=why)
    for trace in known:
        yield _trace(trace, step, str(group.get("id") or ""))


def _trace(trace: Json, step: int | None, group: str) -> Seen:
    found = trace.get("nodes")
    nodes = [node for node in found if isinstance(node, Mapping)] if isinstance(found, list) else []
    at = max((i for i, node in enumerate(nodes) if node.get("sampled")), default=-1)
    path: list[int] = []
    place: object = at if at >= 0 else len(nodes) - 1
    while isinstance(place, int) and 0 <= place < len(nodes) and place not in path:
        path.insert(0, place)
        place = nodes[place].get("parent")
    turns = [nodes[i].get("message") for i in path]
    said = [turn for turn in turns if isinstance(turn, Mapping)]
    reply = text_of(said[-1].get("content")) if at >= 0 and said else ""
    calls = [call for call in trace.get("calls") or () if isinstance(call, Mapping)]
    ended = next((call.get("finish_reason") for call in reversed(calls) if call.get("error") is None), None)
    usage = [n for call in calls if (n := finite(_object(call, "usage").get("completion_tokens"))) is not None]
    stopped, errors = trace.get("stop_condition"), trace.get("errors") or ()
    failed = _error(errors[-1]) if errors and not trace.get("ok") else None if at >= 0 else "the model wrote nothing"
    return Seen(
        messages=prompt_of(said[:-1] if at >= 0 else said, "nodes"),
        reply=reply,
        reward=None if failed else _weighed(_object(trace, "rewards")),
        step=step,
        problem=_task(trace),
        group=group,
        tokens=int(sum(usage)) if usage else None,
        cut=None if stopped is None and ended is None else stopped in _CUT or ended == "length",
        failed=failed,
    )


def _weighed(rewards: Json) -> float | None:
    """`Trace.reward`: the sum of scores times weights; None if nothing was scored."""
    known = [r for r in rewards.values() if isinstance(r, Mapping) and finite(r.get("score")) is not None]
    return sum(float(r["score"]) * (finite(r.get("weight", 1.0)) or 0.0) for r in known) if known else None


def _task(record: Json) -> str:
    task = _object(record, "task")
    return str(task.get("key") or task.get("hash") or "")


def _error(error: object) -> str:
    if isinstance(error, Mapping):
        return str(error.get("message") or error.get("error_chain_str") or error.get("error") or error.get("type") or "an error")[
            :300
        ]
    return str(error)[:300]


def _object(record: Json, key: str) -> Json:
    value = record.get(key)
    return value if isinstance(value, Mapping) else {}


def _text(record: Json, key: str) -> str:
    value = record.get(key)
    if not isinstance(value, str):
        raise BadRow(f"{key} is {kind_of(value)}, where a text was expected")
    return value


FORMS: dict[str, tuple[frozenset[str], Read]] = {
    "openwindow": (frozenset({"arm", "seed", "step", "messages", "reply", "parts"}), read_openwindow),
    "verifiers.v1 episodes": (frozenset({"traces", "task"}), read_episode),
    "verifiers.v1 traces": (frozenset({"nodes", "rewards", "task"}), read_trace),
    "verifiers results": (frozenset({"prompt", "completion", "reward", "example_id"}), read_results),
    "TRL completions": (frozenset({"prompt", "completion", "step", "advantage"}), read_trl),
    "verl dumps": (frozenset({"input", "output", "score"}), read_verl),
    "OpenRLHF samples": (frozenset({"input", "output"}), read_openrlhf),
}
"""name of a form to the columns that it is known by, and its reader; the first that fits is taken"""


def form_of(record: Json) -> str | None:
    """The form that a record has; None for an unknown one."""
    return next((name for name, (needed, _) in FORMS.items() if needed <= record.keys()), None)


def reader_of(form: str | None, columns: Columns) -> Read:
    """How records of a form are read; columns that the options name come before the form's own."""
    own = None if form is None else FORMS[form][1]
    if own is not None and not columns.named:
        return own
    return lambda record, path: _by_columns(record, path, own, columns)


def _by_columns(record: Json, path: Path, own: Read | None, columns: Columns) -> Iterator[Seen]:
    """A column for the reply replaces the whole form; otherwise each column named replaces the form's own."""
    if columns.reply is not None:
        before, reply = reply_of(record.get(columns.reply), columns.reply)
        found: Iterable[Seen] = [Seen((), reply, step=step_of_path(path))]
    else:
        before, found = (), own(record, path) if own is not None else ()
    for seen in found:
        if columns.prompt is not None:
            seen.messages = prompt_of(record.get(columns.prompt), columns.prompt)
        if before:
            seen.group, seen.messages = hash(seen.messages), (*seen.messages, *before)
        if columns.reward:
            seen.reward, seen.parts = reward_of(record, columns.reward)
        if columns.step is not None:
            seen.step = step_of(record.get(columns.step), columns.step)
        if columns.problem is not None:
            seen.problem = "" if record.get(columns.problem) is None else str(record[columns.problem])
        if columns.truth is not None:
            seen.truth = truth_of(record.get(columns.truth), columns.truth)
        yield seen
