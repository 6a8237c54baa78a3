"""Token counts for `mockllm/model` without network.

Inspect's mock model counts tokens with a vocabulary that tiktoken downloads on first use; offline, every one of its samples
fails. If that vocabulary is unavailable, bytes are counted instead. No score depends on the counts.
"""

from __future__ import annotations

import tiktoken
import tiktoken.registry

MOCK = "mockllm/"
_VOCABULARY = "o200k_base"


def count_bytes_if_offline(model: str) -> None:
    """For the mock model only: replaces a vocabulary that cannot be downloaded by a byte vocabulary."""
    if not model.startswith(MOCK):
        return
    try:
        tiktoken.get_encoding(_VOCABULARY)
    except OSError:  # includes the errors that requests raises
        ranks = {bytes([i]): i for i in range(256)}
        stand_in = tiktoken.Encoding(_VOCABULARY, pat_str=r"[\s\S]", mergeable_ranks=ranks, special_tokens={})
        tiktoken.registry.ENCODINGS[_VOCABULARY] = stand_in
