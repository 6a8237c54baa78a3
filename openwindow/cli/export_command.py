"""`openwindow export` and `openwindow push`: a finished run goes to a tracker, or to the hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from openwindow.cli.options import OUTPUT, JsonOption, integer, option
from openwindow.cli.printing import note, print_json
from openwindow.errors import ConfigError
from openwindow.progress import make_console, working

RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")]


def export(
    run: RunArgument,
    to: Annotated[str, option("--to", what="The tracker: tensorboard, trackio, wandb or mlflow.")],
    project: Annotated[str | None, option("--project", what="The tracker's project. [default: the study's name]")] = None,
    transcripts: Annotated[int | None, integer("--transcripts", "Transcripts of test replies to write. [default: 60]")] = None,
    out: Annotated[
        Path | None,
        option("--out", "-o", what="Folder, for tensorboard and wandb. [default: RUN/tensorboard]", panel=OUTPUT),
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Write a run's curves, rates and transcripts to a tracker."""
    from openwindow.export.exported import read_exported
    from openwindow.export.trackers import Target, writer

    if project is not None and not project.strip():
        raise ConfigError(f"--project is {project!r}; expected a name; give one, or drop it")
    write = writer(to, out)
    with working(make_console(stderr=True), f"reading {run}") as say:
        exported = read_exported(run, project, transcripts)
        where = write(exported, Target(out), say)
    for line in exported.notes:
        note(line)
    counts = {
        "to": to,
        "project": exported.project,
        "runs": [one.name for one in exported.runs],
        "steps": sum(len(one.points) for one in exported.runs),
        "rates": sum(len(one.final) for one in exported.runs),
        "transcripts": sum(len(one.transcripts) for one in exported.runs),
        "where": where,
    }
    if json_:
        print_json(counts)
        return
    said = f"{len(exported.runs)} runs: {counts['steps']} steps, {counts['rates']} rates, {counts['transcripts']} transcripts"
    make_console().print(f"{said}\n{where}", soft_wrap=True)


def push(
    run: RunArgument,
    repo: Annotated[str, typer.Argument(metavar="ORG/NAME", help="The repository on the hub.")],
    arm: Annotated[str | None, option("--arm", what="The arm. [default: that of the first comparison]")] = None,
    seed: Annotated[int | None, integer("--seed", "The seed. [default: the first that has an adapter]", panel=None)] = None,
    dry_run: Annotated[bool, option("--dry-run", what="Write the folder and print what would go; send nothing.")] = False,
    public: Annotated[bool, option("--public", what="Make a new repository public; otherwise it is private.")] = False,
    no_data: Annotated[bool, option("--no-data", what="Leave out the training data.")] = False,
    out: Annotated[
        Path | None, option("--out", "-o", what="Folder to write. [default: RUN/hub/ARM-seed-SEED]", panel=OUTPUT)
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Send an arm's adapter, its training data and a model card to the Hugging Face hub."""
    from openwindow.export.hub_folder import choose, make_folder
    from openwindow.export.push import check_name, hub_api, upload

    check_name(repo)
    chosen = choose(run, arm, seed, data=not no_data)
    api = None if dry_run else hub_api()
    folder = out or run / "hub" / f"{chosen.arm}-seed-{chosen.seed}"
    with working(make_console(stderr=True), f"writing {folder}") as say:
        files = make_folder(chosen, repo, folder)
        sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}
        where = None
        if api is not None:
            say(f"sending {sum(sizes.values()):,} bytes to {repo}")
            where = upload(folder, repo, api, private=not public, message=f"Arm {chosen.arm}, seed {chosen.seed}")
    if json_:
        about = {"repo": repo, "arm": chosen.arm, "seed": chosen.seed, "base": chosen.base, "folder": str(folder)}
        print_json({**about, "files": sizes, "address": where})
        return
    console = make_console()
    for name, size in sizes.items():
        console.print(f"{size:>12,}  {name}", soft_wrap=True)
    sent = f"sent to {where}" if where else f"nothing was sent: this would go to {repo}"
    console.print(f"arm {chosen.arm}, seed {chosen.seed}, on {chosen.base}\n{folder}: {sent}", soft_wrap=True)
