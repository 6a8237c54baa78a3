"""`openwindow eval`: from the command's options to results and files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from openwindow.cli.estimates import of_evals
from openwindow.cli.printing import print_json
from openwindow.environments import find
from openwindow.errors import ConfigError, LimitReached, StorageError
from openwindow.evals.base import Eval
from openwindow.evals.contexts import BUILT_IN, Context, parse_contexts
from openwindow.evals.held_out import of_environment
from openwindow.evals.identity import in_words
from openwindow.evals.inspect.model_names import model_named
from openwindow.evals.inspect.resuming import finish
from openwindow.evals.inspect.spending import GO_ON, priced, priced_costs
from openwindow.evals.run import REMOTE_TOKENS, Found, Options, ask, check, from_logs, results
from openwindow.evals.scoring.calibration import calibrate_judge
from openwindow.evals.scoring.matrix import against as compare
from openwindow.evals.scoring.rows import with_missing
from openwindow.evals.scoring.summary import versus
from openwindow.evals.select import chosen, limited, sampled, split_in_words
from openwindow.evals.suites.capability_code import mbpp_at as mbpp_at
from openwindow.files.bounded import usable
from openwindow.files.locking import Lock
from openwindow.files.writing import write_json
from openwindow.report.eval_page import write_page

PROBLEMS, LONGEST = 32, 160
"""of an environment: held-out problems that are asked, and tokens of a reply, unless options say otherwise"""


def calibrated(judge: str, base_url: str | None) -> dict[str, Any]:
    """A judge's agreement with the labelled transcripts. Raises UserError."""
    return calibrate_judge(judge, base_url=base_url)


@contextmanager
def specs_of(
    suite: str | None, env: str | None, options: Mapping[str, Any], problems: int | None, tokens: int | None
) -> Iterator[list[Eval]]:
    """The evals of a suite, and those that can be made of an environment, which stays open meanwhile. Raises UserError.

    Without an environment and a suite they are all built-in evals; with an environment alone, only its own.
    """
    if env is None:
        if options or problems is not None:
            given = ", ".join(f"--{name.replace('_', '-')}" for name in (*options, *(("problems",) if problems else ())))
            raise ConfigError(f"{given} without --env; expected an environment that it is for; name one, or drop it")
        yield chosen(suite or "all")
        return
    environment = find.make(env, options)
    with environment:
        own = of_environment(environment, problems or PROBLEMS, 0, tokens or LONGEST)
        yield [*own, *(chosen(suite) if suite is not None else [])]


def evaluate(
    model: str | None,
    suite: Sequence[Eval],
    contexts: str | None,
    against: str | None,
    logs: Path | None,
    out: Path | None,
    settings: dict[str, Any],
    say: Callable[[str], None],
) -> tuple[dict[str, Any], Path]:
    """Runs the evals (or reads `logs`), computes, and writes results.json and report.html; returns the results and their folder."""
    options = Options(contexts=parse_contexts(contexts), **settings)
    check(options)
    whole = list(suite)
    specs = limited(whole, None, options.split)
    if out is not None:
        usable(out)
    found: Found | None = None
    if logs is not None:
        found = from_logs(logs)
        specs = [s for s in specs if any(r.eval == s.name for r in found.rows)]
        if not specs:
            wanted = dict.fromkeys(s.suite for s in whole)
            raise ConfigError(
                f"{logs} holds no log of {', '.join(wanted)}; expected one of its evals; choose another --suite, or leave it out"
            )
        found = found if options.split == "all" else _of_items(found, specs)
        found = replace(found, rows=with_missing(found.rows, specs))
        options = options.model_copy(update={"contexts": _named(options.contexts, [r.context for r in found.rows])})
        name, folder = model or "logs", out or (logs if logs.is_dir() else logs.parent)
    elif model is None:
        raise ConfigError("no model was named; expected smollm2, a folder, a hub name or PROVIDER/MODEL; or give --logs DIR")
    else:
        name, folder = model, out or Path("runs") / f"eval-{_slug(model)}"
        usable(folder)
        if against is not None:  # a wrong name fails before the first model is asked
            priced(model_named(against, base_url=options.base_url, precision=options.precision, device=options.device))
    with Lock(folder):
        made = _made(name, found or ask(model or name, specs, options, folder, say), specs, options, against, folder, say)
        made["summary"] = [*split_in_words(whole, options.split), *made["summary"]]
        try:
            write_json(folder / "results.json", made)
        except OSError as error:
            raise StorageError(f"cannot write to {folder}: {error.strerror}; make room or choose another folder") from error
        write_page(made, folder)
        if made["stopped"] is None:
            finish(folder)
            finish(folder / "against")
    return made, folder


