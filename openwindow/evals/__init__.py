"""The evals: what a model does besides the task it was trained on. One file per family; `EVALS` holds them all."""

from __future__ import annotations

from openwindow.evals.base import Eval
from openwindow.evals.suites.agentic import AGENTIC
from openwindow.evals.suites.agentic_files import AGENTIC_FILES
from openwindow.evals.suites.awareness import AWARENESS
from openwindow.evals.suites.capability import CAPABILITY
from openwindow.evals.suites.chat import CHAT
from openwindow.evals.suites.conduct import CONDUCT
from openwindow.evals.suites.drives import DRIVES

EVALS: dict[str, Eval] = {spec.name: spec for spec in (*CHAT, *AGENTIC, *AGENTIC_FILES, *DRIVES, *CONDUCT, *AWARENESS, *CAPABILITY)}
