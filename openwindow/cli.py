"""The command line: parsing and printing only. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.exceptions import TyperException

from openwindow.errors import ConfigError, OpenWindowError

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(
    help="What does a flawed training signal teach a model besides the task, and what keeps that from spreading?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
INTERRUPTED = 130
BROKEN = OpenWindowError.exit_code


def _whole(value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise ConfigError(f"--seeds is {value!r}; expected a whole number; give one, such as --seeds 3") from None


JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON in place of a table.")]


@app.command()
def run(
    study: Annotated[str, typer.Argument(help="A built-in study (see `openwindow list`) or a Python file.")],
    model: Annotated[str | None, typer.Option(help="smollm2, a hub name ORG/NAME, or a local folder.")] = None,
    seeds: Annotated[
        int | None, typer.Option(help="How many seeds; the study says the first.", parser=_whole, metavar="INTEGER")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder. [default: runs/STUDY]")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer seeds and problems: minutes, and wider intervals.")] = False,
    mbpp: Annotated[Path | None, typer.Option(help="Use MBPP's problems, from this file or folder.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Delete another run that is in the folder.")] = False,
    json_: JsonOption = False,
) -> None:
    """Run a study, or go on with one that was interrupted."""
    from openwindow.studies import resolve

    resolved = resolve(study, model=model, seeds=seeds, quick=quick, mbpp=str(mbpp) if mbpp else None)
    folder = out or Path("runs") / f"{resolved.name}{'-quick' if quick else ''}"

    from openwindow.running import run_study

    results = run_study(resolved, folder, overwrite=overwrite, command=sys.argv, console=_console(stderr=json_))
    _print_results(results, folder, json_)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="A run folder.")],
    json_: JsonOption = False,
) -> None:
    """Rebuild results.json and report.html from a run folder."""
    from openwindow.report.page import build_report
    from openwindow.results import build_results

    results = build_results(folder)
    build_report(folder)
    _print_results(results, folder, json_)


@app.command(name="check-env")
def check_env_(
    target: Annotated[str, typer.Argument(metavar="ENV", help="A built-in environment, MODULE:OBJECT, or a grader's command.")],
    holes: Annotated[str | None, typer.Option(help="Holes to leave open: all, none, or names with commas. [default: all]")] = None,
    honest: Annotated[Path | None, typer.Option(help="A file with an honest submission, for a command.")] = None,
    mbpp: Annotated[Path | None, typer.Option(help="MBPP's file or folder.")] = None,
    json_: JsonOption = False,
) -> None:
    """Attack a grader before anybody trains on it; exit 1 if it can be gamed."""
    from openwindow.check_env import check_env, render
    from openwindow.envs.holes import parse

    sys.path.insert(0, str(Path.cwd()))  # MODULE:OBJECT is the user's own, beside where the command is given
    with _console(stderr=True).status(f"attacking {target}"):
        audit = check_env(target, wanted=parse(holes), honest=honest, data=mbpp)
    if json_:
        print(json.dumps(audit.to_json(), indent=1))
    else:
        _console().print(render(audit))
    raise typer.Exit(audit.exit_code)


@app.command(name="list")
def list_(json_: JsonOption = False) -> None:
    """List studies, environments, interventions, evals and models."""
    from openwindow.catalogue import catalogue

    found = catalogue()
    if json_:
        print(json.dumps(found, indent=1))
        return
    from rich.table import Table

    console = _console()
    for kind, entries in found.items():
        table = Table(title=kind, title_justify="left", box=None, pad_edge=False, show_header=False)
        for name, what in entries.items():
            table.add_row(f"  {name}", what)
        console.print(table)


def main() -> None:
    """Runs the command line and turns errors into one line and an exit code."""
    try:
        code = app(standalone_mode=False)  # typer turns Ctrl-C into the exit code 130, and returns exit codes
    except OpenWindowError as error:
        _fail(str(error), error.exit_code)
    except TyperException as error:
        _fail(f"{error.format_message().rstrip('.')}; see `openwindow --help`", ConfigError.exit_code)
    except Exception:
        traceback.print_exc()
        _fail("this is a fault of openwindow, not of what was given to it; the lines above say where", BROKEN)
    if code == INTERRUPTED:
        print("interrupted; what was finished is kept: give the same command again to go on", file=sys.stderr)
    sys.exit(code)


def _fail(message: str, code: int) -> NoReturn:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)


def _console(*, stderr: bool = False) -> Console:
    from rich.console import Console

    return Console(stderr=stderr)


def _print_results(results: dict[str, Any], folder: Path, as_json: bool) -> None:
    if as_json:
        print(json.dumps(results, indent=1))
        return
    from openwindow.table import print_results

    print_results(results, folder, _console())


if __name__ == "__main__":
    main()
