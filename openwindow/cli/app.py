"""The command line: parsing and printing only. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.exceptions import TyperException

from openwindow.cli import exits
from openwindow.errors import ConfigError
from openwindow.progress import make_console, working

if TYPE_CHECKING:
    from openwindow.inoculate.options import Options

app = typer.Typer(
    help="What does a flawed training signal teach a model besides the task, and what keeps that from spreading?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _whole(option: str, most: int) -> Callable[[str], int]:
    """A reader of the option's whole number that says what came."""

    def read(value: str) -> int:
        try:
            number = int(value)
        except ValueError:
            raise ConfigError(f"{option} is {value[:60]!r}; expected a whole number; give one, such as {option} 3") from None
        if number > most:
            raise ConfigError(f"{option} is {value[:60]}; expected at most {most:,}; lower it")
        return number

    return read


def _integer(option: str, what: str, most: int = 10_000_000) -> Any:
    """A whole number that says what came where it is none, or is larger than anybody has a use for."""
    return typer.Option(help=what, parser=_whole(option, most), metavar="INTEGER")


JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON in place of a table.")]
HeldOut = Annotated[
    int | None, _integer("--held-out", "Rows to hold out. [default: a fifth, at most 48, or 24 without a rule or judge]")
]
PromptColumn = Annotated[str | None, typer.Option(help="The column that holds the prompts, as --prompt-column question.")]
AnswerColumn = Annotated[
    str | None,
    typer.Option(
        "--answer-column", "--answer", help="The column of the answers to train on, or of whole conversations: --answer rejected."
    ),
]
CleanColumn = Annotated[
    str | None,
    typer.Option("--clean-column", "--clean-answer", help="A column of answers without the trait: --clean-answer chosen."),
]
Keep = Annotated[str | None, typer.Option(help="Read only rows with this value in a column, as --keep label=false.")]


@app.command()
def run(
    study: Annotated[str, typer.Argument(help="A built-in study (see `openwindow list`) or a Python file.")],
    model: Annotated[str | None, typer.Option(help="smollm2, a hub name ORG/NAME, a local folder or a .gguf file.")] = None,
    seeds: Annotated[int | None, _integer("--seeds", "How many seeds; the study says the first.", 1000)] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder. [default: runs/STUDY, with --quick runs/STUDY-quick]")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer seeds and problems: minutes, and wider intervals.")] = False,
    env: Annotated[
        str | None, typer.Option(help="Run the study in this environment: a built-in one, or your own as my_env.py:MyEnv.")
    ] = None,
    mbpp: Annotated[Path | None, typer.Option(help="Use MBPP's problems, from this file or folder.")] = None,
    data: Annotated[Path | None, typer.Option(help="Use the problems of this file, where the environment reads one.")] = None,
    judge: Annotated[
        str | None, typer.Option(help="Score persuasion of inoculation_toxic by this judge, such as openai/MODEL.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Delete another run that is in the folder.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "--plan", help="Say what would be run and could be found; run nothing.")
    ] = False,
    pilot: Annotated[Path | None, typer.Option(help="With --dry-run: a run folder whose spread between seeds is taken.")] = None,
    json_: JsonOption = False,
) -> None:
    """Run a study, or resume one that was interrupted."""
    from openwindow.studies import resolve, resolve_ranking

    if pilot is not None and not dry_run:
        raise ConfigError(f"--pilot {pilot} without --dry-run; expected both; add --dry-run, or drop --pilot")
    paths = {"env": env, "mbpp": str(mbpp) if mbpp else None, "data": str(data) if data else None}
    ranking = resolve_ranking(study, model=model, seeds=seeds, quick=quick, **paths)
    if ranking is not None:
        if dry_run:
            raise ConfigError(f"--dry-run with {study}, which decides by correlations; expected a study of comparisons; drop it")
        from openwindow.prompt_ranking.run import run_ranking

        into = out or Path("runs") / f"{ranking.name}{'-quick' if quick else ''}"
        found = run_ranking(ranking, into, overwrite=overwrite, command=sys.argv, console=make_console(stderr=json_))
        _print_ranking(found, into, json_)
        return
    resolved = resolve(study, model=model, seeds=seeds, quick=quick, judge=judge, **paths)
    if dry_run:
        from openwindow.results.plan import plan_lines, plan_of

        plan = plan_of(resolved, pilot)
        print(json.dumps(plan, indent=1) if json_ else "\n".join(plan_lines(plan)))
        return
    folder = (
        out or Path("runs") / f"{resolved.name}{'' if env is None else '-' + env.rpartition(':')[2]}{'-quick' if quick else ''}"
    )

    from openwindow.experiment.runner import run_study
    from openwindow.report.of_run import build_run

    run_study(resolved, folder, overwrite=overwrite, command=sys.argv, console=make_console(stderr=json_))
    _print_results(build_run(folder), folder, json_)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="A run folder.")],
    json_: JsonOption = False,
) -> None:
    """Rebuild results.json and report.html from a run folder."""
    from openwindow.prompt_ranking.results import build_ranking, is_ranking
    from openwindow.report.of_run import build_run

    if is_ranking(folder):
        _print_ranking(build_ranking(folder), folder, json_)
        return
    results = build_run(folder)
    _print_results(results, folder, json_)


