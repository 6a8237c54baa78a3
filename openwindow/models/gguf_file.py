"""A model from one GGUF file, as llama.cpp writes them: weights are dequantised on loading, and the tokenizer is the file's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

SUFFIX = ".gguf"


def is_gguf(source: str) -> bool:
    """Whether a model is named as a GGUF file, which need not exist."""
    return source.endswith(SUFFIX)


def network(path: Path, dtype: torch.dtype) -> Any:
    """The dequantised network, in `dtype`. Raises whatever transformers raises for a file that it cannot read."""
    dense = GgufConfig(dequantize=True)
    return AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=dtype, quantization_config=dense)


def tokenizer(path: Path) -> Any:
    """The tokenizer that the file holds, with its chat template if there is one."""
    return AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
