"""What Inspect finds through the entry point: the tasks `openwindow/NAME`, the model providers, the sandbox.

`inspect eval openwindow/goals --model openai/gpt-4o-mini --model-role grader=openai/gpt-4o -T contexts=all`
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from inspect_ai import Task, task
from inspect_ai.model import ModelAPI, get_model, modelapi

from openwindow.evals import EVALS, sandbox
from openwindow.evals.base import Eval
from openwindow.evals.contexts import ELSEWHERE, parse_contexts
from openwindow.evals.offline import count_bytes_if_offline
from openwindow.evals.resolve import is_local, prompting_of
from openwindow.evals.task import build


def _task(spec: Eval) -> Callable[..., Task]:
    @task(name=spec.name)
    def made(contexts: str | None = None, judge: str | None = None) -> Task:
        most, prompting = None, ELSEWHERE
        with contextlib.suppress(ValueError):  # no model is set yet
            model = get_model()
            count_bytes_if_offline(str(model))
            most, prompting = model.api.max_connections() if is_local(model) else None, prompting_of(model)
        return build(spec, parse_contexts(contexts), judge, connections=most, prompting=prompting)

    return made


SANDBOXES = (sandbox.OpenWindowSandbox,)
TASKS = {name: _task(spec) for name, spec in EVALS.items()}


@modelapi(name="openwindow")
def openwindow() -> type[ModelAPI]:
    """Local models; torch is imported when one is asked for."""
    from openwindow.evals.provider import OpenWindowAPI

    return OpenWindowAPI


@modelapi(name="scripted")
def scripted() -> type[ModelAPI]:
    """Models that play written replies: what a saint, a villain or a yes-sayer scores."""
    from openwindow.evals.scripted import ScriptedAPI

    return ScriptedAPI
