"""Token counts for `mockllm/model` without network.

Inspect's mock model counts tokens with a vocabulary that tiktoken downloads on first use; offline, every one of its samples
fails. Where that vocabulary cannot be had, bytes are counted in its place. No score depends on the counts.
"""

from __future__ import annotations

import tiktoken
import tiktoken.registry

MOCK = "mockllm/"
_VOCABULARY = "o200k_base"


def count_bytes_if_offline(model: str) -> None:
    """For the mock model alone: puts a byte vocabulary in the place of one that cannot be downloaded."""
    if not model.startswith(MOCK):
        return
    try:
        tiktoken.get_encoding(_VOCABULARY)
    except OSError:  # what requests raises is one
        ranks = {bytes([i]): i for i in range(256)}
        stand_in = tiktoken.Encoding(_VOCABULARY, pat_str=r"[\s\S]", mergeable_ranks=ranks, special_tokens={})
        tiktoken.registry.ENCODINGS[_VOCABULARY] = stand_in
