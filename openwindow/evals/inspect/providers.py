"""Our model providers for Inspect, by the names `openwindow/NAME` and `scripted/NAME`; importing this makes them known."""

from __future__ import annotations

from inspect_ai.model import ModelAPI, modelapi


@modelapi(name="openwindow")
def openwindow() -> type[ModelAPI]:
    """Local models; torch is imported when one is asked for."""
    from openwindow.evals.inspect.provider import OpenWindowAPI

    return OpenWindowAPI


@modelapi(name="scripted")
def scripted() -> type[ModelAPI]:
    """Models that play written replies: what a saint, a villain or a yes-sayer scores."""
    from openwindow.evals.inspect.scripted import ScriptedAPI

    return ScriptedAPI
