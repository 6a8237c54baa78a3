"""Our model providers for Inspect, `openwindow/NAME` and `scripted/NAME`; importing this module registers them."""

from __future__ import annotations

from inspect_ai.model import ModelAPI, modelapi


@modelapi(name="openwindow")
def openwindow() -> type[ModelAPI]:
    """Local models; torch is imported only when one is used."""
    from openwindow.evals.inspect.provider import OpenWindowAPI

    return OpenWindowAPI


@modelapi(name="scripted")
def scripted() -> type[ModelAPI]:
    """Models that play written replies: what a saint, a villain or a yes-sayer scores."""
    from openwindow.evals.inspect.scripted import ScriptedAPI

    return ScriptedAPI
