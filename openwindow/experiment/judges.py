"""Models that judge whether replies show a trait, for environments and data whose trait no rule can detect."""

from __future__ import annotations

from functools import cache

from openwindow.data.trait_rules import TraitDetector
from openwindow.errors import ConfigError


@cache
def trait_judge(model: str, trait: str) -> TraitDetector:
    """A detector that asks a model, by any name Inspect knows, whether a reply shows the trait. Raises ConfigError, ModelError."""
    try:
        from openwindow.evals.inspect.trait_judge import JudgedTrait
    except ModuleNotFoundError as error:
        raise ConfigError(f"--judge needs {error.name}, which is not installed; pip install 'openwindow[evals,train]'") from error
    return JudgedTrait(model, trait)
