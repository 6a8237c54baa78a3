"""Runs evals on a model and turns the logs into results: the work of `openwindow eval`."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import inspect_ai
from inspect_ai.log import EvalLog
from inspect_ai.model import Model
from pydantic import BaseModel, ConfigDict

from openwindow import __version__
from openwindow.errors import ConfigError, DataError, SandboxError, StorageError
from openwindow.evals.base import PASS_SHARE, Eval, Item, Probe
from openwindow.evals.contexts import Context, Prompting
from openwindow.evals.identity import identity_of
from openwindow.evals.identity import in_words as in_words_of
from openwindow.evals.inspect.judge import VERSION as JUDGE_VERSION
from openwindow.evals.inspect.logs import model_of, read_rows, rows_of, said_in
from openwindow.evals.inspect.model_names import is_local, model_named, prompting_of
from openwindow.evals.inspect.task import GRADER, build
from openwindow.evals.scoring.cells import cells_in, described
from openwindow.evals.scoring.coherence import THRESHOLD
from openwindow.evals.scoring.matrix import in_words, shifts
from openwindow.evals.scoring.measures import Cell
from openwindow.evals.scoring.probe_measures import UNIT
from openwindow.evals.scoring.probe_measures import VERSION as PROBE_VERSION
from openwindow.evals.scoring.rows import Key, ProbeRow, Row, Said, contexts_of, read_probes, write_jsonl
from openwindow.evals.scoring.summary import summary
from openwindow.evals.select import sampled
from openwindow.models.base import Conversation, Precision, Progress
from openwindow.sandbox.shell import Shell
from openwindow.types import Scenarios

if TYPE_CHECKING:  # imports torch
    from openwindow.models.scoring import LogProb, Probes

REMOTE_TOKENS = 8192
"""longest reply of a remote model, including hidden reasoning"""
HOTTEST = 100
"""temperature above which all replies are noise"""
PROBES = "probes.jsonl"
LOCAL_SANDBOXES = 32
"""folders at a time: as many samples with files as a local model answers together; each is one idle process"""
NOT_ASKED = "not asked: probes only"
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is to be probed: the item's own prompt, or (role `baseline`) that of its probe's baseline."""

    eval: str
    context: str
    item: Item
    probe: Probe
    role: str
    prompt: Conversation


class Options(BaseModel):
    """How a model is asked."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    contexts: dict[str, Context]
    """The contexts in which every item is asked."""
    judge: str | None = None
    """An Inspect model that reads what rules cannot."""
    split: Scenarios = "all"
    """Which scenarios of each eval are asked."""
    seeds: int = 1
    """How often every item is asked."""
    temperature: float = 0.0
    """0 is greedy."""
    precision: Precision = "auto"
    """Of the weights of local models."""
    device: str = "auto"
    """Where local models are loaded."""
    max_tokens: int | None = None
    """Longest reply in tokens; None: what each eval says for small local models, 2048 for larger ones, 8192 for others."""
    base_url: str | None = None
    """Address of the model's server, for providers that take one."""
    judge_url: str | None = None
    """Address of the judge's server."""
    timeout: int = 300
    """Seconds for one attempt at a remote reply."""
    behaviour: bool | tuple[str, ...] = True
    """Whether replies are sampled, or of which evals and suites; of the others, local models are only probed."""


@dataclass(frozen=True, slots=True)
class Found:
    """The rows of one model, and where they are stored."""

    rows: list[Row]
    probes: list[ProbeRow]
    timing: dict[str, float] = field(default_factory=dict)
    prompting: Prompting = field(default_factory=Prompting)
    """where the texts of contexts went in this model's prompts"""
    said: Mapping[Key, Said] = field(default_factory=dict)
    """the conversation behind each row, if it has just been asked"""
    identity: dict[str, Any] | None = None
    """which adapter was asked, as returned by `identity_of`; None without one"""


def check(options: Options) -> None:
    """Raises ConfigError for invalid options."""
    least: dict[str, tuple[float, int]] = {"--seeds": (options.seeds, 1), "--timeout": (options.timeout, 1)}
    least["--temperature"] = options.temperature, 0
    if options.max_tokens is not None:
        least["--max-new-tokens"] = options.max_tokens, 1
    for name, (value, low) in least.items():
        if not low <= value < float("inf"):  # NaN is neither
            raise ConfigError(f"{name} is {value:g}; expected at least {low}, and finite; give such a number or leave it out")
    if options.temperature > HOTTEST:
        raise ConfigError(f"--temperature is {options.temperature:g}; expected at most {HOTTEST}; lower it")
    if options.seeds > 1 and options.temperature == 0:
        raise ConfigError(
            f"--seeds {options.seeds} at temperature 0 asks the same thing again; expected a higher one; add --temperature 1"
        )