def check_complete(made: Mapping[str, Any]) -> None:
    """Raises LimitReached if a limit stopped the evals before all was asked."""
    if made["stopped"] is not None:
        lost = sum(cell["unscored"] for by in made["measures"].values() for cell in by.values())
        raise LimitReached(f"{made['stopped']}, with {lost:,} values unscored; {GO_ON}")


def print_plan(
    model: str | None,
    asked: AbstractContextManager[Sequence[Eval]],
    mbpp: Path | None,
    contexts: str | None,
    against: str | None,
    settings: dict[str, Any],
    *,
    as_json: bool,
) -> None:
    """Prints what `evaluate` would ask, and what that would cost. Raises UserError."""
    if model is None:
        raise ConfigError("no model was named; expected the one to ask; name one before --dry-run")
    options = Options(contexts=parse_contexts(contexts), **settings)
    check(options)
    models = [name for name in (model, against) if name is not None]
    with mbpp_at(mbpp), asked as suite:
        specs = [spec for spec in limited(suite, None, options.split) if sampled(spec, options.behaviour)]
        costs = of_evals(models, specs, options.contexts, settings, REMOTE_TOKENS)
        samples = sum(len(spec.items()) for spec in specs) * len(options.contexts) * options.seeds
    lines = [
        f"{len(specs)} evals in {len(options.contexts)} context{'' if len(options.contexts) == 1 else 's'}: {samples:,} samples of "
        f"{' and of '.join(models)}.",
        *costs["in_words"],
        "Nothing was asked.",
    ]
    found = {"models": models, "evals": [spec.name for spec in specs], "samples": samples, "costs": costs, "in_words": lines}
    print_json(found) if as_json else print("\n".join(lines))


def _of_items(found: Found, specs: Sequence[Eval]) -> Found:
    """What logs hold of the evals' items: they may have been asked other scenarios as well."""
    kept = {(spec.name, item.id) for spec in specs for item in spec.items()}
    rows = [row for row in found.rows if (row.eval, row.id) in kept]
    return replace(found, rows=rows, probes=[probe for probe in found.probes if (probe.eval, probe.id) in kept])


def _made(
    name: str,
    found: Found,
    specs: Sequence[Eval],
    options: Options,
    against: str | None,
    folder: Path,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """The results of one model, and of the one it is compared with, which is asked now."""
    made = results(name, found, specs, options)
    if against is not None:
        other = ask(against, specs, options, folder / "against", say)
        theirs = results(against, other, specs, options)
        made["against"] = {key: theirs[key] for key in ("model", "measures", "identity")}
        made["costs"] = priced_costs([*found.uses, *other.uses], _both(found.timing, other.timing))
        made["stopped"] = made["stopped"] or other.stopped
        made["summary"] += in_words(other.identity)
        right = [s.name for s in specs if s.measures == "right"]
        made["comparisons"] = compare((found.rows, found.probes), (other.rows, other.probes), (name, against), right)
        made["versus"] = versus(made["comparisons"], (name, against))
    return made


def _both(ours: Mapping[str, float], theirs: Mapping[str, float]) -> dict[str, float]:
    return {phase: ours.get(phase, 0.0) + theirs.get(phase, 0.0) for phase in {*ours, *theirs}}


def _named(known: Mapping[str, Context], seen: Sequence[str]) -> dict[str, Context]:
    """The contexts that logs were made in; a log only names them, so those from a user's file must be given again."""
    every = BUILT_IN | dict(known)
    lost = [name for name in dict.fromkeys(seen) if name not in every]
    if lost:
        raise ConfigError(
            f"the logs were made in context {', '.join(map(repr, lost))}, whose text is not known; expected the file that they "
            "were asked with; give it as --contexts FILE"
        )
    return {name: every[name] for name in dict.fromkeys(seen)}


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-")[:60] or "model"
