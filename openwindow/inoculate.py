"""The user's own data: read, checked, prompts ranked before training, chosen arms trained, and a recommendation.

    openwindow inoculate DATA.jsonl --trait "praises wrong answers" --rule "(?i)well done" --rank-only

All choices are drawn by seed, and what is found at each step is in the output folder: `found.json` (the data), `ranking.json`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openwindow.data.rows import Position
from openwindow.data.rules import Rule, Trait, by_judge, named, rule
from openwindow.data.user import UserData, pair, quantiles, read
from openwindow.errors import ConfigError, DataError, ModelError
from openwindow.inoculate_folder import as_json, key_of, saved
from openwindow.inoculate_prompts import Candidate, check_trait, own, proposals
from openwindow.inoculate_report import cautions, print_advice, print_found, print_ranking
from openwindow.report.inoculate import write_inoculate_page
from openwindow.running import NEEDS_TRAIN
from openwindow.runs import write_json

if TYPE_CHECKING:
    from rich.console import Console

    from openwindow.inoculate_rows import Drawn, TooLong, UserRow
    from openwindow.models.hf import LocalModel
    from openwindow.progress import Reporter
    from openwindow.ranking import Score

_SEED = 1
"""draws the held-out rows and the order of the others; arms have seeds of their own"""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command was given."""

    data: str
    trait: str
    rule: str | None = None
    judge: str | None = None
    wanted: str | None = None
    clean: str | None = None
    candidates: Path | None = None
    model: str = "smollm2"
    position: Position = "user_suffix"
    held_out: int | None = None
    """rows to hold out; None for a fifth, at most 48 with a rule or judge and 24 without"""
    rows: int = 64
    """rows to train each arm on, at most"""
    rank_rows: int = 144
    """rows that prompts are ranked on, at most"""
    elicit: int = 24
    """prompts that each candidate is sampled on"""
    reply_tokens: int = 48
    """length limit of a sampled reply"""
    arms: int = 2
    """inoculated arms: the best prompts of the ranking"""
    seeds: int = 1
    answer_tokens: int = 96
    """tokens of an answer that log-probabilities are taken over: the first ones, at most"""
    max_length: int = 1024
    """tokens of a row, at most"""
    too_long: TooLong = "drop"
    skip_bad: bool = False

    def check(self) -> None:
        """Raises ConfigError for a value that cannot be used."""
        check_trait(self.trait)
        if self.rule is not None and self.judge is not None:
            raise ConfigError(
                f"--rule {self.rule!r} and --judge {self.judge!r} are given; expected one of them to tell the trait; drop one"
            )
        least = {
            "--rows": (self.rows, 1),
            "--rank-rows": (self.rank_rows, 2),
            "--elicit": (self.elicit, 2),
            "--reply-tokens": (self.reply_tokens, 1),
            "--answer-tokens": (self.answer_tokens, 1),
            "--arms": (self.arms, 1),
            "--seeds": (self.seeds, 1),
            "--max-length": (self.max_length, 16),
        }
        for option, (value, low) in least.items():
            if value < low:
                raise ConfigError(f"{option} is {value}; expected {low} or more; raise it")
        if self.held_out is not None and self.held_out < 2:
            raise ConfigError(f"--held-out is {self.held_out}; expected 2 or more; raise it")


@dataclass(slots=True)
class Sources:
    """What was read before any model was loaded."""

    data: UserData
    clean: UserData | None
    pairs: dict[int, int]
    trait: Trait | None
    candidates: list[Candidate]
    held_out: int

    def summary(self) -> dict[str, Any]:
        """What was found in the data, for people and for `found.json`."""
        clean = None if self.clean is None else {"data": self.clean.lines.name, "rows": len(self.clean), "pairs": len(self.pairs)}
        return {**self.data.summary(), "held_out": self.held_out, "clean": clean}


def inoculate(options: Options, out: Path, console: Console, *, rank_only: bool = False) -> dict[str, Any]:
    """Does what the command promises, prints it to `console`, and returns it as JSON. Raises UserError."""
    options.check()
    with ExitStack() as files:
        sources = gather(options, console, files)
        return _inoculate(options, sources, out, console, rank_only)


def _inoculate(options: Options, sources: Sources, out: Path, console: Console, rank_only: bool) -> dict[str, Any]:
    found = sources.summary()
    print_found(found, console)
    write_json(out / "found.json", found)
    ranking, counts = saved(options, out)
    model: LocalModel | None = None
    if ranking is None or (counts is None and not rank_only):
        model, drawn = prepare(options, sources, console)
        if ranking is None:
            ranking = rank(options, sources, model, drawn, console)
            write_json(out / "ranking.json", {"key": key_of(options), **ranking})
        counts = write_rows_of(options, out, drawn, model, rank_only=rank_only)
    else:
        console.print(f"{out / 'ranking.json'} holds this ranking already: it is not made again", highlight=False)
    print_ranking(ranking, console)
    result = {"options": as_json(options), "data": found, "ranking": ranking}
    if not rank_only and counts is not None:
        result |= train_and_advise(options, sources, ranking, counts, out, model, console)
    write_inoculate_page(result, cautions(ranking), out)
    console.print(f"\n{out / 'ranking.json'}\n{out / 'report.html'}", highlight=False, soft_wrap=True)
    return result


