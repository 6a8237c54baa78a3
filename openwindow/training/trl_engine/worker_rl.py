"""TRL's `GRPOTrainer` on prompts that are token ids already, with rewards that another process gives.

The data set's column `prompt` holds places in the job's list of prompts. TRL repeats each of them for its group and shares the rows
out in order, so that a process knows from its number which rollouts of the step are its own.

1. What is trained are the ids of the prompt that the study trains under; TRL never sees the one that was sampled.
2. A rollout without a reward, or dropped, has None as its reward and a mask of zeros: it is in no baseline and no divisor.
3. Monitors go through `log_metric`. As reward functions of weight 0 they would make a rollout without a reward one of reward 0.
4. Each process draws its own rollouts: by our sampler, or by TRL where vLLM samples or the weights are in shards.
5. Entropy, KL and the gap to the sampler are measured before the update by the first process, on the rollouts that our loop takes.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelerate import PartialState
from accelerate.utils import broadcast_object_list, gather_object
from datasets import Dataset
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from trl import GRPOConfig, GRPOTrainer

from openwindow.models.base import Sampling
from openwindow.models.hf import LocalModel
from openwindow.models.memory import settle_memory
from openwindow.models.sampling import local_sampler
from openwindow.models.scoring import Group
from openwindow.training.config import GRPO
from openwindow.training.grpo import chance, watched_groups
from openwindow.training.trl_engine.arguments import common, merged
from openwindow.training.trl_engine.launch import Line

LOSSES = {"token": "dapo", "sequence": "grpo", "constant": "dr_grpo"}
"""our names of the divisors to TRL's"""
SEEN = ("train/entropy", "train/kl", "train/sampler_gap", "train/sampler_gap_max", "train/sampler_outside_clip")


