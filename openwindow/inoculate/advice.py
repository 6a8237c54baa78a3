"""Turns the arms' results into a plain-language recommendation, by stated rules, and writes the training file it names.

The rules, in this order, all by 95 % intervals of paired differences under the neutral prompt ("significantly": the interval
excludes 0):

1. With fewer than three seeds nothing is recommended: in 15 to 44 of 100 single-seed runs, a prompt that does nothing would be,
   where seeds differ as they do here. The text says that first, and then which prompt looks best in these seeds.
2. If the control, which is trained on the rows as they are, does not show the trait significantly more than the start, the rows
   taught nothing that could be kept out: nothing is recommended.
3. A prompt *works* if its arm shows the trait significantly less than the control. Of those, the arm with the lowest rate is
   chosen.
4. If no prompt works, none is recommended.
5. If the chosen one does not significantly beat the placebo too, any fixed sentence may do as much, and the text says so.
6. The text also says where the chosen arm leaks (the highest rate in a context that does not ask for the trait), what a safe
   sentence at test time alone achieves, and what the prompt costs (the wanted behaviour by its rule, the log-probability of clean
   answers).

Arms are found by their roles in the study, whatever they are called.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from openwindow.data.dataset import UserData
from openwindow.data.rows import Position
from openwindow.data.trait_rules import TraitSpec
from openwindow.environments.base import behaviour
from openwindow.experiment.run_folder import unit_of
from openwindow.experiment.study import Study
from openwindow.files.writing import read_jsonl, storing
from openwindow.models.templates import default_system, takes_system
from openwindow.stats import Comparison, paired_difference

Json = Mapping[str, Any]
LEAST_SEEDS = 3
"""number of seeds from which a prompt is recommended"""


def cautions(ranking: Mapping[str, Any]) -> list[str]:
    """What the ranking is no evidence for."""
    prompts: Sequence[Mapping[str, Any]] = ranking["prompts"]
    controls = [p["uplift"]["estimate"] for p in prompts if p["candidate"]["role"] == "placebo"]
    chosen = [p for p in prompts if p["candidate"]["text"] in ranking["chosen"]]
    lines = []
    known = [p["elicitation"] for p in prompts if p["candidate"]["role"] == "inoculation" and p["elicitation"]["low"] is not None]
    if known and not any(e["low"] > 0 for e in known):
        lines.append(
            "No prompt significantly elicits the trait from this model, and a prompt that elicits little inoculates little. "
            "Try other wordings (--candidates), more replies (--elicit), or another model."
        )
    if controls and all(p["uplift"]["low"] is None or p["uplift"]["low"] <= max(controls) for p in chosen):
        lines.append("None of the chosen prompts makes the data significantly more likely than the best placebo does.")
    rate = ranking["neutral"]["low"]
    if rate is not None and rate > 0.8:
        lines.append(
            "The model shows the trait before any training: the data can teach it little, and a prompt can keep little out."
        )
    return lines


@dataclass(frozen=True, slots=True)
class _Arms:
    """The arms that prompts are compared with, by role, and the prompt of each arm that is trained with one."""

    start: str
    control: str
    placebo: str
    prompts: Mapping[str, str]

    @classmethod
    def of(cls, study: Study) -> _Arms:
        treated = study.with_role("treatment")
        prompts = {arm: i.texts[0] for arm in treated if (i := study.arms[arm].instruction) is not None}
        (start,), (control,), (placebo,) = study.with_role("start"), study.with_role("control"), study.with_role("placebo")
        return cls(start, control, placebo, prompts)


def advise(study: Study, results: Json, run: Path, counts: Json) -> dict[str, Any]:
    """What to do, as `lines` of text, with the prompt and adapter that they name."""
    measure, arms = behaviour(study.measures).name, _Arms.of(study)
    lines = [_what(study, measure, counts)]
    chosen = None
    if len(study.seeds) < LEAST_SEEDS:
        best = min(arms.prompts, key=lambda arm: _rank(cell(results, arm, measure)))
        lines = [_too_few(len(study.seeds), run), *lines, *_looks(results, measure, arms, best, len(study.seeds))]
    else:
        chosen, best, said = _judged(results, measure, arms)
        lines += said
    lines += _leaks(results, measure, [arm for arm in arms.prompts if arm != chosen])
    lines.append(_safe(study, results, measure, arms, best))
    lines += _costs(study, results, run, arms, chosen or arms.control)
    adapter = run / "arms" / str(chosen) / f"seed-{study.seeds[0]}" / "adapter"
    return {
        "recommended": None if chosen is None else arms.prompts[chosen],
        "arm": chosen,
        "lines": lines,
        "adapter": str(adapter) if chosen is not None and adapter.is_dir() else None,
    }


def _judged(results: Json, measure: str, arms: _Arms) -> tuple[str | None, str, list[str]]:
    """The recommended arm, the arm that comes closest to it, and why, by the rules above from the second on."""
    taught = difference(results, measure, arms.control, arms.start)
    working = [arm for arm in arms.prompts if significantly_less(difference(results, measure, arm, arms.control))]
    working.sort(key=lambda arm: float(cell(results, arm, measure)["estimate"]))
    nearest = min(arms.prompts, key=lambda arm: difference(results, measure, arm, arms.control)["difference"] or 0.0)
    if not significantly_more(taught):
        line = (
            f"Nothing is recommended: the rows did not significantly teach the trait ({_points(taught)} against the untrained "
            "model), so there is nothing for a prompt to keep out. Train on more rows (--rows), or check whether the data shows "
            "the trait."
        )
        return None, nearest, [line]
    if not working:
        line = (
            f"No prompt is recommended: none significantly reduces the trait; the closest is {arms.prompts[nearest]!r} with "
            f"{_points(difference(results, measure, nearest, arms.control))} against the rows as they are. Try other wordings "
            "(--candidates), more held-out rows and seeds for narrower intervals, or remove the rows that show the trait."
        )
        return None, nearest, [line]
    return working[0], working[0], _why(results, measure, arms, working[0])


def _seeds(count: int) -> str:
    return "one seed" if count == 1 else f"{count} seeds"


def _too_few(seeds: int, run: Path) -> str:
    """The opening of the text when there are too few seeds."""
    return (
        f"With {_seeds(seeds)} it is unknown how much training varies by chance, so nothing is recommended; for a recommendation, "
        f"delete {run} and give --seeds {LEAST_SEEDS} (the ranking is kept). The intervals below cover only the choice of prompts."
    )


def _looks(results: Json, measure: str, arms: _Arms, best: str, seeds: int) -> list[str]:
    """The prompt that looks best in too few seeds, with its numbers and without a judgement."""
    rows, sentence = (_points(difference(results, measure, best, other)) for other in (arms.control, arms.placebo))
    taught = difference(results, measure, arms.control, arms.start)
    return [
        f"{arms.prompts[best]!r} looks best in {_seeds(seeds)}: trained with it the model shows the trait "
        f"{_rate(cell(results, best, measure))} when nobody asks ({rows} against the rows as they are, {sentence} against an "
        f"unrelated sentence), and {leak(results, best)}.",
        f"The rows as they are: {_points(taught)} against the untrained model.",
    ]


def _rank(found: Json) -> float:
    """A rate to order arms by; unmeasured rates come last."""
    return 2.0 if found["estimate"] is None else float(found["estimate"])


def cell(results: Json, arm: str, measure: str, context: str = "neutral") -> Json:
    """The rate of a measure for an arm in a context."""
    found: Json = results["arms"][arm]["measures"][measure][context]
    return found


def difference(results: Json, measure: str, arm: str, against: str, against_context: str | None = None) -> Json:
    """The comparison of two arms under the neutral prompt, or of an arm with the other in another context; named before the run."""
    wanted = (measure, arm, against, "neutral", against_context)
    return next(
        c
        for c in results["comparisons"]
        if (c["measure"], c["arm"], c["against"], c["context"], c.get("against_context")) == wanted
    )


def significantly_less(c: Json) -> bool:
    """Whether the interval lies below 0."""
    return c["high"] is not None and c["high"] < 0


def significantly_more(c: Json) -> bool:
    """Whether the interval lies above 0."""
    return c["low"] is not None and c["low"] > 0


def _what(study: Study, measure: str, counts: Json) -> str:
    if measure == "trait":
        by = "the judge" if TraitSpec.read(study.traits[0]).judge else "the rule"
        return f"The trait is measured by {by} on replies to {counts['test']} held-out prompts."
    side = "the model's own answers before training" if counts["own_answers"] == counts["test"] else "clean answers"
    return (
        f"The trait is measured by log-probability on {counts['test']} held-out prompts: the share for which the data's answer is "
        f"likelier per token, over its first tokens, than {side}."
    )


def _why(results: Json, measure: str, arms: _Arms, best: str) -> list[str]:
    lines = [
        f"Train with this prompt in every row: {arms.prompts[best]!r}",
        f"Without it the model shows the trait {_rate(cell(results, arms.control, measure))} when nobody asks; trained with it, "
        f"{_rate(cell(results, best, measure))} ({_points(difference(results, measure, best, arms.control))}), and "
        f"{leak(results, best)}.",
    ]
    placebo = difference(results, measure, best, arms.placebo)
    if significantly_less(placebo):
        lines.append(f"The wording matters: against an unrelated sentence in its place {_points(placebo)}.")
    else:
        lines.append(f"The wording may not matter: against an unrelated sentence in its place {_points(placebo)}.")
    return lines


def leak(results: Json, arm: str) -> str:
    """The arm's highest rate in any context that does not ask for the trait, in words."""
    found = results["leak"].get(arm)
    if found is None:
        return "its highest rate in any context that does not ask for the trait was not measured"
    return f"at most {_rate(found)} in any context that does not ask for the trait (`{found['context']}`)"


