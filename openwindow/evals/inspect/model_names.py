"""Resolves a name on the command line to an Inspect model: ours for local models, Inspect's own for everything else."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from inspect_ai.model import GenerateConfig, Model, get_model

from openwindow.errors import ConfigError, ModelError, OpenWindowError, UserError
from openwindow.evals.contexts import ELSEWHERE, Prompting
from openwindow.evals.inspect.offline import count_bytes_if_offline
from openwindow.models import smollm2

if TYPE_CHECKING:
    from openwindow.models.hf import LocalModel

LOCAL = ("smollm2", "smollm2-135m", "SmolLM2-135M-Instruct")
PROVIDERS = (
    *("openai", "openai-api", "anthropic", "google", "mistral", "grok", "groq", "together", "openrouter", "azureai", "bedrock"),
    *("ollama", "vllm", "sglang", "hf", "llama-cpp-python", "mockllm", "scripted", "openwindow"),
)
"""providers that a mistyped name may mean; Inspect knows more"""
_MARKUP = re.compile(r"\[/?[a-z #=/:.\w-]*\]")


def model_named(name: str, *, base_url: str | None = None, role: str = "model", **options: Any) -> Model:
    """The model: `smollm2`, a folder, a hub name ORG/NAME, or any Inspect name PROVIDER/MODEL. Raises ModelError.

    A first part that names an Inspect provider takes precedence over a hub organisation of that name: write `openwindow/ORG/NAME`
    for that.
    """
    import openwindow.evals.inspect.providers  # noqa: F401 - makes them known

    plain = name in LOCAL or name == smollm2.NAME
    there = Path(name).expanduser().exists()
    if "/" not in name and not plain and not there:
        _refuse(name, role, "it is neither built in nor a folder here")
    full = f"openwindow/{_model_folder(name) if there else name}" if plain or there else name
    count_bytes_if_offline(full)
    try:
        return _get(full, base_url, options)
    except ValueError as error:
        if "not recognized" not in str(error):
            _refuse(name, role, str(error), error)
    try:
        return _get(f"openwindow/{name}", base_url, options)
    except ModelError as error:  # no provider has this name, and the hub does not have it
        near = difflib.get_close_matches(name.partition("/")[0], PROVIDERS, 1)
        if not near:
            raise
        raise ModelError(f"{error}; or did you mean {near[0]}/{name.partition('/')[2]}, of Inspect's provider?") from error
    except ValueError as error:
        _refuse(name, role, str(error), error)


def in_memory(local: LocalModel) -> Model:
    """The loaded model behind Inspect's interface: nothing is loaded again, and adapters attached later are used too."""
    import openwindow.evals.inspect.providers  # noqa: F401 - makes them known
    from openwindow.evals.inspect.provider import standing_for  # imports torch

    name = f"{local.name}@memory"
    with standing_for(name, local):
        return get_model(f"openwindow/{name}", memoize=False)


def _model_folder(name: str) -> str:
    """The folder itself, or its `adapter` if it belongs to an arm's seed. Raises ModelError for a whole run."""
    path = Path(name).expanduser()
    if (path / "adapter" / "adapter_config.json").is_file():
        return str(path / "adapter")
    arms = sorted(path.glob("arms/*/seed-*/adapter"))
    if arms:
        raise ModelError(
            f"{name} is a run of {len(arms)} adapters; expected one model; give one of them, such as {arms[0].parent}, "
            "and another by --against"
        )
    return str(path)


def is_local(model: Model) -> bool:
    """Whether the model runs in this process and so returns log-probabilities of given texts."""
    return str(model).startswith("openwindow/")


def prompting_of(model: Model) -> Prompting:
    """What a model's prompts contain by themselves, to which a context's text is added."""
    if not is_local(model):
        return ELSEWHERE
    from openwindow.evals.inspect.provider import OpenWindowAPI  # imports torch
    from openwindow.models.templates import default_of, note

    if not isinstance(model.api, OpenWindowAPI):
        return ELSEWHERE
    said = note(model.api.local)
    return Prompting(default_of(model.api.local), note=f"{said[0].upper()}{said[1:]}." if said else None)


def _get(full: str, base_url: str | None, options: dict[str, Any]) -> Model:
    kept = options if full.startswith("openwindow/") else {}
    try:
        return get_model(full, base_url=base_url, config=GenerateConfig(), **kept)
    except (ValueError, OpenWindowError):
        raise
    except Exception as error:  # a provider's own error: no key, no package, a wrong address
        raise _explain(full, error) from error


def _explain(name: str, error: Exception) -> UserError:
    said = " ".join(_MARKUP.sub("", str(error)).split())[:240]
    kind = ConfigError if "KEY" in said.upper() or "environment" in said.lower() else ModelError
    return kind(f"{name} cannot be used: {said}; expected its key, package and address; set them or name another model")


def _refuse(name: str, role: str, why: str, error: Exception | None = None) -> NoReturn:
    near = difflib.get_close_matches(name.lower(), [known.lower() for known in LOCAL], 1)
    hint = f"did you mean {near[0]!r}?" if near else "check the name"
    raise ModelError(
        f"no {role} {name!r}: {' '.join(why.split())[:200]}; expected smollm2, a folder, a hub name ORG/NAME or an Inspect "
        f"name PROVIDER/MODEL, such as openai/gpt-4o-mini; {hint}"
    ) from error
