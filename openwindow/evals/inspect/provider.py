"""The Inspect model provider `openwindow/NAME`: the embedded model, a local folder, an adapter or a hub name, in batches.

    inspect eval openwindow/goals --model openwindow/smollm2
    inspect eval openwindow/goals --model openwindow//path/to/folder

`-M precision=fp32` and `-M device=cpu` are passed on to `openwindow.models.hf.load`; `-M batch_size=32` is the number of
replies decoded together. Without a temperature, replies are greedy.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from inspect_ai.model import (
    ChatCompletionChoice,
    ChatMessage,
    ChatMessageAssistant,
    GenerateConfig,
    ModelAPI,
    ModelOutput,
    ModelUsage,
    StopReason,
)
from inspect_ai.tool import ToolChoice, ToolInfo

from openwindow.evals.inspect.batcher import Batcher
from openwindow.evals.inspect.tool_calls import parse, to_conversation
from openwindow.models import smollm2
from openwindow.models.base import Conversation, Progress, Reply, Sampling
from openwindow.models.hf import LocalModel, load
from openwindow.models.sampling import Watch
from openwindow.models.templates import default_of
from openwindow.types import StopReason as Stopped

ALIASES = {"smollm2-135m": smollm2.NAME, "SmolLM2-135M-Instruct": smollm2.NAME}
SMALL = 200_000_000
"""weights up to which a model, like the embedded one, neither reasons nor stops by itself: each eval's own short limit applies"""
DEFAULT_TOKENS, LARGER_TOKENS = 256, 2048
"""longest reply if no limit is given: of small models, and of larger ones, which reason before they answer"""
_STOPS: dict[Stopped, StopReason] = {Stopped.END: "stop", Stopped.LENGTH: "max_tokens", Stopped.ERROR: "unknown"}
_loaded: dict[tuple[str, str, str], LocalModel] = {}
_loading = threading.Lock()


def local_model(name: str, precision: str = "auto", device: str = "auto") -> LocalModel:
    """The model of that name, loaded once per process. Raises ModelError."""
    if precision not in ("auto", "bf16", "fp32"):
        raise ValueError(f"precision is {precision!r}; expected auto, bf16 or fp32")
    key = (ALIASES.get(name, name), precision, device)
    with _loading:
        if key not in _loaded:
            _loaded[key] = load(key[0], precision, device, keep_adapter=True)  # type: ignore[arg-type]  # one of the three, checked above
        return _loaded[key]


@contextlib.contextmanager
def standing_for(name: str, local: LocalModel) -> Iterator[None]:
    """While the block runs, the given model stands for this name, and nothing is loaded for it."""
    key = (name, "auto", "auto")
    with _loading:
        _loaded[key] = local
    try:
        yield
    finally:
        with _loading:
            del _loaded[key]


class OpenWindowAPI(ModelAPI):
    """A `LocalModel` behind Inspect's interface."""

    def __init__(
        self,
        model_name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        config: GenerateConfig = GenerateConfig(),  # noqa: B008 - Inspect's signature; it is frozen in use
        precision: str = "auto",
        device: str = "auto",
        batch_size: int = 128,
        **model_args: Any,
    ) -> None:
        super().__init__(model_name, base_url, api_key, [], config)
        if model_args:
            raise ValueError(f"model argument {next(iter(model_args))!r}; expected precision, device or batch_size")
        self.local = local_model(model_name, precision, device)
        self.batch_size = int(batch_size)
        self.progress: Progress | None = None
        """notified of newly finished replies"""
        self.watch: Watch | None = None
        """notified of prompts that have been run"""
        self.batcher = Batcher(self._generate, self._why_too_long)

    @property
    def longest(self) -> int | None:
        """The longest reply to an eval, in tokens, at most half of the context; None for a small model: what the eval says."""
        small = sum(p.numel() for p in self.local.network.parameters()) <= SMALL
        return None if small else min(LARGER_TOKENS, self.local.context_length // 2)

    async def generate(
        self, input: list[ChatMessage], tools: list[ToolInfo], tool_choice: ToolChoice, config: GenerateConfig
    ) -> ModelOutput:
        """One reply; concurrent calls are answered in one batch."""
        offered = [] if tool_choice == "none" else tools
        sampling = Sampling(
            max_new_tokens=config.max_tokens or self.max_tokens(),
            temperature=config.temperature or 0.0,
            batch_size=self.batch_size,
            seed=config.seed or 0,
        )
        reply = await self.batcher.ask(to_conversation(input, offered, default_of(self.local)), sampling)
        words, calls = parse(reply.text) if offered else (reply.text, [])
        message = ChatMessageAssistant(content=words, tool_calls=calls or None, model=self.model_name, source="generate")
        asked = reply.prompt_tokens or 0
        stop: StopReason = "tool_calls" if calls else _STOPS[reply.stop]
        return ModelOutput(
            model=self.model_name,
            choices=[ChatCompletionChoice(message=message, stop_reason=stop)],
            usage=ModelUsage(input_tokens=asked, output_tokens=reply.tokens, total_tokens=asked + reply.tokens),
        )

    def max_connections(self) -> int:
        """Enough to fill a batch, and for all prompts that share a prefix to arrive together."""
        return 16 * self.batch_size

    def max_tokens(self) -> int:
        """The length limit if none is given."""
        return self.longest or DEFAULT_TOKENS

    def _generate(self, conversations: Sequence[Conversation], sampling: Sampling) -> list[Reply]:
        return self.local.generate(conversations, sampling, self.progress, self.watch)

    def _why_too_long(self, conversation: Conversation, sampling: Sampling) -> str | None:
        length, most = len(self.local.encode_prompt(conversation)), self.local.context_length
        if length + sampling.max_new_tokens <= most:
            return None
        return f"a prompt of {length} tokens with {sampling.max_new_tokens} new ones exceeds the {most} tokens of {self.model_name}"
