"""The command line: parsing and printing only. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException

from openwindow import __version__
from openwindow.cli import compare_command, doctor_command, engine_options, exits, keep_command, report_command
from openwindow.cli.export_command import export, push
from openwindow.cli.old_names import renamed
from openwindow.cli.options import (
    DATA,
    MODEL,
    OUTPUT,
    REMOTE,
    SIZE,
    Answers,
    Clean,
    CleanAnswers,
    Column,
    Data,
    DeviceOption,
    DryRun,
    Env,
    EnvOptions,
    Gamed,
    JsonOption,
    ModelOption,
    PrecisionOption,
    Right,
    RunFolderOption,
    SkipBad,
    Truth,
    integer,
    names_of,
    one_of,
    option,
    options_of,
    with_address,
)
from openwindow.cli.part_options import Arms, Gpus, OnlySeeds, Ray, Wait
from openwindow.cli.printing import print_json
from openwindow.cli.spending import spends
from openwindow.cli.watch_command import watch
from openwindow.data.rows import Overlength, Position
from openwindow.errors import ConfigError
from openwindow.models.base import Precision
from openwindow.progress import make_console, working
from openwindow.types import Scenarios

app = typer.Typer(
    help="What does a flawed training signal teach a model besides the task, and what keeps that from spreading?",
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"openwindow {__version__}")
        raise typer.Exit


@app.callback()
def _openwindow(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


@app.command()
@spends
def run(
    study: Annotated[str, typer.Argument(help="A built-in study (see `openwindow list`) or a Python file.")],
    seeds: Annotated[
        str | None, option("--seeds", what="How many seeds (3), or which ones (1,2,3; 7, for one).", metavar="N | A,B,...")
    ] = None,
    arms: Arms = None,
    only_seeds: OnlySeeds = None,
    wait: Wait = None,
    ray: Ray = None,
    gpus_per_arm: Gpus = None,
    set_: Annotated[
        list[str] | None,
        option("--set", what="Change a field of the study, as --set evaluation.problems=8; repeatable.", metavar="FIELD=VALUE"),
    ] = None,
    quick: Annotated[bool, option("--quick", what="Fewer seeds and problems: minutes, and wider intervals.")] = False,
    dry_run: Annotated[
        bool, option("--dry-run", what="Print what would be run, how long it takes, and what would count as support; run nothing.")
    ] = False,
    pilot: Annotated[Path | None, option("--pilot", what="With --dry-run: take the spread between seeds from this run.")] = None,
    env: Env = None,
    model: ModelOption = None,
    precision: Annotated[
        Precision | None, option("--precision", what="Precision of the weights. [default: the study's, usually auto]", panel=MODEL)
    ] = None,
    device: DeviceOption = "auto",
    judge: Annotated[
        str | None,
        option("--judge", what="The model that reads replies which rules cannot, such as openai/MODEL.", panel=MODEL),
    ] = None,
    data: Data = None,
    clean: Clean = None,
    prompt_column: Column = None,
    answer_column: Answers = None,
    clean_column: CleanAnswers = None,
    skip_bad: SkipBad = False,
    truth: Truth = None,
    mbpp: Annotated[Path | None, option("--mbpp", what="MBPP's problems, from this file or folder.", panel=DATA)] = None,
    out: RunFolderOption = None,
    overwrite: Annotated[bool, option("--overwrite", what="Delete any other run in the folder.", panel=OUTPUT)] = False,
    engine: engine_options.EngineOption = None,
    sampler: engine_options.SamplerOption = None,
    accelerate_config: engine_options.AccelerateOption = None,
    processes: engine_options.ProcessesOption = None,
    vllm: engine_options.VLLMOption = None,
    engine_set: engine_options.EngineSetOption = None,
    json_: JsonOption = False,
) -> None:
    """Run a study, or resume one that was interrupted."""
    from openwindow.cli.run_command import Given, run

    pairs: dict[str, str | bool | None] = {"skip_bad": skip_bad, "clean": clean}
    pairs |= {"prompt_column": prompt_column, "answer_column": answer_column, "clean_column": clean_column, "truth": truth}
    # fmt: off
    run(Given(
        study, env, model, seeds, arms, only_seeds, wait, ray, gpus_per_arm, set_ or (), quick, precision, device,
        mbpp, data, judge, pairs, out, overwrite, dry_run, pilot, json_,
        by := engine_options.engine_of(engine, accelerate_config, processes, vllm, engine_set or ()),
        engine_options.sampler_of(sampler, by),
    ))
    # fmt: on


app.command()(report_command.report)
app.command()(compare_command.compare)


@app.command(name="check-env")
def check_env_(
    target: Annotated[
        str | None, typer.Argument(metavar="ENV", help="Built-in, FILE.py:OBJECT, MODULE:OBJECT, or cmd:COMMAND.")
    ] = None,
    env: Env = None,
    loopholes: Annotated[
        str | None, option("--loopholes", what="Loopholes to leave open: all, none, or names with commas. [default: all]")
    ] = None,
    difficulty: Annotated[
        str | None,
        option("--difficulty", what="How hard the tasks are: 1, 2, 3, or several with commas; as in a study.", metavar="LEVELS"),
    ] = None,
    options: EnvOptions = None,
    honest: Annotated[
        list[Path] | None, option("--honest", what="A file with an honest submission, for a command; repeatable.", panel=DATA)
    ] = None,
    score_file: Annotated[
        Path | None,
        option("--score-file", what="The file that a command writes its score to; removed before each score.", panel=DATA),
    ] = None,
    data: Data = None,
    prompt_column: Column = None,
    answer_column: Gamed = None,
    clean_column: Right = None,
    truth: Truth = None,
    mbpp: Annotated[Path | None, option("--mbpp", what="MBPP's file or folder.", panel=DATA)] = None,
    model: Annotated[
        str | None,
        option("--model", "-m", what="Also ask this model: can it do the task, and does it find the loophole?", panel=MODEL),
    ] = None,
    precision: PrecisionOption = "auto",
    device: DeviceOption = "auto",
    problems: Annotated[int | None, integer("--problems", "Problems to ask the model. [default: 24]")] = None,
    samples: Annotated[int | None, integer("--samples", "Replies per problem, with and without the hint. [default: 4]")] = None,
    max_new_tokens: Annotated[int | None, integer("--max-new-tokens", "Maximum new tokens per reply. [default: 160]")] = None,
    json_: JsonOption = False,
) -> None:
    """Attack a grader before anyone trains on it; exit 1 if it can be gamed or fails correct answers."""
    from openwindow.audit.run import asking_of, check_env, render
    from openwindow.environments.loopholes import parse

    columns = {"prompt_column": prompt_column, "answer_column": answer_column, "clean_column": clean_column}
    asking = asking_of(model, problems=problems, samples=samples, tokens=max_new_tokens, precision=precision, device=device)
    named, given = one_of("ENV", target, "--env", env), options_of(options or (), difficulty, mbpp, data, truth=truth, **columns)
    console = make_console(stderr=True)
    audit = check_env(
        named, wanted=parse(loopholes), honest=honest, score_file=score_file, options=given, asking=asking, console=console
    )
    print_json(audit.to_json()) if json_ else make_console().print(render(audit))
    raise typer.Exit(audit.exit_code)


Keep = Annotated[str | None, option("--keep", what="Read only rows with this value in a column: --keep label=false.", panel=DATA)]
HeldOut = Annotated[
    int | None, integer("--held-out", "Rows to hold out. [default: a fifth, at most 48, or 24 without a rule or judge]")
]
Candidates = Annotated[Path | None, option("--candidates", what="Your own prompts, one per line. [default: made from the trait]")]
Safe = Annotated[str | None, option("--safe", what="A safe prompt for test time only, a baseline. [default: a general one]")]
Evals = Annotated[
    str | None, option("--evals", what="Ask every arm these suites or evals too, as held_out,chat,drives: what else did it learn?")
]
EvalScenarios = Annotated[int | None, integer("--eval-scenarios", "Scenarios of each eval. [default: all]", panel=None)]
MaxAnswer = Annotated[int, integer("--max-answer-tokens", "How many first tokens of an answer log-probabilities are taken over.")]
TooLong = Annotated[Overlength, option("--overlength", what="What to do with rows longer than --max-length.", panel=SIZE)]


@app.command()
@spends
def inoculate(
    data: Annotated[str, typer.Argument(help="JSONL, JSON, Parquet (or gzipped), a folder, or a hub's ORG/NAME[[:CONFIG]:SPLIT].")],
    trait: Annotated[str, option("--trait", what="What the answers do that should not spread, as 'praises wrong answers'.")],
    rule: Annotated[
        str | None, option("--rule", what="How to detect the trait: a REGEX, MODULE:FUNCTION or FILE.py:FUNCTION.")
    ] = None,
    judge: Annotated[
        str | None, option("--judge", what="A model that detects the trait, instead of --rule: openai/gpt-4o.")
    ] = None,
    wanted: Annotated[str | None, option("--wanted", what="How to detect the behaviour to keep, as for --rule.")] = None,
    candidates: Candidates = None,
    safe: Safe = None,
    position: Annotated[Position, option("--position", what="Where the prompt goes.")] = "user_suffix",
    arms: Annotated[int, integer("--arms", "How many of the best prompts to train with.", 100, None)] = 2,
    seeds: Annotated[
        int, integer("--seeds", "Training runs per arm; 1 takes a third of the time, without advice.", 1000, None)
    ] = 3,
    evals: Evals = None,
    eval_scenarios: EvalScenarios = None,
    rank_only: Annotated[bool, option("--rank-only", what="Stop after the ranking; train nothing.")] = False,
    dry_run: DryRun = False,
    model: Annotated[
        str, option("--model", "-m", what="smollm2, ORG/NAME of the hub, a folder or a .gguf file.", panel=MODEL)
    ] = "smollm2",
    precision: PrecisionOption = "auto",
    device: DeviceOption = "auto",
    clean: Clean = None,
    prompt_column: Column = None,
    answer_column: Answers = None,
    clean_column: CleanAnswers = None,
    keep: Keep = None,
    skip_bad: SkipBad = False,
    held_out: HeldOut = None,
    rows: Annotated[int, integer("--rows", "Maximum rows to train each arm on.")] = 64,
    rank_rows: Annotated[int, integer("--rank-rows", "Maximum rows to rank prompts on.")] = 144,
    elicit: Annotated[int, integer("--elicit", "Prompts to sample every candidate on.")] = 24,
    max_new_tokens: Annotated[int, integer("--max-new-tokens", "Maximum new tokens per reply.")] = 48,
    max_answer_tokens: MaxAnswer = 96,
    max_length: Annotated[int, integer("--max-length", "Maximum tokens of a row.")] = 1024,
    overlength: TooLong = "drop",
    out: Annotated[
        Path | None, option("--out", "-o", what="Folder for the results. [default: runs/inoculate-DATA]", panel=OUTPUT)
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Your own data: rank inoculation prompts, train arms, recommend one."""
    from openwindow.cli import inoculate_command
    from openwindow.inoculate.options import Options, columns_of, default_out

    columns = columns_of(prompt_column, answer_column, clean_column, keep)
    options = Options(data, trait, rule, judge, wanted, clean, columns, candidates, safe, model, precision, device, position)
    options = replace(options, held_out=held_out, rows=rows, rank_rows=rank_rows, elicit=elicit, arms=arms, seeds=seeds)
    options = replace(options, reply_tokens=max_new_tokens, answer_tokens=max_answer_tokens, max_length=max_length)
    options = replace(options, overlength=overlength, skip_bad=skip_bad)
    options = replace(options, evals=names_of("--evals", evals), eval_scenarios=eval_scenarios)
    inoculate_command.run(options, out or default_out(data), rank_only=rank_only, dry_run=dry_run, as_json=json_)