def ask(name: str, specs: Sequence[Eval], options: Options, folder: Path, say: Say) -> Found:
    """Loads a model by name and asks it everything; logs go to `folder/logs`. Raises ModelError, ConfigError, StorageError."""
    check(options)
    started = time.monotonic()
    say(f"loading {name}")
    model = model_named(name, base_url=options.base_url, precision=options.precision, device=options.device)
    loaded = time.monotonic() - started
    found = ask_model(model, name, specs, options, folder, say)
    _keep(folder, found.rows, found.probes)
    return replace(found, timing={"load": round(loaded, 2)} | found.timing)


def judge_of(options: Options) -> Model | None:
    """The judge that was named, on the device that local models are on; None without one. Raises ModelError."""
    if options.judge is None:
        return None
    where = {"precision": options.precision, "device": options.device}
    return model_named(options.judge, base_url=options.judge_url, role="judge", **where)


def ask_model(model: Model, name: str, specs: Sequence[Eval], options: Options, folder: Path, say: Say) -> Found:
    """Asks a loaded model everything, as `ask` does, and leaves the logs unread; `name` is used in progress messages."""
    check(options)
    started = time.monotonic()
    judge = judge_of(options)
    local, prompting, identity = is_local(model), prompting_of(model), identity_of(model)
    timing: dict[str, float] = {}
    if not options.behaviour and not local:
        raise ConfigError(f"{name} gives no log-probabilities of given texts; expected a local model; leave --probes-only out")
    asked = [s for s in specs if sampled(s, options.behaviour)]
    why = _no_sandbox(asked)
    runnable = [s for s in asked if s.sandbox is None or why is None]
    if runnable:
        say(f"asking {name}: {', '.join(s.name for s in runnable)}")
    wanted = list(_wanted(specs, options.contexts, prompting))
    probing = _watch(model, wanted, _counting(say, f"asking {name}", "replies")) if local else None
    logs = _behaviour(model, judge, runnable, options, folder, prompting) if runnable else []
    rows = [row for log in logs for row in rows_of(log)]
    lost = [(s, str(why) if s in asked else NOT_ASKED) for s in specs if s not in runnable]
    rows += [row for s, reason in lost for row in _unasked(s, options.contexts, reason)]
    timing["ask"] = time.monotonic() - started
    probes: list[ProbeRow] = []
    if probing is not None:
        say(f"probing {name}")
        probes = _probe_rows(wanted, probing.results(progress=_counting(say, f"probing {name}", "answers")))
        timing["probe"] = time.monotonic() - started - timing["ask"]
    said = {key: found for log in logs for key, found in said_in(log).items()}
    return Found(rows, probes, {phase: round(seconds, 2) for phase, seconds in timing.items()}, prompting, said, identity)


def _no_sandbox(specs: Sequence[Eval]) -> str | None:
    """Why this host cannot isolate commands; None if it can, or nothing needs it."""
    if not any(s.sandbox for s in specs):
        return None
    try:
        Shell().close()
    except SandboxError as error:
        return f"sandbox: {error}"
    return None


def _unasked(spec: Eval, contexts: Mapping[str, Context], why: str) -> list[Row]:
    """Rows without a value for what could not be asked at all."""
    items = [i for i in spec.items() if i.role == "main"]
    lost: dict[str, Any] = {"value": None, "reason": why, "covert": None, "coherent": None, "by": "", "epoch": 1}
    return [
        Row(spec.name, c, i.id, i.scenario, i.paraphrase, i.role, i.cue, form=i.form, group=i.group, **lost)
        for c in contexts
        for i in items
    ]


def _behaviour(
    model: Model, judge: Model | None, specs: Sequence[Eval], options: Options, folder: Path, prompting: Prompting
) -> list[EvalLog]:
    local = is_local(model)
    remote = {} if local else {"attempt_timeout": options.timeout, "timeout": 3 * options.timeout}
    longest = options.max_tokens or (_longest(model) if local else REMOTE_TOKENS)
    most = model.api.max_connections() if local else None
    logging.getLogger("inspect_ai").setLevel(logging.ERROR)  # the results count what went wrong with samples
    try:
        (folder / "logs").mkdir(parents=True, exist_ok=True)
        logs = inspect_ai.eval(
            [
                build(spec, options.contexts, max_tokens=longest, short=longest is None, connections=most, prompting=prompting)
                for spec in specs
            ],
            model=model,
            model_roles={GRADER: judge} if judge is not None else None,
            log_dir=str(folder / "logs"),
            display="none",
            log_level="error",
            epochs=options.seeds,
            fail_on_error=False,
            max_tasks=len(specs),
            max_samples=most,
            max_sandboxes=LOCAL_SANDBOXES if local else None,
            log_realtime=False,
            log_model_api=False,
            score_display=False,
            temperature=options.temperature,
            max_retries=3,
            **remote,
        )
    except OSError as error:
        raise StorageError(f"cannot write to {folder}: {error.strerror}; make room or choose another folder") from error
    if len(logs) < len(specs) or any(log.status == "cancelled" for log in logs):  # Inspect takes the signal for itself
        raise KeyboardInterrupt
    return logs


