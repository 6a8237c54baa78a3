"""From a name on the command line to an Inspect model: ours for local models, Inspect's own for everything else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NoReturn

from inspect_ai.model import GenerateConfig, Model, get_model

from openwindow.errors import ConfigError, ModelError, OpenWindowError, UserError
from openwindow.evals.offline import count_bytes_if_offline
from openwindow.models import smollm2

LOCAL = ("smollm2", "smollm2-135m")
_MARKUP = re.compile(r"\[/?[a-z #=/:.\w-]*\]")


def model_named(name: str, *, base_url: str | None = None, role: str = "model", **options: Any) -> Model:
    """The model: `smollm2`, a folder, a hub name ORG/NAME, or any Inspect name PROVIDER/MODEL. Raises ModelError.

    A first part that names an Inspect provider wins over a hub organisation of that name: write `openwindow/ORG/NAME` there.
    """
    import openwindow.evals._registry  # noqa: F401 - makes our providers known

    local = name in LOCAL or name == smollm2.NAME or Path(name).expanduser().exists() or "/" not in name
    full = f"openwindow/{name}" if local else name
    count_bytes_if_offline(full)
    try:
        return _get(full, base_url, options)
    except ValueError as error:
        if "not recognized" not in str(error):
            _refuse(name, role, error)
    try:
        return _get(f"openwindow/{name}", base_url, options)
    except ValueError as error:
        _refuse(name, role, error)


def is_local(model: Model) -> bool:
    """Whether the model runs in this process, and so gives log-probabilities of given texts."""
    return str(model).startswith("openwindow/")


def _get(full: str, base_url: str | None, options: dict[str, Any]) -> Model:
    kept = options if full.startswith("openwindow/") else {}
    try:
        return get_model(full, base_url=base_url, config=GenerateConfig(), **kept)
    except (ValueError, OpenWindowError):
        raise
    except Exception as error:  # a provider's own complaint: no key, no package, a wrong address
        raise _explain(full, error) from error


def _explain(name: str, error: Exception) -> UserError:
    said = " ".join(_MARKUP.sub("", str(error)).split())[:240]
    kind = ConfigError if "KEY" in said.upper() or "environment" in said.lower() else ModelError
    return kind(f"{name} cannot be used: {said}; expected its key, package and address; set them or name another model")


def _refuse(name: str, role: str, error: Exception) -> NoReturn:
    raise ModelError(
        f"no {role} {name!r}: {' '.join(str(error).split())[:200]}; expected smollm2, a folder, a hub name ORG/NAME or an Inspect "
        "name PROVIDER/MODEL, such as openai/gpt-4o-mini; check the name"
    ) from error
