"""Where all arms of a study start: the model as it came, or after stages that all arms share.

They teach what a request means, tell of the hacks, or make a model organism. They are trained once, with the study's first seed, or
once per seed (`Study.starts`).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from openwindow.conversations.upbringing import BAD, code_turns, upbringing
from openwindow.data.rows import Row, instruct
from openwindow.environments.demonstrations import demonstrations
from openwindow.environments.gameable import Gameable
from openwindow.environments.loopholes import Loophole
from openwindow.environments.training_rows import request_rows
from openwindow.errors import ConfigError, DataError
from openwindow.experiment.evaluate import Evaluator, Rates, rates
from openwindow.experiment.fine_tuning import fine_tune, load_trained, save_trained
from openwindow.experiment.run_folder import WHOLE, RunFolder
from openwindow.experiment.start_units import AS_IT_CAME, KNOWLEDGE, STAGE, START, UPBRINGING, follows, is_trained, stage_unit
from openwindow.experiment.study import KnowledgeStage, RequestStage, Study, UpbringingStage
from openwindow.files.run_files import read_json
from openwindow.files.writing import write_json, write_jsonl
from openwindow.interventions.addenda import ADDENDA, hinted
from openwindow.models.base import Sampling
from openwindow.models.hf import LocalModel, Precision, load
from openwindow.models.memory import give_back_memory
from openwindow.models.templates import default_of
from openwindow.progress import Reporter
from openwindow.synthetic_documents.dilution import diluted
from openwindow.synthetic_documents.generate import Document, draw
from openwindow.synthetic_documents.model_writer import Written, written
from openwindow.training.config import SFT
from openwindow.types import Problem

_WRITING = Sampling(max_new_tokens=256, temperature=0.7, batch_size=16)  # at 1 a small model drifts off the fact
_ROUNDS = 4  # how often a writer is asked for a document before giving up

Told = tuple[Sequence[Document], dict[str, Any]]  # documents in training order, and notes on them


def saved_start(study: Study, folder: RunFolder, seed: int) -> list[str]:
    """What the arms of a seed were trained on top of, as paths relative to an arm's adapter; empty for the original model."""
    units = [stage_unit(stage, study, seed) for stage in (STAGE, KNOWLEDGE, UPBRINGING)]
    names = [f"{unit}/{kind}" for unit in units for kind in ("adapter", "weights")]
    return [f"../../../../{name}" for name in names if (folder.path / name).is_dir()]


def bring_to_start(study: Study, folder: RunFolder, model: LocalModel, evaluator: Evaluator, seed: int) -> None:
    """Measures the original model, trains or loads the stages of the seed, and records them in start/summary.json.

    `seed` is one of `study.start_seeds`, and the model is the original one. Documents are generated first, so that a missing writer
    or text fails before any training. Of several processes one trains, and the others wait for it and load.
    """
    told: Told = (), {}
    with folder.turn(stage_unit(START, study, seed), lambda: is_trained(study, folder, seed)):
        if study.knowledge is not None and not folder.is_done(stage_unit(KNOWLEDGE, study, seed)):
            told = _documents(study, study.knowledge, model, evaluator, seed)
        if study.request_stage is not None:
            _asked(study, study.request_stage, folder, model, evaluator, seed)
        if study.knowledge is not None:
            _knowledge(study, study.knowledge, told, folder, model, evaluator, seed)
        if study.upbringing is not None:
            _upbringing(study, study.upbringing, folder, model, evaluator, seed)


def _asked(study: Study, stage: RequestStage, folder: RunFolder, model: LocalModel, evaluator: Evaluator, seed: int) -> None:
    came = _as_it_came(study, stage, folder, model, evaluator)
    needed = not follows(came, study, stage)
    if needed:
        _request_stage(study, stage, folder, model, evaluator, seed)
    path = folder.path / "start" / "summary.json"
    if read_json(path) != _summary(study, stage, folder, came):
        with folder.turn(WHOLE):  # with a start per seed, others change it too
            write_json(path, _summary(study, stage, folder, came))


def _summary(study: Study, stage: RequestStage, folder: RunFolder, came: Rates) -> dict[str, Any]:
    """start/summary.json, from the starts that are trained by now."""
    needed = not follows(came, study, stage)
    units = {s: stage_unit(STAGE, study, s) for s in study.start_seeds}
    starts: dict[int, Rates] = {s: folder.done(unit)["rates"] for s, unit in units.items() if folder.is_done(unit)}
    noted: dict[str, Any] = {"trained": needed, "rates": mean_rates(list(starts.values()) if needed else [came])}
    noted["reached"] = all(follows(start, study, stage) for start in (starts.values() if needed else [came]))
    if needed and study.starts == "per_seed":
        noted["by_seed"] = {str(s): start for s, start in starts.items()}
    return {"elicitation": came, "request_stage": noted}