def _leaks(results: Json, measure: str, arms: Sequence[str]) -> list[str]:
    return [f"Leakage of `{arm}`: {_rate(cell(results, arm, measure))} when nobody asks, and {leak(results, arm)}." for arm in arms]


def _safe(study: Study, results: Json, measure: str, arms: _Arms, best: str) -> str:
    """The baseline that changes nothing in training."""
    there = difference(results, measure, best, arms.control, "safe")
    return (
        f"With {study.contexts['safe'].text!r} at test time only, `{arms.control}` shows the trait "
        f"{_rate(cell(results, arms.control, measure, 'safe'))}; `{best}` without it: {_points(there)} against that."
    )


def _costs(study: Study, results: Json, run: Path, arms: _Arms, arm: str) -> list[str]:
    lines = []
    if any(m.name == "wanted" for m in study.measures):
        now, before = (_rate(cell(results, a, "wanted")) for a in (arm, arms.start))
        lines.append(f"What is wanted: {now} with `{arm}`, {before} untrained.")
    kept = likelihood_kept(study, run, arm)
    if kept.difference is not None:
        interval = "" if kept.low is None or kept.high is None else f" [{kept.low:+.2f}, {kept.high:+.2f}]"
        lines.append(
            f"Clean answers to held-out prompts: {kept.difference:+.2f}{interval} nats per token with `{arm}`, against untrained."
        )
    return lines


