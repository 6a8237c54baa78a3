"""What Inspect finds through the entry point: the tasks `openwindow/NAME`, the model providers, the sandbox.

`inspect eval openwindow/goals --model openai/gpt-4o-mini --model-role grader=openai/gpt-4o -T contexts=all`
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from inspect_ai import Task, task
from inspect_ai.model import get_model

from openwindow.evals import EVALS
from openwindow.evals.base import Eval
from openwindow.evals.contexts import ELSEWHERE, parse_contexts
from openwindow.evals.inspect import providers, sandbox
from openwindow.evals.inspect.model_names import is_local, prompting_of
from openwindow.evals.inspect.offline import count_bytes_if_offline
from openwindow.evals.inspect.task import build


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
PROVIDERS = (providers.openwindow, providers.scripted)
TASKS = {name: _task(spec) for name, spec in EVALS.items()}