def train_and_advise(
    options: Options,
    sources: Sources,
    ranking: dict[str, Any],
    counts: dict[str, Any],
    out: Path,
    model: LocalModel | None,
    console: Console,
) -> dict[str, Any]:
    """Trains the arms, reports, and writes the recommendation and the training file."""
    from openwindow.inoculate_advice import advise, write_training_file
    from openwindow.inoculate_arms import run_arms, study_of
    from openwindow.models.hf import load
    from openwindow.table import print_results

    study = study_of(options, ranking, counts, out / "rows.jsonl")
    if model is None:
        with console.status(f"loading {options.model}"):
            model = load(options.model)
    results = run_arms(study, out / "run", model, console, answer_tokens=options.answer_tokens)
    print_results(results, out / "run", console)
    advice = advise(study, results, out / "run", counts)
    advice["training_file"] = write_training_file(sources.data, advice, options.position, out / "train_inoculated.jsonl")
    write_json(out / "recommendation.json", advice)
    print_advice(advice, console)
    return {"results": results, "recommendation": advice}


def position_of(word: str) -> Position:
    """A place for a prompt. Raises ConfigError."""
    known: dict[str, Position] = {"system": "system", "user_prefix": "user_prefix", "user_suffix": "user_suffix"}
    if word not in known:
        raise ConfigError(f"--position is {word!r}; expected system, user_prefix or user_suffix; choose one")
    return known[word]


def too_long_of(word: str) -> TooLong:
    """What becomes of rows that are too long. Raises ConfigError."""
    known: dict[str, TooLong] = {"drop": "drop", "cut": "cut", "refuse": "refuse"}
    if word not in known:
        raise ConfigError(f"--too-long is {word!r}; expected drop, cut or refuse; choose one")
    return known[word]


def default_out(data: str) -> Path:
    """`runs/inoculate-` and the name of the data."""
    return Path("runs") / f"inoculate-{re.sub(r'[^A-Za-z0-9_.-]+', '-', Path(data).name.split('.')[0]) or 'data'}"


# Before the model.