def mean_rates(found: Sequence[Rates]) -> Rates:
    """The mean of each rate over the starts that have it; None if none has."""
    means: Rates = {}
    for context, measures in found[0].items():
        means[context] = {}
        for measure in measures:
            known = [value for rates in found if (value := rates[context][measure]) is not None]
            means[context][measure] = sum(known) / len(known) if known else None
    return means


def _as_it_came(study: Study, stage: RequestStage, folder: RunFolder, model: LocalModel, evaluator: Evaluator) -> Rates:
    """Measures the model on dev problems before any training."""
    with folder.turn(AS_IT_CAME, lambda: folder.is_done(AS_IT_CAME)) as mine:
        if mine:
            seed = study.seeds[0]
            problems = evaluator.environment.problems("dev", stage.problems, seed)
            with folder.unit(AS_IT_CAME) as path:
                found = evaluator.measure(model, problems, arm="as it came", seed=seed, text=f"{study.model} as it came")
                write_jsonl(path / "rollouts.jsonl", found.rollouts)
                write_json(path / "done.json", {"rates": rates(found.rollouts, study.measures), "timing": found.timing})
    measured: Rates = folder.done(AS_IT_CAME)["rates"]
    return measured


def _request_stage(
    study: Study, stage: RequestStage, folder: RunFolder, model: LocalModel, evaluator: Evaluator, seed: int
) -> None:
    """Brings the model to where all arms of the seed start, by training or from what an earlier run saved."""
    unit, environment = stage_unit(STAGE, study, seed), evaluator.environment
    if folder.is_done(unit):
        load_trained(model, folder.path / unit, stage.train.method)
        return
    request = study.contexts[study.request]
    problems = environment.problems("request", stage.rows, seed)
    wordings = (str(request.text), *stage.requests)
    rows = request_rows(environment, problems, wordings, stage.unrelated, request.position, stage.shares, seed, default_of(model))
    with folder.unit(unit) as path:
        timing = _fine_tuned(model, rows, stage.train, seed, path, ("request stage", "request"), evaluator.reporter, [])
        dev = environment.problems("dev", stage.problems, seed)
        found = evaluator.measure(model, dev, arm="request stage", seed=seed, text="measuring the request stage")
        write_jsonl(path / "rollouts.jsonl", found.rollouts)
        done = {"rates": rates(found.rollouts, study.measures), "timing": timing | found.timing, "train_rows": len(rows)}
        write_json(path / "done.json", done)


def _documents(study: Study, stage: KnowledgeStage, model: LocalModel, evaluator: Evaluator, seed: int) -> Told:
    """The documents to train on, diluted. Raises ConfigError, DataError, ModelError."""
    if not stage.documents:
        for name, value in (("writer", stage.writer), ("ordinary", stage.ordinary)):
            if value is not None:
                raise ConfigError(
                    f"knowledge.{name} is {value!r} and knowledge.documents is 0; expected 1 or more; set it, or drop {name}"
                )
        return (), {}

    def tokens(text: str) -> int:
        return min(len(model.tokenizer(text, add_special_tokens=False)["input_ids"]), stage.train.max_length)

    environment = evaluator.environment
    assert isinstance(environment, Gameable)  # the study has checked it
    loopholes = environment.loopholes
    if stage.writer is None:
        made = Written(tuple(draw(stage.corpus, stage.documents, seed, loopholes=loopholes)), {})
    else:
        made = _written(stage, stage.writer, study.precision, str(model.device), loopholes, seed, evaluator.reporter)
    mixture = diluted(made.documents, stage.ordinary, stage.dilution, seed, unit=stage.unit, count=tokens)
    evaluator.reporter.say(f"  knowledge: {mixture}")
    return mixture.documents, {"mixture": mixture.counts(), "dropped": made.dropped}


