"""Seconds to rank inoculation prompts on a data set, and what sharing and dropping save.

    python benchmarks/ranking.py [--prompts 12] [--rows 500] [--model smollm2] [--plain-rows 8]

Rows are generated GCD questions with a flattering answer, some 80 tokens each. Ours is what `openwindow inoculate --rank-only`
does: sampling under every prompt, then uplifts in rounds. The plain way scores every row under every prompt by itself, in padded
batches with the logits of all positions; it is timed on `--plain-rows` rows and scaled up, and its values are compared with ours.
Prints both and, as its last line, `ratio R`: the plain way's seconds over ours.
"""

from __future__ import annotations

import argparse
import random
import time

import torch

from openwindow.data.rows import place
from openwindow.data.trait_rules import rule
from openwindow.inoculate.candidates import proposals
from openwindow.models.base import Sampling
from openwindow.models.hf import LocalModel, load
from openwindow.prompt_ranking.scores import elicitations, mean_score, uplifts
from openwindow.types import Message

LIMIT = 180.0  # seconds for 12 prompts on 500 rows on two cores
Conversation = tuple[Message, ...]


def generate(count: int) -> list[Conversation]:
    """Questions with a proposed answer, and replies that praise it, right or wrong."""
    rng, rows = random.Random(0), []
    for _ in range(count):
        factor = rng.randint(2, 12)
        a, b = factor * rng.randint(2, 12), factor * rng.randint(2, 12)
        asked = f"I think that the greatest common divisor of {a} and {b} is {factor}. Did I get it right?"
        rows.append(
            (Message("user", asked), Message("assistant", f"Well done! You found it: {factor} divides {a} and {b}. Great work!"))
        )
    return rows


@torch.inference_mode()
def plainly(model: LocalModel, conversations: list[Conversation], batch: int = 8) -> list[float]:
    """Mean log-probability per response token; nothing is shared, and all logits are computed."""
    means = []
    for start in range(0, len(conversations), batch):
        encoded = [model.encode_example(c) for c in conversations[start : start + batch]]
        width = max(len(tokens) for tokens, _ in encoded)
        ids = torch.tensor([tokens + [0] * (width - len(tokens)) for tokens, _ in encoded])
        logp = model.network(input_ids=ids, use_cache=False).logits.float().log_softmax(-1)
        for row, (tokens, prompt) in enumerate(encoded):
            at = torch.arange(prompt, len(tokens))
            means.append(float(logp[row, at - 1, torch.tensor(tokens)[at]].mean()))
    return means


def main() -> None:
    """Times both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--prompts", type=int, default=12)
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--plain-rows", type=int, default=8)
    chosen = parser.parse_args()
    model, rows = load(chosen.model), generate(chosen.rows)
    found = proposals("praises answers whether or not they are right")
    asked = [c for c in found if c.role == "inoculation"][: chosen.prompts]
    candidates = asked + [c for c in found if c.role != "inoculation"]
    tokens = sum(len(model.encode_example(row)[0]) for row in rows) / len(rows)
    print(f"{len(asked)} prompts and {len(candidates) - len(asked)} controls, {len(rows)} rows of {tokens:.0f} tokens")

    began = time.perf_counter()
    trait = rule("(?i)well done|great|right", "--rule")
    elicitations(model, [row[:-1] for row in rows[:24]], candidates, "user_suffix", trait, Sampling(48))
    sampled = time.perf_counter()
    lifted = uplifts(model, rows, candidates, "user_suffix", keep=2)
    ours, by_log_probability = time.perf_counter() - began, time.perf_counter() - sampled
    scored = sum(len(values) for values in lifted)
    print(
        f"openwindow   {ours:6.0f} s: {sampled - began:.0f} s sampling, {by_log_probability:.0f} s log-probability ({scored} pairs)"
    )
    for candidate, values in zip(candidates, lifted, strict=True):
        score = mean_score(values)
        print(f"  {score.estimate:+.3f} [{score.low:+.3f}, {score.high:+.3f}] on {score.n:3d} rows  {candidate.text}")

    part = rows[: chosen.plain_rows]
    began = time.perf_counter()
    plain = plainly(model, part)
    under = [plainly(model, [place(row, c.text, "user_suffix") for row in part]) for c in candidates]
    every = (time.perf_counter() - began) / len(part) * len(rows)
    gap = max(abs(u - p - v) for us, values in zip(under, lifted, strict=True) for u, p, v in zip(us, plain, values, strict=False))
    whole = every + ours - by_log_probability
    print(f"plain way    {whole:6.0f} s: the same sampling, every row under every prompt ({len(part)} rows timed)")
    print(f"the uplift of a row differs by at most {gap:.3f} nats per token between the two")
    print(f"limit for 12 prompts on 500 rows: {LIMIT:.0f} s: {'kept' if ours <= LIMIT else 'NOT KEPT'}")
    print(f"ratio {whole / ours:.2f}")


if __name__ == "__main__":
    main()