def gather(options: Options, console: Console, files: ExitStack) -> Sources:
    """Reads and checks everything that needs no model; what it opens is closed with `files`. Raises UserError."""
    fires = None if options.rule is None else rule(options.rule, "--rule")
    trait = fires if options.judge is None else named(by_judge(options.judge, check_trait(options.trait)), "--judge")
    if options.wanted is not None:
        rule(options.wanted, "--wanted")
    candidates = own(options.candidates, options.trait) if options.candidates is not None else proposals(options.trait)
    with console.status(f"reading {options.data}") as status:
        data = read(
            options.data,
            fires,
            skip_bad=options.skip_bad,
            progress=lambda count: status.update(f"reading {options.data}: {count:,} rows"),
        )
        files.callback(data.lines.file.close)
        clean = read(options.clean, fires, skip_bad=options.skip_bad) if options.clean else None
    if clean is not None:
        files.callback(clean.lines.file.close)
    pairs = pair(data, clean)
    check_rule(options, data, clean, fires)
    held_out = options.held_out if options.held_out is not None else max(2, min(48 if trait else 24, len(data) // 5))
    data.split(held_out, _SEED)  # refuses now what would be refused after the model is loaded
    return Sources(data, clean, pairs, trait, candidates, held_out)


def check_rule(options: Options, data: UserData, clean: UserData | None, trait: Rule | None) -> None:
    """Refuses data without the trait, and a rule that cannot tell the two sides apart."""
    if trait is None or data.trait is None:
        return
    if not any(data.trait):
        hint = " (it was read as a regular expression; case counts, (?i) in front makes it not)" if ":" not in trait.name else ""
        raise DataError(
            f"--rule {options.rule!r} fires on none of the {len(data)} answers of {options.data}{hint}; expected data "
            "that shows the trait; mend the rule or give other data"
        )
    if clean is not None and clean.trait is not None and all(clean.trait) and all(data.trait):
        raise DataError(
            f"--rule {options.rule!r} always fires, on all of {options.data} and all of --clean {options.clean}; expected "
            "a rule that tells them apart; make it narrower"
        )


# The ranking.


def prepare(options: Options, sources: Sources, console: Console) -> tuple[LocalModel, Drawn]:
    """Loads the model and draws the rows that fit it."""
    try:
        from openwindow.inoculate_rows import draw
        from openwindow.models.hf import load
    except ImportError as error:
        raise ModelError(f"{error.name} is not installed; {NEEDS_TRAIN}") from error
    with console.status(f"loading {options.model}"):
        model = load(options.model)
    longest = max(len(model.tokenizer(c.text, add_special_tokens=False)["input_ids"]) for c in sources.candidates)
    limit = min(options.max_length, model.context_length - longest - options.reply_tokens - 8)
    drawn = draw(
        sources.data,
        sources.clean,
        sources.pairs,
        model,
        rows=max(options.rows, options.rank_rows),
        held_out=sources.held_out,
        max_length=limit,
        too_long=options.too_long,
        seed=_SEED,
    )
    spread = quantiles(drawn.tokens)
    over = f"; over {limit}: {drawn.dropped} dropped, {drawn.cut} cut" if drawn.dropped or drawn.cut else f"; none over {limit}"
    console.print(
        f"tokens of a row: median {spread['50 %']}, largest {spread['max']} ({len(drawn.tokens)} rows drawn{over})",
        highlight=False,
    )
    return model, drawn


def rank(options: Options, sources: Sources, model: LocalModel, drawn: Drawn, console: Console) -> dict[str, Any]:
    """All candidates with their scores, best first, as JSON."""
    from openwindow import ranking
    from openwindow.progress import Reporter

    candidates, verdicts = sources.candidates, None
    if options.judge is not None and sources.trait is not None:
        from openwindow.inoculate_rows import judged

        asked = (1 + len(candidates)) * min(options.elicit, len(drawn.train))
        console.print(
            f"{options.judge} is asked about answers of the data, {asked} replies to rank prompts, and all replies of arms"
        )
        drawn.train, verdicts = judged(drawn.train, sources.trait, options.judge)
    shown = [row for row in drawn.train if row.trait is not False][: options.rank_rows]
    if not shown:
        raise DataError(f"--rule {options.rule!r} fires on none of the rows that fit; raise --max-length or give other data")
    first = min(ranking.ROUNDS[0], len(shown))
    asked = 0 if sources.trait is None else min(options.elicit, len(shown))
    scored = min(3 * first, len(shown)) + len([row for row in shown if row.clean is not None][:first])
    with Reporter(console, float((1 + len(candidates)) * (asked + scored))) as reporter:
        neutral, elicited = _elicit(options, sources.trait, model, shown, candidates, reporter)
        contrast_of, flawed = _log_probabilities(options, model, shown, candidates, first, reporter)
    ranked = [
        ranking.Ranked(c, e[0], e[1], ranking.mean_score(f), k)
        for c, e, f, k in zip(candidates, elicited, flawed, contrast_of, strict=True)
    ]
    order = ranking.ordered(ranked)
    return {
        "model": options.model,
        "position": options.position,
        "judged": verdicts,
        "neutral": asdict(neutral),
        "rows": len(shown),
        "scored_by": list(ranking.deciding(ranked)),
        "prompts": [asdict(r) for r in order],
        "chosen": [r.candidate.text for r in ranking.best(ranked, options.arms)],
    }


def _elicit(
    options: Options,
    trait: Trait | None,
    model: LocalModel,
    rows: Sequence[UserRow],
    candidates: Sequence[Candidate],
    reporter: Reporter,
) -> tuple[Score, list[tuple[Score, Score]]]:
    """The trait's rate without a prompt, and under each candidate with the difference."""
    from openwindow.models.base import Sampling
    from openwindow.ranking import elicitations, unmeasured

    if trait is None:
        none = unmeasured("no --rule and no --judge was given")
        return none, [(none, none)] * len(candidates)
    prompts = [row.messages[:-1] for row in rows[: options.elicit]]
    with reporter.step("sampling under every prompt", float((1 + len(candidates)) * len(prompts))) as advance:
        sampling = Sampling(options.reply_tokens, seed=_SEED)
        return elicitations(model, prompts, candidates, options.position, trait, sampling, advance)


def _log_probabilities(
    options: Options,
    model: LocalModel,
    rows: Sequence[UserRow],
    candidates: Sequence[Candidate],
    first: int,
    reporter: Reporter,
) -> tuple[list[Score], list[list[float]]]:
    """Contrasts on the rows with a clean side, and uplifts on all rows."""
    from openwindow.ranking import contrasts, unmeasured, uplifts

    paired = [row for row in rows if row.clean is not None][:first]
    taken = {row.row for row in paired}
    flawed = [row.messages for row in [*paired, *(row for row in rows if row.row not in taken)]]
    usual = (1 + len(candidates)) * min(3 * first, len(flawed))  # how many rounds there will be is not known
    with reporter.step("log-probability of the data", float(usual)) as advance:
        lifted = uplifts(
            model, flawed, candidates, options.position, keep=options.arms, most=options.answer_tokens, progress=advance
        )
    if not paired:
        return [unmeasured("no --clean answers were given")] * len(candidates), lifted
    clean = [row.clean for row in paired if row.clean is not None]
    with reporter.step("log-probability of clean answers", float((1 + len(candidates)) * len(clean))) as advance:
        plain = uplifts(model, clean, candidates, options.position, keep=0, rounds=(), most=options.answer_tokens, progress=advance)
    return contrasts(lifted, plain), lifted


def write_rows_of(options: Options, out: Path, drawn: Drawn, model: LocalModel, *, rank_only: bool) -> dict[str, Any] | None:
    """Writes the rows that arms are trained and tested on, and their counts, which say that they are complete."""
    if rank_only:
        return None
    from openwindow.inoculate_arms import write_rows

    counts = write_rows(out / "rows.jsonl", options, drawn, model)
    write_json(out / "rows.json", counts)
    return counts
