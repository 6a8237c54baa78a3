"""Rollouts drawn by vLLM (extra `vllm`), from the policy as it is at this moment, on the device that it is trained on.

1. vLLM has a copy of the weights without the adapter, written once; the adapter is handed over as a folder before every draw, and
   stays apart there (`LoRARequest`). Merged into 16-bit weights most of it would be rounded away.
2. Each folder has a number of its own, since vLLM caches adapters by number.
3. The log-probabilities are those that it sampled with, at the temperature (`processed_logprobs`). How far they are from the
   gradient's own is `train/sampler_gap` of every step, whatever the sampler.

Written against the documented interface of vLLM 0.22 to 0.31 and tested against a stand-in for it; never run on a GPU.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from openwindow.errors import ConfigError, ModelError
from openwindow.files.writing import storing
from openwindow.models.base import Drawn, Sampling
from openwindow.models.hf import LocalModel
from openwindow.types import StopReason

INSTALL = 'pip install "openwindow[vllm]"'
_SHARE = 0.4  # of the device's memory, for its weights and its keys and values; the rest is for training
_LONGEST = 4096  # tokens of prompt and reply together, unless the first prompts need more


class VLLMSampler:
    """A `base.Sampler`, as a context manager: vLLM starts with the first draw and ends with the block."""

    def __init__(self, share: float = _SHARE) -> None:
        """`share` of the device's memory is vLLM's. Raises ConfigError if vLLM is not installed."""
        try:
            import vllm
            from vllm.lora.request import LoRARequest
        except ImportError as error:
            raise ConfigError(f"--sampler vllm needs vllm, which is not installed here; expected the extra; {INSTALL}") from error
        self._vllm: Any = vllm
        self._request: Any = LoRARequest
        self._share = share
        self._engine: Any = None
        self._longest = 0
        self._number = 0
        self._folder = Path(tempfile.mkdtemp(prefix="openwindow-vllm-"))

    def __enter__(self) -> VLLMSampler:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._engine = None
        shutil.rmtree(self._folder, ignore_errors=True)

    def __call__(self, model: LocalModel, prompts: Sequence[Sequence[int]], how: Sampling) -> list[Drawn]:
        """As `base.Sampler` says. Raises ModelError for a prompt that is too long for vLLM's copy, StorageError."""
        longest = max(len(prompt) for prompt in prompts) + how.max_new_tokens
        if self._engine is None:
            self._start(model, min(model.context_length, max(_LONGEST, longest)))
        if longest > self._longest:
            raise ModelError(
                f"a prompt with its reply may have {longest} tokens, more than the {self._longest} that vLLM was started for; "
                "expected the longest prompts first; shorten it, or draw with our own sampler"
            )
        first = 0 if how.first is None else how.first
        settings = [
            self._vllm.SamplingParams(
                temperature=how.temperature,
                top_p=1.0,
                top_k=-1,
                max_tokens=how.max_new_tokens,
                logprobs=0,  # that of the drawn token alone
                stop_token_ids=sorted(model.end_ids),
                seed=int.from_bytes(hashlib.sha256(f"{how.seed}/{first + i}".encode()).digest()[:4], "big"),
                detokenize=False,
            )
            for i in range(len(prompts))
        ]
        asked = [{"prompt_token_ids": list(prompt)} for prompt in prompts]
        made = self._engine.generate(asked, settings, lora_request=self._handed_over(model), use_tqdm=False)
        return [_drawn(one.outputs[0], model.end_ids, how) for one in made]

    def _start(self, model: LocalModel, longest: int) -> None:
        """Writes the weights without the adapter, and starts vLLM on them."""
        if not model.adapted:
            raise ConfigError("--sampler vllm with method `full`; expected `lora`, whose adapter is handed over; set train.method")
        base = model.network.get_base_model()
        plain = {k.replace(".base_layer.", "."): v for k, v in base.state_dict().items() if ".lora_" not in k}
        with storing(self._folder):
            base.save_pretrained(self._folder / "base", state_dict=plain)
            model.tokenizer.save_pretrained(self._folder / "base")
        self._longest = longest
        self._engine = self._vllm.LLM(
            model=str(self._folder / "base"),
            dtype="bfloat16" if model.precision == "bf16" else "float32",
            enable_lora=True,
            max_lora_rank=max(8, model.network.peft_config["default"].r),
            max_model_len=longest,
            gpu_memory_utilization=self._share,
            enable_prefix_caching=True,
            generation_config="vllm",  # nothing from the model's own defaults
            logprobs_mode="processed_logprobs",
        )

    def _handed_over(self, model: LocalModel) -> Any:
        """The adapter as it is now, in a folder with a number that no other has had."""
        before = self._folder / f"adapter-{self._number}"
        self._number += 1
        folder = self._folder / f"adapter-{self._number}"
        with storing(folder):
            model.save(folder, [])
            shutil.rmtree(before, ignore_errors=True)
        return self._request(folder.name, self._number, str(folder))


def _drawn(made: Any, end_ids: frozenset[int], how: Sampling) -> Drawn:
    tokens = [int(token) for token in made.token_ids]
    chances = [float(at[token].logprob) for token, at in zip(tokens, made.logprobs, strict=True)]
    ended = made.finish_reason == "stop" and tokens[-1] in end_ids
    return Drawn(
        tokens[:-1] if ended else tokens,
        StopReason.END if ended else StopReason.LENGTH,
        tokens[-1] if ended else None,
        chances if how.temperature > 0 else None,
    )
