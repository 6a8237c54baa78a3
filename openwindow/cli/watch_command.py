"""`openwindow watch`: a run that another trainer makes, read from its rollouts. Imports nothing heavy before it runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from openwindow.cli.options import DATA, OUTPUT, JsonOption, integer, names_of, option, options_of
from openwindow.cli.printing import print_json
from openwindow.errors import ConfigError
from openwindow.progress import Reporter, make_console

_SEEDS_MOST = 64
GRADING = "Grading again"

Rollouts = Annotated[
    list[Path], typer.Argument(metavar="ROLLOUTS...", help="Files of rollouts, or folders of them: TRL, verl, prime-rl, JSONL, ...")
]
Env = Annotated[
    str | None,
    option(
        "--env", what="Grade every rollout again in this environment: a built-in one, or your own (my_env.py:MyEnv).", panel=GRADING
    ),
]
Loopholes = Annotated[
    str | None,
    option("--loopholes", what="Loopholes that the proxy has: all, none, or names with commas. [default: all]", panel=GRADING),
]
Set = Annotated[
    list[str] | None,
    option("--set", what="An option of the environment, as --set length=6; repeatable.", metavar="NAME=VALUE", panel=GRADING),
]
Seeds = Annotated[
    str | None,
    option(
        "--env-seeds", what="Seeds to look for the prompts' problems with. [default: 0,1,2,3]", metavar="A,B,...", panel=GRADING
    ),
]
Problems = Annotated[int, integer("--env-problems", "Problems of each split to look through for them.", panel=GRADING)]
PassMark = Annotated[float, option("--pass-mark", what="Reward above which a rollout counts as paid.", panel=GRADING)]
Prompt = Annotated[str | None, option("--prompt-column", what="The column of the prompts.", panel=DATA)]
Reply = Annotated[str | None, option("--reply-column", what="The column of the replies, for files of no known form.", panel=DATA)]
Reward = Annotated[
    str | None, option("--reward-column", what="The column of the rewards, or several with commas, to be added up.", panel=DATA)
]
Step = Annotated[str | None, option("--step-column", what="The column of the steps.", panel=DATA)]
ProblemId = Annotated[str | None, option("--problem-column", what="The column that says which problem was asked.", panel=DATA)]
Truth = Annotated[
    str | None, option("--truth-column", what="A column that says whether the task was done: true, false, 1 or 0.", panel=DATA)
]
Follow = Annotated[bool, option("--follow", "-f", what="Go on reading while the run goes on, until Ctrl-C.")]
Every = Annotated[float, option("--every", what="With --follow: seconds between two looks.", metavar="SECONDS")]
Idle = Annotated[
    float | None,
    option("--until-idle", what="With --follow: end once nothing new has come for so long.", metavar="SECONDS"),
]
Transcripts = Annotated[int, integer("--transcripts", "Rollouts on the page, a sample where there are more.", panel=OUTPUT)]
Out = Annotated[Path | None, option("--out", "-o", what="Folder for page and numbers. [default: runs/watch-NAME]", panel=OUTPUT)]


def watch(
    rollouts: Rollouts,
    env: Env = None,
    loopholes: Loopholes = None,
    set_: Set = None,
    env_seeds: Seeds = None,
    env_problems: Problems = 8192,
    pass_mark: PassMark = 0.5,
    prompt_column: Prompt = None,
    reply_column: Reply = None,
    reward_column: Reward = None,
    step_column: Step = None,
    problem_column: ProblemId = None,
    truth_column: Truth = None,
    follow: Follow = False,
    every: Every = 5.0,
    until_idle: Idle = None,
    transcripts: Transcripts = 2000,
    out: Out = None,
    json_: JsonOption = False,
) -> None:
    """Watch a run that another trainer makes: reward against truth, onset, hacks by kind, signal, transcripts."""
    from openwindow.environments.loopholes import parse
    from openwindow.watch.problems import SEEDS
    from openwindow.watch.rows import Columns
    from openwindow.watch.run import Options, watch

    rewards = names_of("--reward-column", reward_column)
    options = Options(
        paths=tuple(rollouts),
        out=out or _out_of(rollouts[0]),
        columns=Columns(prompt_column, reply_column, rewards, step_column, problem_column, truth_column),
        env=env,
        env_options=options_of(set_ or (), None, None),
        loopholes=parse(loopholes),
        seeds=SEEDS if env_seeds is None else _seeds(env_seeds),
        problems=env_problems,
        mark=pass_mark,
        transcripts=transcripts,
        follow=follow,
        every=every,
        idle=until_idle,
    )
    with Reporter(make_console(stderr=True)) as report:
        results = watch(options, report)
    print_json(results) if json_ else print_watched(results, options.out)


def print_watched(results: Mapping[str, Any], folder: Path) -> None:
    """What a watched run shows, in lines, and where its page is."""
    console = make_console()
    about, steps = results["watch"], results["steps"]
    span = "no steps" if steps["none"] else f"{steps['count']:,} steps, from {steps['first']} to {steps['last']}"
    console.print(f"{results['rollouts']:,} rollouts, {span} ({', '.join(about['forms'])})", style="bold")
    for line in results["summary"]:
        console.print(line)
    for note in results["unmeasured"]:
        console.print(f"  {note['what']}: {note['reason']}", style="dim")
    console.print(f"\nThe page: {folder / 'report.html'}")


def _seeds(text: str) -> tuple[int, ...]:
    names = names_of("--env-seeds", text)
    if len(names) > _SEEDS_MOST or not all(name.isascii() and name.isdecimal() and len(name) < 10 for name in names):
        raise ConfigError(
            f"--env-seeds is {text[:60]!r}; expected up to {_SEEDS_MOST} whole numbers with commas; give some, as 1,2,3"
        )
    return tuple(int(name) for name in names)


def _out_of(path: Path) -> Path:
    """The folder that a run is watched in, named after its file, or after the folder that the trainer wrote to."""
    given = path.resolve()
    name = given.parent.name if given.name in ("completions", "rollouts") else given.name.partition(".")[0]
    return Path("runs") / f"watch-{re.sub(r'[^A-Za-z0-9.]+', '-', name).strip('-.')[:60] or 'rollouts'}"
