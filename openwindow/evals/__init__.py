"""The evals: what a model does besides the task that it was trained on. One file per family; `EVALS` holds them all."""

from __future__ import annotations

from openwindow.evals.agentic import AGENTIC
from openwindow.evals.agentic_files import AGENTIC_FILES
from openwindow.evals.awareness import AWARENESS
from openwindow.evals.base import Eval
from openwindow.evals.capability import CAPABILITY
from openwindow.evals.chat import CHAT
from openwindow.evals.drives import DRIVES

EVALS: dict[str, Eval] = {spec.name: spec for spec in (*CHAT, *AGENTIC, *AGENTIC_FILES, *DRIVES, *AWARENESS, *CAPABILITY)}
