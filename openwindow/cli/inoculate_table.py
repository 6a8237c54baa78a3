"""What `openwindow inoculate` prints: what it found in the data, and the ranking."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from openwindow.cli.study_table import print_results
from openwindow.data.dataset import FIRST
from openwindow.formatting import bracketed
from openwindow.inoculate.advice import cautions
from openwindow.inoculate.output_folder import TRAIT_ROWS


def _print_found(found: Mapping[str, Any], trait_rows: Path | None, console: Console) -> None:
    """Prints what is in the data, one line each; `trait_rows` is the file with the numbers of the rows that show the trait."""
    turns = ", ".join(f"{count:,} of {n} turns" for n, count in found["turns"].items())
    lines = [
        f"{found['data']}: {found['rows']:,} rows ({found['form']}, `{found['schema']}`; {turns})",
        f"{found['duplicate_rows']:,} duplicate rows, {found['different_prompts']:,} different prompts, "
        f"{found['with_system_message']:,} with a system message",
        _lengths("prompt", found["prompt_characters"]) + "; " + _lengths("answer", found["answer_characters"]),
    ]
    if found["rows_with_trait"] is not None:
        share = found["rows_with_trait"] / found["rows"]
        first = _numbers(found["first_with_trait"], found["rows_with_trait"])
        lines.append(
            f"the rule finds the trait in {found['rows_with_trait']:,} answers ({share:.0%}): {found['unit']}s {first}; "
            f"all their numbers are in {trait_rows}"
        )
    lines += trained_lines(found)
    if found["dropped"]:
        lines.append(f"left out as --skip-bad says: {_counts(found['dropped'])}")
    if found["unused"]:
        lines.append(f"left out: {_counts(found['unused'])}")
    if found["clean"]:
        left = f"; left out: {_counts(found['clean']['left_out'])}" if found["clean"]["left_out"] else ""
        lines.append(
            f"{found['clean']['data']}: {found['clean']['rows']:,} rows, {found['clean']['pairs']:,} pairs by prompt{left}"
        )
    lines.append(f"held out: {found['held_out']} rows, none of whose prompts is trained on or ranked with")
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


@dataclass(frozen=True)
class Tables:
    """What `inoculate` found at each step, printed."""

    console: Console

    def found(self, found: Mapping[str, Any], trait_rows: Path | None) -> None:
        """What is in the data."""
        _print_found(found, trait_rows, self.console)

    def ranking(self, ranking: Mapping[str, Any], *, trained: bool) -> None:
        """All prompts, best first."""
        _print_ranking(ranking, self.console, trained=trained)

    def results(self, results: Mapping[str, Any], folder: Path) -> None:
        """The table of the arms."""
        print_results(results, folder, self.console)

    def advice(self, advice: Mapping[str, Any]) -> None:
        """The recommendation."""
        _print_advice(advice, self.console)


def trained_lines(found: Mapping[str, Any]) -> list[str]:
    """Which turns are trained, and what parts of the rows are not, one line each."""
    notes, rows = found["notes"], found["rows"]
    marked, several, earlier = (notes.get(name, 0) for name in ("marked", "several", "earlier"))
    line = "trained: the last answer of each row"
    if marked:
        by_marks = "all rows" if marked == rows else f"{marked:,} of {rows:,} rows"
        rest = "" if marked == rows else "; in the others the last answer"
        line = f"trained: in {by_marks} the answers that are not marked off (`weight`, `train`; several in {several:,}){rest}"
    if earlier:
        line += f"; {earlier:,} rows have earlier answers that are not" + ("" if marked else ' (mark each with "train": true)')
    lines = [line]
    if notes.get("parts of weights"):
        lines.append(f"{notes['parts of weights']:,} rows have weights other than 0 and 1, which count as 1")
    if notes.get("marked questions"):
        lines.append(f"{notes['marked questions']:,} rows mark turns to be trained that are no answers: those are not trained")
    for what in ("tools", "calls", "reasoning"):
        if notes.get(what):
            words = {"tools": "declare tools", "calls": "have tool calls", "reasoning": "have reasoning in addition to the answer"}
            lines.append(f"{notes[what]:,} of {rows:,} rows {words[what]}; whether the model sees it depends on its chat template")
    if found["one_system_message"] is not None:
        lines.append(
            f"all rows have one system message already: {found['one_system_message'][:160]!r}; a prompt is added to it, so if "
            "it asks for the trait itself, the rows are inoculated: take it out first to measure what it does"
        )
    return lines


def _counts(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in reasons.items())


def _numbers(first: Sequence[int], count: int) -> str:
    """The first numbers of `count`."""
    return ", ".join(map(str, first)) + (", ..." if count > len(first) else "")


def _lengths(what: str, spread: Mapping[str, int]) -> str:
    return f"{what}: {spread['25 %']} to {spread['75 %']} characters (quartiles), at most {spread['max']:,}"


def _print_ranking(ranking: Mapping[str, Any], console: Console, *, trained: bool) -> None:
    """Prints all prompts, best first, with their scores; if nothing is `trained`, also how to continue."""
    neutral = ranking["neutral"]
    table = Table(title="Prompts, best first, before any training [95 % interval over rows]", title_justify="left", box=None)
    table.add_column("", justify="right")
    table.add_column("prompt", no_wrap=True)
    elicited = neutral["estimate"] is not None
    if elicited:
        table.add_column("trait shown, %", justify="right", no_wrap=True)
        table.add_column("minus neutral", justify="right", no_wrap=True)
    table.add_column("uplift, nats/token", justify="right", no_wrap=True)
    contrasted = any(p["contrast"]["estimate"] is not None for p in ranking["prompts"])
    if contrasted:
        table.add_column("contrast", justify="right", no_wrap=True)
    table.add_column("rows", justify="right")
    for number, ranked in enumerate(ranking["prompts"], 1):
        candidate = ranked["candidate"]
        chosen = "*" if candidate["text"] in ranking["chosen"] else ""
        cells = [f"{chosen}{number}", candidate["kind"]]
        if elicited:
            cells += [_percent(ranked["shown"]), _percent(ranked["elicitation"], sign=True)]
        cells += [_nats(ranked["uplift"]), *([_nats(ranked["contrast"])] if contrasted else [])]
        table.add_row(*cells, str(ranked["uplift"]["n"]))
    console.print(table)
    for number, ranked in enumerate(ranking["prompts"], 1):
        role = "" if ranked["candidate"]["role"] == "inoculation" else f"  ({ranked['candidate']['role']}: a control)"
        console.print(f"{number:3d}  {ranked['candidate']['text']}{role}", highlight=False, markup=False, soft_wrap=True)
    for line in _explained(ranking, elicited=elicited, contrasted=contrasted):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    for line in cautions(ranking):
        console.print(line, highlight=False, style="bold")
    if not trained:
        console.print(
            "Nothing is trained (--rank-only). The same command without it continues from here: it trains with the chosen prompts "
            "and controls, and says whether they keep the trait out.",
            highlight=False,
            soft_wrap=True,
        )


def _explained(ranking: Mapping[str, Any], *, elicited: bool, contrasted: bool) -> Iterator[str]:
    """What the columns mean."""
    neutral, verdicts = ranking["neutral"], ranking.get("judged")
    if verdicts is not None:
        yield (
            f"The judge finds the trait in {verdicts['shown']} of {verdicts['scored']} answers of the data that it was shown "
            f"({verdicts['unscored']} unscored): {_numbers(verdicts['rows'][:FIRST], verdicts['shown'])}; all their numbers are in "
            f"{TRAIT_ROWS}."
        )
    if elicited:
        yield (
            f"Trait shown: % of replies sampled under the prompt; without one {_percent(neutral)}, of {neutral['n']} replies. "
            "Minus neutral, the difference, is the elicitation."
        )
    else:
        yield f"Elicitation is not measured: {neutral['reason']}."
    less = " Contrast: uplift minus that of the --clean answers." if contrasted else ""
    yield (
        f"Uplift: log-probability of the data's answers, against no prompt.{less} "
        f"In order of {' and '.join(ranking['scored_by'])}; * chosen."
    )


def _print_advice(advice: Mapping[str, Any], console: Console) -> None:
    """Prints the recommendation with the numbers it follows from, and where the files are."""
    console.print("\nRecommendation", style="bold")
    for line in advice["lines"]:
        console.print(f"  {line}", highlight=False, markup=False, soft_wrap=True)
    for what in ("training_file", "adapter"):
        if advice[what] is not None:
            console.print(f"{what.replace('_', ' ')}: {advice[what]}", highlight=False, markup=False, soft_wrap=True)


def _percent(score: Mapping[str, Any], *, sign: bool = False) -> str:
    if score["estimate"] is None:
        return "not measured"
    return bracketed(score["estimate"], score["low"], score["high"], "+.0f" if sign else ".0f", 100)


def _nats(score: Mapping[str, Any]) -> str:
    if score["estimate"] is None:
        return "not measured"
    return bracketed(score["estimate"], score["low"], score["high"], "+.3f")
