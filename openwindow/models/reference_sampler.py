"""Drawing replies by `transformers.generate`: slower than `sampling`, which is tested against it, and runs any model that it runs.

What the two have in common (tests/models/test_reference_sampler.py): greedy replies are the same tokens, and drawn replies come
from the same distribution. The same seed draws other replies, since `generate` uses one random number per word of the vocabulary
where `sampling` uses one per row. Drawn replies keep the logits (B, V) of every step in memory until their batch has ended.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import GenerationConfig

from openwindow.models.base import Drawn, Sampling
from openwindow.models.hf import LocalModel
from openwindow.types import StopReason


@torch.inference_mode()
def reference_sampler(model: LocalModel, prompts: Sequence[Sequence[int]], how: Sampling) -> list[Drawn]:
    """As `base.Sampler` says."""
    network, training = model.network, model.network.training
    network.eval()
    drawn: list[Drawn] = []
    try:
        with torch.random.fork_rng():
            torch.manual_seed(how.seed)
            for start in range(0, len(prompts), how.batch_size):
                drawn += _batch(model, prompts[start : start + how.batch_size], how)
    finally:
        network.train(training)
    return drawn


def _batch(model: LocalModel, prompts: Sequence[Sequence[int]], how: Sampling) -> list[Drawn]:
    width = max(map(len, prompts))
    ids_BT = torch.zeros(len(prompts), width, dtype=torch.long)
    mask_BT = torch.zeros_like(ids_BT)
    for row, prompt in enumerate(prompts):
        ids_BT[row, width - len(prompt) :] = torch.tensor(prompt)
        mask_BT[row, width - len(prompt) :] = 1
    made = model.network.generate(
        input_ids=ids_BT.to(model.device),
        attention_mask=mask_BT.to(model.device),
        generation_config=_plain(model, how),
    )
    replies = [sequence[width:].tolist() for sequence in made.sequences]
    chances_BT = _logprobs(made.logits, made.sequences[:, width:], how.temperature) if how.temperature > 0 else None
    drawn = []
    for row, tokens in enumerate(replies):
        at = next((i for i, token in enumerate(tokens) if token in model.end_ids), None)
        chances = None if chances_BT is None else chances_BT[row, : len(tokens) if at is None else at + 1].tolist()
        stop, end = (StopReason.LENGTH, None) if at is None else (StopReason.END, tokens[at])
        drawn.append(Drawn(tokens[:at], stop, end, chances))
    return drawn


def _plain(model: LocalModel, how: Sampling) -> GenerationConfig:
    """Draws from the whole distribution, ignoring what a model's own configuration does to it (top-k, top-p, penalties)."""
    ends = sorted(model.end_ids)
    drawing = {"do_sample": True, "temperature": how.temperature} if how.temperature > 0 else {"do_sample": False}
    return GenerationConfig(
        **drawing,
        max_new_tokens=how.max_new_tokens,
        min_new_tokens=0,
        eos_token_id=ends or [-1],  # None would restore the model's own
        pad_token_id=ends[0] if ends else 0,
        num_beams=1,
        top_k=0,
        top_p=1.0,
        typical_p=1.0,
        repetition_penalty=1.0,
        no_repeat_ngram_size=0,
        return_dict_in_generate=True,
        output_logits=how.temperature > 0,
    )


def _logprobs(logits: Sequence[torch.Tensor], tokens_BT: torch.Tensor, temperature: float) -> torch.Tensor:
    """Log-probabilities (B, T) of the drawn tokens, from one tensor of logits (B, V) per step."""
    columns = []
    for step, logits_BV in enumerate(logits):
        scaled_BV = logits_BV.float() / temperature
        columns.append(scaled_BV.gather(1, tokens_BT[:, step : step + 1])[:, 0] - scaled_BV.logsumexp(dim=-1))
    return torch.stack(columns, dim=1)
