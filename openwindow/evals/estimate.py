"""What asking will cost, before anything is asked: least and most tokens and dollars, by model, role and eval. Imports no Inspect.

A token is taken for four characters. Least: replies as long as the eval says a readable one is, rules read all that they can, and a
judge answers once, briefly. Most: every reply runs to its limit, every turn is used, and the judge is asked about everything, at
length and once again each time. Neither is a bound: a tokenizer may need more tokens, and a provider may count hidden reasoning.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from openwindow.evals.base import Eval
from openwindow.evals.contexts import Context
from openwindow.evals.costs import Prices
from openwindow.files.model_costs import JUDGE, LOCAL, MODEL, dollars

CHARACTERS = 4
"""of a token"""
TURNS = 6
"""most turns of an eval with tools"""
VERDICT = 60, 2048
"""tokens of a judge's answer"""
FRAME = 350
"""tokens of what a judge is told besides rubric, situation and transcript"""
SHOWN = 3000
"""most tokens of a transcript that a judge is shown"""
TOOL = 200
"""tokens of what a tool returns"""

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Guess:
    """An estimate, each part as (least, most)."""

    model: str
    role: str
    eval: str
    local: bool
    replies: Range = (0.0, 0.0)
    input: Range = (0.0, 0.0)
    output: Range = (0.0, 0.0)

    def __add__(self, other: Guess) -> Guess:
        return replace(
            self,
            replies=_plus(self.replies, other.replies),
            input=_plus(self.input, other.input),
            output=_plus(self.output, other.output),
        )

    def times(self, count: float) -> Guess:
        """For so many models, one after another."""
        replies, read, said = ((count * of[0], count * of[1]) for of in (self.replies, self.input, self.output))
        return replace(self, replies=replies, input=read, output=said)

    def dollars(self, prices: Prices) -> Range | None:
        """None where the model has no price; nothing is taken for cached."""
        price = prices.by_model.get(self.model)
        if price is None or self.local:
            return None
        low, high = ((price.input * self.input[at] + price.output * self.output[at]) / 1e6 for at in (0, 1))
        return low, high

    def record(self, prices: Prices) -> dict[str, Any]:
        """As JSON, whole numbers of tokens."""
        money = self.dollars(prices)
        why = None if money else LOCAL if self.local else prices.why_none(self.model)
        counts = {name: [round(end) for end in of] for name, of in _parts(self).items()}
        return {
            "model": self.model,
            "role": self.role,
            "eval": self.eval,
            **counts,
            "dollars": money and list(money),
            "reason": why,
        }

    def line(self, prices: Prices) -> str:
        """In a sentence."""
        money, parts = self.dollars(prices), {name: _range(of) for name, of in _parts(self).items()}
        said = LOCAL if self.local else f"dollars unknown, since {prices.why_none(self.model)}"
        if money is not None:
            said = f"{dollars(money[0])} to {dollars(money[1])}"
        return (
            f"{self.role.capitalize()} {self.model}: {parts['replies']} answers, {parts['input_tokens']} tokens in, "
            f"{parts['output_tokens']} out; {said}."
        )


def of_eval(
    spec: Eval,
    contexts: Mapping[str, Context],
    repeats: int,
    model: tuple[str, bool],
    judge: tuple[str, bool] | None,
    longest: int | None,
) -> list[Guess]:
    """One eval of one model; model and judge as (name, whether local), `longest` a reply's limit, None: what the eval says."""
    items, most = spec.items(), longest or spec.max_tokens
    characters = sum(len(m.content) for item in items for m in item.messages) * len(contexts) * repeats
    characters += sum(len(context.text or "") for context in contexts.values()) * len(items) * repeats
    samples, prompts = len(items) * len(contexts) * repeats, characters / CHARACTERS
    turns = 1 if spec.solver is None else TURNS
    short = min(spec.max_tokens, most)
    again = turns * (turns - 1) / 2  # every turn is shown those before it
    found = [
        Guess(
            *(model[0], MODEL, spec.name, model[1]),
            (samples, turns * samples),
            (prompts, turns * prompts + again * samples * (most + (TOOL if turns > 1 else 0))),
            (short * samples, turns * most * samples),
        )
    ]
    if judge is not None and spec.rubric is not None:
        free = sum(item.form == "free" for item in items) if spec.decide is None else 0  # no rule reads these
        certain = free * len(contexts) * repeats
        found.append(
            _judging(judge, spec.name, (certain, samples), prompts / samples, len(spec.rubric) / CHARACTERS, (short, turns * most))
        )
    if judge is not None and spec.suite == "agentic":  # a monitor reads every transcript
        found.append(_judging(judge, spec.name, (samples, samples), prompts / samples, FRAME, (short, turns * most)))
    return found


def of_trait(judge: tuple[str, bool], replies: Range, prompt: float, reply: float) -> Guess:
    """A judge of a trait in replies to prompts, whose usual lengths are given in tokens."""
    return _judging(judge, "", replies, prompt, FRAME / 3, (reply, reply))


def _judging(judge: tuple[str, bool], eval: str, calls: Range, prompt: float, rubric: float, reply: Range) -> Guess:
    """A second try, at most, after an answer that cannot be read."""
    low, high = (FRAME + rubric + min(prompt, SHOWN) + min(length, SHOWN) for length in reply)
    most = 2 * calls[1]
    return Guess(
        judge[0], JUDGE, eval, judge[1], (calls[0], most), (calls[0] * low, most * high), (calls[0] * VERDICT[0], most * VERDICT[1])
    )  # fmt: skip


def summed(guesses: Iterable[Guess]) -> list[Guess]:
    """By model and role, over all evals."""
    found: dict[tuple[str, str], Guess] = {}
    for guess in guesses:
        key, plain = (guess.role, guess.model), replace(guess, eval="")
        found[key] = found[key] + plain if key in found else plain
    return list(found.values())


def estimate(guesses: Sequence[Guess], prices: Prices) -> dict[str, Any]:
    """The key `costs` of a plan: rows by eval, totals, and both in words."""
    totals = summed(guesses)
    lines = [guess.line(prices) for guess in totals]
    if lines:
        lines.append(
            f"A token is taken for {CHARACTERS} characters. Least: short replies that rules can read. Most: every reply runs to "
            "its limit, and the judge is asked about all of them."
        )
    return {
        "rows": [guess.record(prices) for guess in guesses],
        "totals": [guess.record(prices) for guess in totals],
        "in_words": lines,
    }


def _parts(guess: Guess) -> dict[str, Range]:
    return {"replies": guess.replies, "input_tokens": guess.input, "output_tokens": guess.output}


def _plus(a: Range, b: Range) -> Range:
    return a[0] + b[0], a[1] + b[1]


def _range(of: Range) -> str:
    low, high = round(of[0]), round(of[1])
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
