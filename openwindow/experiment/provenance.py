"""What produced a run: code version, package versions, machine and command."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openwindow

_PACKAGES = ("torch", "transformers", "peft", "numpy", "scipy", "pydantic", "safetensors")


def provenance(command: list[str]) -> dict[str, Any]:
    """Code version, package versions and machine, for the run folder."""
    root = Path(openwindow.__file__).resolve().parent.parent
    commit, diff = _git(root, "rev-parse", "HEAD").strip(), _git(root, "diff", "HEAD", "--", "openwindow")
    versions = {}
    for package in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return {
        "openwindow": openwindow.__version__,
        "commit": commit or "unknown (not a git checkout)",
        "dirty": bool(diff),
        "diff": diff,
        "packages": versions,
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "threads": _threads(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join(command),
    }


def _git(root: Path, *arguments: str) -> str:
    if not (root / ".git").exists():
        return ""
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def _threads() -> int:
    """How many threads torch takes by default: OMP_NUM_THREADS, or the cores that this process may use."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdecimal() and int(wanted) > 0:
        return int(wanted)
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _cpu() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
