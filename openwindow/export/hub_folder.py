"""The folder that `openwindow push` sends: an arm's adapter with those below it, the data that it was trained on, and a card.

README.md                       the model card
adapter_config.json, ...        the arm's adapter, as PEFT loads it
under/1/, under/2/, ...         adapters that are merged into the base model before it, such as that of a request stage
openwindow.json                 the same for openwindow: `openwindow eval FOLDER` loads it with what is below
data/                           rows that the arm was trained on, and a file with an inoculation prompt in every row
openwindow/                     config.json, results.json and provenance.json of the run
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openwindow.errors import ConfigError, DataError
from openwindow.export.card import Facts, card
from openwindow.export.exported import is_run
from openwindow.files.bounded import load_json
from openwindow.files.kept import refuse_kept
from openwindow.files.run_files import read_json
from openwindow.files.run_results import RunResults
from openwindow.files.writing import storing, write_json
from openwindow.models import smollm2
from openwindow.results.load import mapping, text

ADAPTER = ("adapter_config.json", "adapter_model.safetensors")
STACK = "openwindow.json"
_DATA = ("train_rows.jsonl", "safety_rows.jsonl")
_MARK = "openwindow/config.json"


@dataclass(frozen=True, slots=True)
class Chosen:
    """What of a run is sent."""

    run: Path
    arm: str
    seed: int
    adapters: Sequence[Path]
    """Those below the arm's, in the order in which they are merged, and the arm's own last."""
    base: str
    """The base model: a name of the hub, or a folder here."""
    data: Sequence[Path] = field(default=())
    """Files of training data."""


def choose(run: Path, arm: str | None, seed: int | None, *, data: bool = True) -> Chosen:
    """Finds the adapter and what belongs to it; the first arm of the first comparison, at its first seed, if none is named.

    `run` is a run of a study, or the folder of `openwindow inoculate`. Raises ConfigError, DataError.
    """
    refuse_kept(run, "to send an adapter of")
    whole = run
    if not is_run(read_json(run / "config.json")):
        run = run / "run"
    config = read_json(run / "config.json")
    if not is_run(config):
        raise ConfigError(f"{whole} holds no run of a study; expected a run folder, with its config.json; check the path")
    there = sorted(path.parent for path in run.glob("arms/*/seed-*/adapter/adapter_config.json"))
    found = {(path.parent.parent.name, int(path.parent.name.removeprefix("seed-"))): path for path in there}
    results = RunResults.model_validate(read_json(run / "results.json"))
    named = arm or next((c.arm for c in results.comparisons if any(c.arm == of for of, _ in found)), None)
    seeds = [at for of, at in found if of == named]
    if named is None or not seeds or (seed is not None and seed not in seeds):
        have = ", ".join(
            f"{of} (seed {', '.join(str(s) for o, s in found if o == of)})" for of in dict.fromkeys(of for of, _ in found)
        )
        wanted = f"arm {named!r}" + ("" if seed is None else f" at seed {seed}") if named else "--arm"
        raise ConfigError(f"{run} has no adapter of {wanted}; expected one of: {have or 'none, since no arm left one'}; choose it")
    chosen = found[named, seeds[0] if seed is None else seed]
    base, below = _stack(chosen)
    files = [chosen.parent / name for name in _DATA] + [whole / "train_inoculated.jsonl"]
    return Chosen(
        run, named, seeds[0] if seed is None else seed, [*below, chosen], _base_name(base, config),
        [path for path in files if data and path.is_file() and path.stat().st_size],
    )  # fmt: skip


def _stack(adapter: Path) -> tuple[str, list[Path]]:
    """The base model of an adapter, and the adapters below it. Raises ConfigError."""
    noted = read_json(adapter / STACK)
    base = text(noted, "base") or str(_adapter_config(adapter).get("base_model_name_or_path") or "")
    below = [(adapter / str(under)).resolve() for under in noted.get("under", ())]
    for folder in below:
        if not (folder / ADAPTER[0]).is_file():
            raise ConfigError(
                f"{adapter} was trained on top of {folder}, which holds all weights and no adapter; expected a start with an "
                "adapter; load it with openwindow, or save the merged model and push that"
            )
    return base, below


def _adapter_config(adapter: Path) -> dict[str, Any]:
    config: dict[str, Any] = load_json(adapter / ADAPTER[0])
    if not isinstance(config, dict):
        raise DataError(f"{adapter / ADAPTER[0]} holds no object; expected a PEFT adapter's configuration; run the arm again")
    return config


def _base_name(base: str, config: dict[str, Any]) -> str:
    """The hub's name of the base model, where it has one."""
    named = text(mapping(config, "model"), "name")
    if named in (smollm2.NAME, smollm2.HUB_NAME) or smollm2.CACHE_NAME in base:
        return smollm2.HUB_NAME
    return named if named and not Path(named).expanduser().exists() else base


def on_hub(base: str) -> bool:
    """Whether the name of a base model is one of the hub's, rather than a folder here."""
    return base.count("/") == 1 and not Path(base).expanduser().exists() and not base.startswith((".", "/", "~"))


def make_folder(chosen: Chosen, repo: str, out: Path) -> list[Path]:
    """Writes the folder and returns its files. Raises ConfigError if it holds something else, StorageError."""
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out} is a file; expected a folder; choose another --out")
    if out.is_dir() and any(out.iterdir()) and not (out / _MARK).is_file():
        raise ConfigError(f"{out} is not empty and is not of this command; expected an empty folder; choose another --out")
    with storing(out):
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        places = [out / "under" / str(number) for number in range(1, len(chosen.adapters))]
        for adapter, place in zip(chosen.adapters, [*places, out], strict=True):
            _copy_adapter(adapter, place, chosen.base)
        for path in chosen.data:
            (out / "data").mkdir(exist_ok=True)
            shutil.copy(path, out / "data" / path.name)
        for name in ("config.json", "results.json", "provenance.json"):
            if (chosen.run / name).is_file():
                (out / "openwindow").mkdir(exist_ok=True)
                shutil.copy(chosen.run / name, out / "openwindow" / name)
    named = chosen.base if on_hub(chosen.base) else Path(chosen.base).name
    write_json(out / STACK, {"base": named, "under": [f"under/{number}" for number in range(1, len(chosen.adapters))]})
    config = read_json(chosen.run / "config.json")
    facts = Facts(repo, chosen.base, on_hub(chosen.base), chosen.arm, chosen.seed, len(places), tuple(p.name for p in chosen.data))
    results = RunResults.model_validate(read_json(chosen.run / "results.json"))
    with storing(out):
        (out / "README.md").write_text(card(facts, config, results), encoding="utf-8", errors="replace")
    return sorted(path for path in out.rglob("*") if path.is_file())


def _copy_adapter(adapter: Path, place: Path, base: str) -> None:
    """Copies an adapter; its configuration then names the base model as the hub does, and no folder of this machine."""
    place.mkdir(parents=True, exist_ok=True)
    config = _adapter_config(adapter) | {"base_model_name_or_path": base if on_hub(base) else Path(base).name}
    (place / ADAPTER[0]).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    weights = next((adapter / name for name in (ADAPTER[1], "adapter_model.bin") if (adapter / name).is_file()), None)
    if weights is None:
        raise DataError(f"{adapter} has no adapter_model.safetensors; expected a whole PEFT adapter; run the arm again")
    shutil.copy(weights, place / weights.name)