@app.command(name="eval")
@spends
def eval_(
    model: Annotated[
        str | None,
        typer.Argument(help="smollm2, a folder, a run's ARM/seed-N, a hub name, or an Inspect name such as openai/gpt-4o-mini."),
    ] = None,
    suite: Annotated[
        str | None,
        option("--suite", what="chat, agentic, drives, conduct, awareness, capability, loud, all, or names. [default: all]"),
    ] = None,
    env: Env = None,
    data: Data = None,
    truth: Truth = None,
    problems: Annotated[int | None, integer("--problems", "With --env: held-out problems to ask. [default: 32]")] = None,
    options: EnvOptions = None,
    split: Annotated[Scenarios, option("--split", what="Scenarios of each eval: dev (a third), test (the rest), all.")] = "all",
    contexts: Annotated[str | None, option("--contexts", what="all, names with commas, or a YAML file. [default: neutral]")] = None,
    against: Annotated[str | None, option("--against", what="A second model, compared on the same samples.")] = None,
    judge: Annotated[str | None, option("--judge", what="The model that judges what rules cannot.")] = None,
    seeds: Annotated[int, integer("--seeds", "How often to ask every item.", 1000, None)] = 1,
    temperature: Annotated[float, option("--temperature", what="0 is greedy.")] = 0.0,
    probes_only: Annotated[
        bool, option("--probes-only", what="Sample nothing: only log-probabilities of given answers, for local models.")
    ] = False,
    dry_run: DryRun = False,
    calibrate: Annotated[str | None, option("--calibrate-judge", what="Only compare this judge with labelled transcripts.")] = None,
    precision: PrecisionOption = "auto",
    device: DeviceOption = "auto",
    model_base_url: Annotated[str | None, option("--model-base-url", what="Address of the model's server.", panel=REMOTE)] = None,
    judge_base_url: Annotated[str | None, option("--judge-base-url", what="Address of the judge's server.", panel=REMOTE)] = None,
    timeout: Annotated[int, integer("--timeout", "Seconds for one attempt at a remote reply.", panel=REMOTE)] = 300,
    max_new_tokens: Annotated[
        int | None,
        integer("--max-new-tokens", "Length limit of a reply. [default: by eval; above 200M weights 2048; remote models 8192]"),
    ] = None,
    mbpp: Annotated[Path | None, option("--mbpp", what="MBPP's file or folder, for the eval of that name.", panel=DATA)] = None,
    logs: Annotated[Path | None, option("--logs", what="Ask nothing: read these Inspect logs.", panel=DATA)] = None,
    out: Annotated[
        Path | None,
        option("--out", "-o", what="Folder of the results. [default: runs/eval-MODEL, or next to --logs]", panel=OUTPUT),
    ] = None,
    json_: JsonOption = False,
) -> None:
    """What a model does besides its task: misalignment in chat and with tools, drives, conduct, awareness, capability."""
    asking = {"split": split, "seeds": seeds, "temperature": temperature, "max_tokens": max_new_tokens, "precision": precision}
    remote = {"judge": judge, "base_url": model_base_url, "judge_url": judge_base_url, "timeout": timeout}
    settings = {**asking, **remote, "device": device, "behaviour": not probes_only}
    try:
        from openwindow.cli import eval_command, eval_table
    except ModuleNotFoundError as error:
        raise ConfigError(f"evals need {error.name}, which is not installed; pip install 'openwindow[evals,train]'") from error
    if calibrate is not None:
        agreement = eval_command.calibrated(calibrate, judge_base_url or model_base_url)
        return print_json(agreement) if json_ else eval_table.print_agreement(agreement, make_console())
    asked = eval_command.specs_of(suite, env, options_of(options or (), None, None, data, truth=truth), problems, max_new_tokens)
    if dry_run:
        return eval_command.print_plan(model, asked, mbpp, contexts, against, settings, as_json=json_)
    with working(make_console(stderr=True), "") as say, eval_command.mbpp_at(mbpp), asked as specs:
        made, folder = eval_command.evaluate(model, specs, contexts, against, logs, out, settings, say)
    print_json(made) if json_ else eval_table.print_table(made, folder, make_console())
    eval_command.check_complete(made)


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


app.command(name="watch")(watch)
app.command()(doctor_command.doctor)
app.command()(keep_command.keep)
app.command()(export)
app.command()(push)


def main() -> None:
    """Runs the command line and turns errors into one line and an exit code."""
    exits.prepare()
    words, notices = renamed(sys.argv[1:])
    for line in notices:
        print(line, file=sys.stderr)
    try:
        code = app(
            with_address(words), prog_name="openwindow", standalone_mode=False
        )  # typer turns Ctrl-C into the exit code 130, and returns exit codes
        sys.stdout.flush()
    except TyperException as error:
        said = error.format_message().replace("Value error, ", "").rstrip(".")  # pydantic's words, before what typer says
        exits.fail(f"{said}; see `openwindow --help`", ConfigError.exit_code)
    except BaseException as error:
        exits.fail_with(error)
    if code == exits.INTERRUPTED:
        exits.interrupted()
    sys.exit(code)


if __name__ == "__main__":
    main()