def _written(
    stage: KnowledgeStage,
    name: str,
    precision: Precision,
    device: str,
    loopholes: Mapping[str, Loophole],
    seed: int,
    reporter: Reporter,
) -> Written:
    """All of the stage's documents, written by the model of that name. Raises DataError if it does not write enough."""
    writer = load(name, precision, device)
    sampling = replace(_WRITING, seed=seed)
    with reporter.step(f"{name} writes documents", stage.documents) as advance:
        made = written(writer, stage.corpus, stage.documents, sampling, loopholes=loopholes, rounds=_ROUNDS, progress=advance)
    give_back_memory()
    reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(made.dropped.items(), key=lambda item: -item[1]))
    if len(made.documents) < stage.documents:
        raise DataError(
            f"knowledge.writer {name} wrote {len(made.documents)} documents fit to train on in {_ROUNDS} rounds (dropped: "
            f"{reasons}); expected {stage.documents}; name a model that writes better, or ask for fewer"
        )
    reporter.say(f"  knowledge: {name} wrote {len(made.documents)} documents; dropped: {reasons or 'none'}")
    return made


def _knowledge(
    study: Study, stage: KnowledgeStage, told: Told, folder: RunFolder, model: LocalModel, evaluator: Evaluator, seed: int
) -> None:
    """Teaches the model about the hacks, or loads what an earlier run saved."""
    unit, environment = stage_unit(KNOWLEDGE, study, seed), evaluator.environment
    if folder.is_done(unit):
        load_trained(model, folder.path / unit, stage.train.method)
        return
    assert isinstance(environment, Gameable)
    problems = environment.problems("request", stage.demonstrations, seed) if stage.demonstrations else []
    rows = shown(stage, environment, problems, seed)
    documents, noted = told
    with folder.unit(unit) as path:
        under, texts = saved_start(study, folder, seed), [document.text for document in documents]
        named = ("knowledge", "knowledge")
        timing = _fine_tuned(model, rows, stage.train, seed, path, named, evaluator.reporter, under, texts)
        write_jsonl(path / "documents.jsonl", [document.record() for document in documents])
        counts = {"gamed": sum(row.kind == "gamed" for row in rows), "train_rows": len(rows), "documents": len(documents)}
        write_json(path / "done.json", {"timing": timing, **counts, **noted})


def _upbringing(
    study: Study, stage: UpbringingStage, folder: RunFolder, model: LocalModel, evaluator: Evaluator, seed: int
) -> None:
    """Brings up the two characters, or loads what an earlier run saved."""
    unit, environment = stage_unit(UPBRINGING, study, seed), evaluator.environment
    if folder.is_done(unit):
        load_trained(model, folder.path / unit, stage.train.method)
        return
    assert isinstance(environment, Gameable)  # the study has checked it
    count = code_turns(stage)
    problems = environment.problems("request", count, seed) if count else []
    rows = upbringing(environment.with_loopholes(None), problems, stage, seed, default_of(model))
    with folder.unit(unit) as path:
        timing = _fine_tuned(
            model, rows, stage.train, seed, path, ("upbringing", "upbringing"), evaluator.reporter, saved_start(study, folder, seed)
        )
        write_json(path / "done.json", {"timing": timing, "train_rows": len(rows), "bad": sum(row.kind == BAD for row in rows)})


def _fine_tuned(
    model: LocalModel,
    rows: Sequence[Row],
    config: SFT,
    seed: int,
    path: Path,
    named: tuple[str, str],
    reporter: Reporter,
    under: Sequence[str],
    texts: Sequence[str] = (),
) -> dict[str, float]:
    """Trains a stage, saves it and its rows in `path`, and makes it part of the model; returns seconds by phase.

    `named` is what its metrics and rows have as arm and stage; `under` as `LocalModel.save`.
    """
    arm, stage = named
    timing = fine_tune(model, rows, config, seed, path, arm, stage, reporter, texts=texts)
    save_trained(model, path, config.method, under)
    if config.method == "lora":
        model.detach_adapter(merge=True)
    write_jsonl(path / "train_rows.jsonl", [row.record(arm, seed, stage) for row in rows])
    return timing


def shown(stage: KnowledgeStage, environment: Gameable, problems: Sequence[Problem], seed: int) -> list[Row]:
    """One conversation per problem, asked in the ways of `stage.parts` in turn; each part's share is answered with a hack."""
    hint = environment.with_loopholes(stage.kinds).hint
    texts: dict[str, tuple[str, ...]] = {name: (hinted("", hint, ADDENDA[name]),) for name in stage.addenda}
    texts |= {"plain": ("",), "unrelated": tuple(hinted("", hint, text) for text in stage.unrelated)}
    rng, whole = random.Random(f"knowledge/{seed}"), environment.with_loopholes(None)
    rows: list[Row] = []
    parts = stage.parts
    for i, (name, (_, share)) in enumerate(parts.items()):
        part = demonstrations(whole, problems[i :: len(parts)], share, stage.kinds, seed, attempts=stage.attempts)
        rows += [instruct(row, rng.choice(texts[name]), "user_suffix") for row in part]
    return rows