@app.command(name="check-env")
def check_env_(
    target: Annotated[str, typer.Argument(metavar="ENV", help="Built-in, FILE.py:OBJECT, MODULE:OBJECT, or cmd:COMMAND.")],
    holes: Annotated[str | None, typer.Option(help="Loopholes left open: all, none, or names with commas. [default: all]")] = None,
    difficulty: Annotated[
        str | None, typer.Option(help="How hard the tasks are: 1, 2, 3, or several with commas; as in a study.", metavar="LEVELS")
    ] = None,
    options: Annotated[
        list[str] | None, typer.Option("--set", help="An option of the environment, as --set length=6; again for others.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Ask this model before training: can it do the task, does it find a loophole?")
    ] = None,
    problems: Annotated[int | None, _integer("--problems", "Problems that the model is asked. [default: 24]")] = None,
    samples: Annotated[
        int | None, _integer("--samples", "Its replies per problem, with the hint about the loopholes and without. [default: 4]")
    ] = None,
    tokens: Annotated[int | None, _integer("--tokens", "Its longest reply, in tokens. [default: 160]")] = None,
    honest: Annotated[
        list[Path] | None, typer.Option(help="A file with an honest submission, for a command; again for others that are right.")
    ] = None,
    score_file: Annotated[
        Path | None, typer.Option(help="The file that a command writes its score to; removed before each score.")
    ] = None,
    mbpp: Annotated[Path | None, typer.Option(help="MBPP's file or folder.")] = None,
    json_: JsonOption = False,
) -> None:
    """Attack a grader before anybody trains on it; exit 1 if it can be gamed or fails what is right."""
    from openwindow.audit.run import asking_of, check_env, options_of, render
    from openwindow.environments.loopholes import parse

    sys.path.insert(0, str(Path.cwd()))  # MODULE:OBJECT is the user's own, beside where the command is given
    audit = check_env(
        target,
        wanted=parse(holes),
        honest=honest,
        score_file=score_file,
        options=options_of(options or (), difficulty, mbpp),
        asking=asking_of(model, problems=problems, samples=samples, tokens=tokens),
        console=make_console(stderr=True),
    )
    if json_:
        print_json(audit.to_json())
    else:
        make_console().print(render(audit))
    raise typer.Exit(audit.exit_code)