class Reinforcing(GRPOTrainer):  # type: ignore[misc]
    """`GRPOTrainer` with the learning rates of `training.grpo`."""

    def __init__(self, config: GRPO, **given: Any) -> None:
        """`given` is what `GRPOTrainer` takes."""
        self.rates = config
        super().__init__(**given)

    def create_scheduler(self, num_training_steps: int, optimizer: Optimizer | None = None) -> LRScheduler:
        """Rises over the warm-up and stays; all updates on one batch have the same rate."""
        chosen, config = (self.optimizer if optimizer is None else optimizer), self.rates
        self.lr_scheduler = LambdaLR(
            chosen, lambda update: min(1.0, (update // config.updates_per_step + 1) / (config.warmup_steps + 1))
        )
        return self.lr_scheduler


@dataclass(slots=True)
class Step:
    """What is known of the step in work before it is trained on."""

    number: int = 0
    sampling: float = 0.0
    """seconds"""
    ready: float = 0.0
    """when its rewards were known, by the clock of `time.perf_counter`"""
    seen: Mapping[str, float | None] | None = None


class Drawing:
    """TRL's `rollout_func`: draws this process's rollouts of a step and has them rewarded."""

    def __init__(self, model: LocalModel, job: Mapping[str, Any], config: GRPO, line: Line | None) -> None:
        self.model = model
        self.prompts: list[dict[str, list[int]]] = job["prompts"]
        self.end_ids = frozenset(job["end_ids"])
        self.seed = int(job["seed"])
        self.config = config
        self.line = line
        self.step = Step()

    def __call__(self, prompts: Sequence[str], trainer: GRPOTrainer) -> dict[str, Any]:
        """A group of each prompt, all of it or the part that is this process's; the fields that TRL asks for, and `earned`."""
        began = time.perf_counter()
        places = [int(place) for place in prompts]
        number, first = places[0] // self.config.prompts_per_step, trainer.accelerator.process_index * len(places)
        mine = self._drawn(trainer, [self.prompts[place]["sampled"] for place in places], number, first)
        replies = gather_object(mine)
        self.step = Step(number, time.perf_counter() - began)
        told: list[Any] = [None]
        if self.line is not None:
            self.line.send({"kind": "drawn", "step": number, "replies": replies})
            self.step.seen = self._seen(trainer, number, replies)
            told = [self.line.receive()]
        broadcast_object_list(told, from_process=0)
        if told[0] is None:
            raise ConnectionAbortedError("the process that this one works for is gone")
        earned = told[0]["earned"][first : first + len(places)]
        self.step.ready = time.perf_counter()
        return {
            "prompt_ids": [self.prompts[place]["trained"] for place in places],
            "completion_ids": [reply["tokens"] for reply in mine],
            "logprobs": [reply["logprobs"] for reply in mine] if all(reply["logprobs"] for reply in mine) else None,
            "env_mask": [[int(self._counts(reply, pay))] * len(reply["tokens"]) for reply, pay in zip(mine, earned, strict=True)],
            "earned": earned,
            "monitored": told[0]["monitored"] if self.line is not None else {},
        }

    def _counts(self, reply: Mapping[str, Any], earned: float | None) -> bool:
        """Whether the reply's tokens are in the loss and its divisor."""
        return earned is not None and (reply["ended"] or not self.config.mask_truncated)

    def _drawn(self, trainer: GRPOTrainer, prompts: list[list[int]], step: int, first: int) -> list[dict[str, Any]]:
        config = self.config
        if trainer.use_vllm or trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
            tokens, logprobs = trainer._generate_single_turn(prompts, None, {}, config.group_size)
            known = logprobs or [None] * len(tokens)
            return [{"tokens": t, "ended": t[-1] in self.end_ids, "logprobs": p} for t, p in zip(tokens, known, strict=True)]
        how = Sampling(
            config.max_new_tokens, config.temperature, config.sample_batch_size, chance(self.seed, step, "sample"), first
        )
        return [
            {"tokens": d.tokens if d.end is None else [*d.tokens, d.end], "ended": d.end is not None, "logprobs": d.logprobs}
            for d in local_sampler(self.model, prompts, how)
        ]

    def _seen(self, trainer: GRPOTrainer, step: int, replies: Sequence[Mapping[str, Any]]) -> Mapping[str, float | None]:
        """What our loop watches; None where the weights are in shards, which one process cannot run alone."""
        if trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
            return dict.fromkeys(SEEN)
        size, each = self.config.group_size, min(max(self.config.monitor_kl, 1), self.config.group_size)
        groups = []
        for at in range(self.config.prompts_per_step):
            chosen = replies[at * size : at * size + each]
            prompt = self.prompts[step * self.config.prompts_per_step + at]["trained"]
            drawn_at = [reply["logprobs"] or [] for reply in chosen]
            groups.append((Group(tuple(prompt), tuple(tuple(reply["tokens"]) for reply in chosen)), drawn_at))
        parts = max(1, self.config.micro_batch_size // each)
        cut = [groups[start : start + parts] for start in range(0, len(groups), parts)]
        self.model.network.eval()
        try:
            return watched_groups(
                self.model, [([g for g, _ in part], [p for _, rows in part for p in rows]) for part in cut], self.config
            )
        finally:
            self.model.network.train()


def earned(
    completions: Sequence[str], earned: Sequence[float | None], monitored: Sequence[Any], **given: Any
) -> list[float | None]:
    """The only reward function: what each rollout earns was decided with its whole batch."""
    for name, value in monitored[0].items():
        if value is not None:
            given["log_metric"](name, float(value))
    return list(earned)


class Reporting(TrainerCallback):  # type: ignore[misc]
    """Reports every step that is trained, and every checkpoint."""

    def __init__(self, drawing: Drawing) -> None:
        self.drawing = drawing
        self.updates: list[dict[str, Any]] = []

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """TRL's hook, in every process."""
        settle_memory()

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: dict[str, Any], **_: Any) -> None:
        """TRL's hook: `logs` has the metrics of one optimiser step; the last call of all has none."""
        line, config, step = self.drawing.line, self.drawing.config, self.drawing.step
        if line is None or "loss" not in logs:
            return
        self.updates.append(logs)
        if state.global_step % config.updates_per_step:
            return
        norms = [update["grad_norm"] for update in self.updates]
        updated = {
            "train/loss": self.updates[0]["loss"],
            "train/grad_norm": norms[0],
            "train/clipped_steps": sum(norm > config.max_grad_norm for norm in norms) / len(norms),
            "train/clipped": logs["clip_ratio/region_mean"],
        }
        seconds = {"sample": step.sampling, "update": time.perf_counter() - step.ready}
        line.send({"kind": "updated", "step": step.number, "updated": updated, "seen": step.seen, "seconds": seconds})
        self.updates = []

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """TRL's hook: the checkpoint of this step is on disk."""
        if self.drawing.line is not None:
            folder = str(Path(str(args.output_dir)) / f"checkpoint-{state.global_step}")
            self.drawing.line.send(
                {"kind": "saved", "step": state.global_step // self.drawing.config.updates_per_step - 1, "folder": folder}
            )


def made(model: LocalModel, job: Mapping[str, Any], folder: Path, line: Line | None) -> GRPOTrainer:
    """The trainer of the job. Raises ConfigError."""
    config = GRPO.model_validate(job["config"])
    model.has_plain_head()  # tried once, before TRL changes the network's forward pass
    drawing = Drawing(model, job, config, line)
    own = common(config, job, folder, model) | grpo_arguments(config, job, PartialState().num_processes)
    return Reinforcing(
        config,
        model=model.network,
        args=GRPOConfig(**merged(own, job["arguments"], GRPOConfig)),
        reward_funcs=earned,
        rollout_func=drawing,
        train_dataset=Dataset.from_dict({"prompt": [str(place) for place in range(len(job["prompts"]))]}),
        processing_class=model.tokenizer,
        callbacks=[Reporting(drawing)],
    )


def grpo_arguments(config: GRPO, job: Mapping[str, Any], world: int) -> dict[str, Any]:
    """TRL's arguments for our configuration; `world` is the number of processes."""
    rows = config.prompts_per_step * config.group_size // world
    each = max(size for size in range(1, rows + 1) if rows % size == 0 and size <= config.micro_batch_size)
    weighed = config.importance_cap is not None
    sampler: dict[str, Any] = {"use_vllm": job["vllm"] is not None}
    if job["vllm"] is not None:
        sampler |= (
            {"vllm_mode": "colocate"} if job["vllm"] == "colocate" else {"vllm_mode": "server", "vllm_server_base_url": job["vllm"]}
        )
    return sampler | {
        "max_steps": config.steps * config.updates_per_step,
        "per_device_train_batch_size": each,
        "gradient_accumulation_steps": rows // each,
        "num_generations": config.group_size,
        "num_iterations": config.updates_per_step,
        "max_completion_length": config.max_new_tokens,
        "temperature": config.temperature,
        "epsilon": config.clip_low,
        "epsilon_high": config.clip_high,
        "beta": config.kl_weight,
        "use_bias_correction_kl": True,  # as ours, whose KL is times the ratio
        "loss_type": LOSSES[config.loss],
        "scale_rewards": "group" if config.scale_advantages else "none",
        "vllm_importance_sampling_correction": weighed,
        **(
            {"vllm_importance_sampling_mode": "token_truncate", "vllm_importance_sampling_clip_max": config.importance_cap}
            if weighed
            else {}
        ),
        "shuffle_dataset": False,
        "save_strategy": "steps",
        "save_steps": config.checkpoint_every * config.updates_per_step,
        "save_total_limit": 2,
    }