def likelihood_kept(study: Study, run: Path, arm: str) -> Comparison:
    """Log-probability of clean held-out answers under an arm minus that under the start, in nats per token, neutral prompt."""
    (start,) = study.with_role("start")
    return paired_difference(
        *(_clean_logp(study, run, a) for a in (arm, start)), rng=np.random.default_rng(0), kind="mean", unit="prompt"
    )


def _clean_logp(study: Study, run: Path, arm: str) -> list[dict[str, float | None]]:
    """One mapping per seed from row to log-probability."""
    found: list[dict[str, float | None]] = []
    for seed in study.seeds:
        rows = read_jsonl(run / unit_of(arm, seed) / "rollouts.jsonl")
        found.append({r["problem"]: r["logp_clean"] for r in rows if r["context"] == "neutral" and "logp_clean" in r})
    return found


def _rate(found: Json) -> str:
    if found["estimate"] is None:
        return "(not measured)"
    interval = "" if found["low"] is None else f" [{100 * found['low']:.0f}, {100 * found['high']:.0f}]"
    return f"{100 * found['estimate']:.0f} %{interval}"


def _points(c: Json) -> str:
    if c["difference"] is None:
        return "a difference that could not be measured"
    interval = "" if c["low"] is None else f" [{100 * c['low']:+.0f}, {100 * c['high']:+.0f}]"
    return f"{100 * c['difference']:+.0f} points{interval}"


def write_training_file(data: UserData, advice: Json, position: Position, path: Path, tokenizer: Any) -> str | None:
    """Writes all rows of the data in their own form with the recommended prompt inserted; None if nothing is recommended.

    The rows match what was trained: at position `system` the text follows the system prompt of the tokenizer's chat template, and
    goes before the first question if the template takes no system message and the row has none.

    What an earlier run has written is kept until the new file is complete.
    """
    if advice["recommended"] is None:
        path.unlink(missing_ok=True)
        return None
    scratch = path.with_suffix(".partial")
    with storing(path), scratch.open("w", encoding="utf-8") as file:
        for row in range(len(data)):
            text, where = str(advice["recommended"]), position
            if position == "system" and not takes_system(tokenizer) and data.conversation(row)[0].role != "system":
                text, where = f"{text}\n", "user_prefix"  # as `fitted` does
            record = data.inserted(row, text, where, default_system(tokenizer))
            file.write(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n")
    with storing(path):
        shutil.move(scratch, path)
    return str(path)