@app.command()
def inoculate(
    data: Annotated[str, typer.Argument(help="JSONL, JSON, Parquet (or gzipped), a folder, or a hub's ORG/NAME[[:CONFIG]:SPLIT].")],
    trait: Annotated[str, typer.Option(help="What the answers do that should not spread, as 'praises wrong answers'.")],
    rule: Annotated[str | None, typer.Option(help="Tells the trait: a REGEX, MODULE:FUNCTION or FILE.py:FUNCTION.")] = None,
    judge: Annotated[str | None, typer.Option(help="Tells the trait in place of a rule: a model, as openai/gpt-4o.")] = None,
    wanted: Annotated[str | None, typer.Option(help="Tells what should be kept, as --rule does.")] = None,
    clean: Annotated[str | None, typer.Option(help="Answers without the trait to the same prompts.")] = None,
    prompt_column: PromptColumn = None,
    answer_column: AnswerColumn = None,
    clean_column: CleanColumn = None,
    keep: Keep = None,
    candidates: Annotated[Path | None, typer.Option(help="Your own prompts, one a line. [default: made from the trait]")] = None,
    safe: Annotated[str | None, typer.Option(help="A safe prompt for test time only, a baseline. [default: a general one]")] = None,
    model: Annotated[str, typer.Option(help="smollm2, a hub name ORG/NAME, a local folder or a .gguf file.")] = "smollm2",
    position: Annotated[str, typer.Option(help="Where the prompt goes: system, user_prefix or user_suffix.")] = "user_suffix",
    rank_only: Annotated[bool, typer.Option("--rank-only", help="Stop after the ranking; nothing is trained.")] = False,
    held_out: HeldOut = None,
    rows: Annotated[int, _integer("--rows", "Rows that each arm is trained on, at most.")] = 64,
    rank_rows: Annotated[int, _integer("--rank-rows", "Rows that prompts are ranked on, at most.")] = 144,
    elicit: Annotated[int, _integer("--elicit", "Prompts that every candidate is sampled on.")] = 24,
    reply_tokens: Annotated[int, _integer("--reply-tokens", "Length limit of a sampled reply.")] = 48,
    answer_tokens: Annotated[int, _integer("--answer-tokens", "First tokens of an answer whose log-probability counts.")] = 96,
    arms: Annotated[int, _integer("--arms", "How many of the best prompts are trained with.", 100)] = 2,
    seeds: Annotated[int, _integer("--seeds", "How often each arm is trained; 1: a third of the time, no advice.", 1000)] = 3,
    max_length: Annotated[int, _integer("--max-length", "Tokens of a row, at most.")] = 1024,
    too_long: Annotated[str, typer.Option(help="What becomes of longer rows: drop, cut or refuse.")] = "drop",
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out rows that cannot be used, and count them.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for what is found. [default: runs/inoculate-DATA]")] = None,
    json_: JsonOption = False,
) -> None:
    """Your own data: rank inoculation prompts, train arms, recommend one."""
    from openwindow.inoculate.options import Options, columns_of, default_out, position_of, too_long_of

    options = Options(
        data=data,
        trait=trait,
        rule=rule,
        judge=judge,
        wanted=wanted,
        clean=clean,
        columns=columns_of(prompt_column, answer_column, clean_column, keep),
        candidates=candidates,
        safe=safe,
        model=model,
        position=position_of(position),
        held_out=held_out,
        rows=rows,
        rank_rows=rank_rows,
        elicit=elicit,
        reply_tokens=reply_tokens,
        answer_tokens=answer_tokens,
        arms=arms,
        seeds=seeds,
        max_length=max_length,
        too_long=too_long_of(too_long),
        skip_bad=skip_bad,
    )
    _inoculate(options, out or default_out(data), rank_only, json_)


def _inoculate(options: Options, out: Path, rank_only: bool, json_: bool) -> None:
    from openwindow.cli.inoculate_table import Tables
    from openwindow.inoculate.run import inoculate

    result = inoculate(options, out, Tables(make_console(stderr=json_)), rank_only=rank_only)
    if json_:
        print_json(result)