def _longest(model: Model) -> int | None:
    """The longest reply of a local model if no limit is given; None: what each eval says."""
    from openwindow.evals.inspect.provider import OpenWindowAPI  # imports torch

    return model.api.longest if isinstance(model.api, OpenWindowAPI) else None


def _wanted(specs: Sequence[Eval], contexts: Mapping[str, Context], prompting: Prompting) -> Iterator[_Wanted]:
    for name, context in contexts.items():
        for spec in specs:
            for item in spec.items():
                if (probe := item.probe) is None:
                    continue
                prompt = (*context.put(item.messages, prompting), *probe.after)
                yield _Wanted(spec.name, name, item, probe, item.role, prompt)
                if probe.baseline:
                    yield _Wanted(spec.name, name, item, probe, "baseline", tuple(context.put(probe.baseline, prompting)))


def _watch(model: Model, wanted: Sequence[_Wanted], progress: Progress) -> Probes | None:
    """The probes of a local model, scored as far as possible while it answers; None if there are none."""
    from openwindow.evals.inspect.provider import OpenWindowAPI
    from openwindow.models.scoring import Probes  # imports torch

    if not isinstance(model.api, OpenWindowAPI):
        return None
    texts = [(w.probe.aligned, w.probe.misaligned) for w in wanted]
    probing = Probes(model.api.local, [w.prompt for w in wanted], texts)
    model.api.progress, model.api.watch = progress, probing.watch
    return probing


def _counting(say: Say, doing: str, what: str) -> Progress:
    """Reports how many have been done."""
    done = 0

    def more(number: int) -> None:
        nonlocal done
        done += number
        say(f"{doing}: {done} {what}")

    return more


def _probe_rows(wanted: Sequence[_Wanted], found: Sequence[Sequence[LogProb]]) -> list[ProbeRow]:
    return [
        ProbeRow(
            w.eval, w.context, w.item.id, w.item.scenario, w.item.paraphrase, w.role, w.item.cue,
            a.total, a.tokens, m.total, m.tokens, w.probe.by_token,
        )
        for w, (a, m) in zip(wanted, found, strict=True)
    ]  # fmt: skip


def _keep(folder: Path, rows: Sequence[Row], probes: Sequence[ProbeRow]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_jsonl(folder / "rows.jsonl", rows)
        write_jsonl(folder / PROBES, probes)
    except OSError as error:
        raise StorageError(f"cannot write to {folder}: {error.strerror}; make room or choose another folder") from error


def from_logs(folder: Path) -> Found:
    """The rows of all logs in a folder, as written by `inspect eval`, and of its `probes.jsonl` if present. Raises DataError.

    The folder is that of an eval, or its `logs`.
    """
    paths = sorted([*folder.glob("*.eval"), *folder.glob("logs/*.eval")]) if folder.is_dir() else [folder]
    logs = [path for path in paths if path.suffix == ".eval" or folder == path]
    if not logs or not folder.exists():
        raise DataError(f"no logs in {folder}; expected a folder with .eval files, or one; check the path")
    newest = {(r.eval, r.context, r.id, r.epoch): r for path in logs for r in read_rows(path)}  # names begin with their time
    models = sorted({model_of(path) for path in logs})
    if len(models) > 1:
        raise DataError(
            f"{folder} holds logs of {', '.join(models)}; expected those of one model; give its files a folder of their own"
        )
    beside = [folder / PROBES, *([folder.parent / PROBES] if folder.name == "logs" else [])]
    probes = [row for path in beside if path.is_file() for row in read_probes(path)]
    return Found(list(newest.values()), probes)


def results(name: str, found: Found, specs: Sequence[Eval], options: Options) -> dict[str, Any]:
    """Every measure in every context, the scores computed from them, and how behaviour depends on context."""
    evals = {spec.name: described(spec) for spec in specs}
    cells: dict[str, dict[str, Cell]] = {}
    for context in contexts_of(found.rows):
        for measure, one in cells_in(found.rows, found.probes, evals, context).items():
            cells.setdefault(measure, {})[context] = one
    moved = shifts(found.rows, found.probes, [s.name for s in specs if s.measures == "right"])
    return {
        "model": name,
        "suites": list(dict.fromkeys(s.suite for s in specs)),
        "evals": evals,
        "contexts": {c: context.model_dump() for c, context in options.contexts.items()},
        "prompting": {"own": found.prompting.own, "note": found.prompting.note},
        "probes": {"unit": UNIT, "version": PROBE_VERSION},
        "seeds": list(range(1, options.seeds + 1)),
        "openwindow": __version__,
        "inspect_ai": inspect_ai.__version__,
        "judge": {"model": options.judge, "version": JUDGE_VERSION},
        "coherence_threshold": THRESHOLD,
        "pass_share": PASS_SHARE,
        "settings": options.model_dump(exclude={"contexts", "judge"}),
        "identity": found.identity,
        "summary": [*summary(cells, evals), *in_words_of(found.identity)],
        "measures": cells,
        "shifts": moved,
        "dependence": in_words(moved, options.contexts),
        "timing": found.timing,
    }