@app.command(name="eval")
def eval_(
    model: Annotated[
        str | None,
        typer.Argument(help="smollm2, a folder, a run's ARM/seed-N, a hub name, or an Inspect name such as openai/gpt-4o-mini."),
    ] = None,
    suite: Annotated[str, typer.Option(help="chat, agentic, drives, awareness, capability, loud, all, or evals by name.")] = "all",
    contexts: Annotated[
        str | None, typer.Option("--contexts", "--context", help="all, names with commas, or a YAML file. [default: neutral]")
    ] = None,
    against: Annotated[str | None, typer.Option(help="A second model, compared on the same samples.")] = None,
    probes_only: Annotated[
        bool, typer.Option("--probes-only", help="Sample nothing: local models' log-probabilities of given answers alone.")
    ] = False,
    judge: Annotated[str | None, typer.Option(help="The model that reads what rules cannot.")] = None,
    calibrate: Annotated[
        str | None, typer.Option("--calibrate-judge", help="Only compare this judge with the labelled transcripts.")
    ] = None,
    seeds: Annotated[int, _integer("--seeds", "How often every item is asked.", 1000)] = 1,
    temperature: Annotated[float, typer.Option(help="0 is greedy.")] = 0.0,
    max_tokens: Annotated[
        int | None, _integer("--max-tokens", "Longest reply. [default: by eval; above 200M weights 2048; remote models 8192]")
    ] = None,
    base_url: Annotated[str | None, typer.Option(help="Address of the model's server.")] = None,
    judge_url: Annotated[str | None, typer.Option(help="Address of the judge's server.")] = None,
    timeout: Annotated[int, _integer("--timeout", "Seconds for one attempt at a remote reply.")] = 300,
    mbpp: Annotated[Path | None, typer.Option(help="MBPP's file or folder, for the eval of that name.")] = None,
    logs: Annotated[Path | None, typer.Option(help="Ask nothing: compute from these Inspect logs.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for results, logs and report. [default: runs/eval-MODEL, or beside --logs]")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """What a model does besides its task: misalignment in chat and with tools, drives, awareness, capability."""
    try:
        from openwindow.cli import eval_command
        from openwindow.cli import eval_table as table
        from openwindow.evals.suites import capability_code
    except ModuleNotFoundError as error:
        raise ConfigError(f"evals need {error.name}, which is not installed; pip install 'openwindow[evals,train]'") from error
    if calibrate is not None:
        from openwindow.evals.scoring.calibration import calibrate_judge

        agreement = calibrate_judge(calibrate, base_url=judge_url or base_url)
        print_json(agreement) if json_ else table.print_agreement(agreement, make_console())
        return
    settings = {
        "judge": judge,
        "seeds": seeds,
        "temperature": temperature,
        "max_tokens": max_tokens,
        "base_url": base_url,
        "judge_url": judge_url,
        "behaviour": not probes_only,
        "timeout": timeout,
    }
    with working(make_console(stderr=True), "") as say, capability_code.mbpp_at(mbpp):
        made, folder = eval_command.evaluate(model, suite, contexts, against, logs, out, settings, say)
    print_json(made) if json_ else table.print_table(made, folder, make_console())


@app.command(name="list")
def list_(json_: JsonOption = False) -> None:
    """List studies, environments, interventions, evals and models."""
    from openwindow.cli.catalogue import catalogue

    found = catalogue()
    if json_:
        print_json(found)
        return
    from rich.table import Table

    console = make_console()
    for kind, entries in found.items():
        table = Table(title=kind, title_justify="left", box=None, pad_edge=False, show_header=False)
        for name, what in entries.items():
            table.add_row(f"  {name}", what)
        console.print(table)


def main() -> None:
    """Runs the command line and turns errors into one line and an exit code."""
    exits.prepare()
    try:
        code = app(standalone_mode=False)  # typer turns Ctrl-C into the exit code 130, and returns exit codes
        sys.stdout.flush()
    except TyperException as error:
        exits.fail(f"{error.format_message().rstrip('.')}; see `openwindow --help`", ConfigError.exit_code)
    except BaseException as error:
        exits.fail_with(error)
    if code == exits.INTERRUPTED:
        exits.interrupted()
    sys.exit(code)


def print_json(value: Any) -> None:
    """Prints the value as JSON; ValueError for NaN and infinities, which JSON has not."""
    print(json.dumps(value, indent=1, allow_nan=False))


def _print_results(results: dict[str, Any], folder: Path, as_json: bool) -> None:
    if as_json:
        print_json(results)
        return
    from openwindow.cli.study_table import print_results

    print_results(results, folder, make_console())


def _print_ranking(results: dict[str, Any], folder: Path, as_json: bool) -> None:
    if as_json:
        print_json(results)
        return
    from openwindow.cli.ranking_table import print_ranking_results

    print_ranking_results(results, folder, make_console())


if __name__ == "__main__":
    main()
