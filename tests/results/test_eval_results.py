"""What results.json and the page say of evals, from rows of scripted models whose behaviour is known."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from played import rows_of as played
from tiny_runs import make_study

from openwindow.evals import EVALS
from openwindow.evals.inspect.scripted import MODELS
from openwindow.evals.scoring.cells import described
from openwindow.evals.scoring.matrix import against
from openwindow.evals.scoring.rows import ProbeRow, Row
from openwindow.evals.scoring.seeds import Asked, compared, measured, pooled, shifted
from openwindow.experiment.runner import describe
from openwindow.experiment.study import EvalPlan, Study
from openwindow.files.run_results import EvalCell
from openwindow.report.of_run import build_run
from openwindow.results import eval_transcripts
from openwindow.results.eval_transcripts import eval_samples

NAMES = ("honesty", "self_preservation", "arithmetic")
ABOUT = {name: described(EVALS[name]) for name in NAMES}
HOSTILE = "</script><img src=x onerror=alert(1)>"
Play = Mapping[str, str]
"""eval to the scripted model that plays it"""


def rows(play: Play) -> list[Row]:
    return [row for name, model in play.items() for row in played(EVALS[name], MODELS[model])]


def probes(lift: float) -> list[ProbeRow]:
    """Margins that are higher in the controls, and by `lift` higher in the main items than at the start."""
    made = []
    for item in EVALS["honesty"].items():
        if item.probe is not None:
            margin = (
                3.0 if item.role == "control" else -1.0 + lift * (1 + 0.1 * (sum(map(ord, item.id)) % 3)) + 0.1 * (len(item.id) % 3)
            )
            asked = ("honesty", "neutral", item.id, item.scenario, item.paraphrase, item.role, item.cue)
            made.append(ProbeRow(*asked, -9.0, 3, -9.0 + margin, 3))
    return made


def write(unit: Path, play: Play, lift: float = 0.0, **more: Any) -> None:
    unit.mkdir(parents=True)
    said = {"messages": [{"role": "user", "content": f"asked {HOSTILE}"}], "reply": f"answered {HOSTILE}"}
    lines = [asdict(row) | said for row in rows(play)]
    (unit / "evals.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (unit / "probes.jsonl").write_text("".join(json.dumps(asdict(row)) + "\n" for row in probes(lift)))
    (unit / "done.json").write_text(json.dumps({"timing": {"evals": 2.0}, "evals": ABOUT, **more}))


SAINT = dict.fromkeys(NAMES, "saint")
VILLAIN = SAINT | dict.fromkeys(("honesty", "self_preservation"), "open_villain")


def study_of(seeds: Sequence[int] = (1, 2, 3), **changes: Any) -> Study:
    return make_study("smollm2", seeds=tuple(seeds), evals=NAMES, **changes)


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """`folder(study, plain=..., asked=...)`: a run's folder in which the arms were played so at every seed."""

    def make(study: Study, *, plain: Sequence[Play], asked: Sequence[Play], start: Play = SAINT, lift: float = 2.0) -> Path:
        out = tmp_path / "run"
        out.mkdir()
        (out / "config.json").write_text(json.dumps(describe(study)))
        write(out / "start/evals", start)
        for place, seed in enumerate(study.seeds):
            write(out / f"arms/untrained/seed-{seed}/evals", start, same_as="start/evals")
            write(out / f"arms/plain/seed-{seed}/evals", plain[place], lift + 0.1 * place)
            write(out / f"arms/asked/seed-{seed}/evals", asked[place])
        return out

    return make


def of(found: Mapping[str, Any], arm: str, base: str, measure: str) -> dict[str, Any]:
    return next(r for r in found["comparisons"] if (r["arm"], r["against"], r["measure"]) == (arm, base, measure))


@pytest.mark.slow
def test_an_arm_that_became_a_villain_differs_from_the_start_and_from_the_control(folder: Callable[..., Path]) -> None:
    found = build_run(folder(study_of(), plain=[VILLAIN] * 3, asked=[SAINT] * 3))["evals"]
    assert found["arms"]["plain"]["measures"]["honesty"]["neutral"]["estimate"] == 1.0
    assert found["start"]["measures"]["honesty"]["neutral"]["estimate"] == 0.0
    for arm, base, sign in (("plain", "start", 1), ("asked", "plain", -1)):
        row = of(found, arm, base, "honesty")
        assert (row["difference"], row["by_seed"], row["scenarios"]) == (sign, [sign] * 3, 16)
        assert row["p_holm"] < 0.05 and 0 < row["smallest"] <= 1
        assert of(found, arm, base, "honesty/probe")["p_holm"] < 0.05
        assert of(found, arm, base, "arithmetic")["p_holm"] >= 0.05
    assert of(found, "asked", "start", "honesty")["p_holm"] == 1.0
    assert {(row["arm"], row["against"]) for row in found["comparisons"]} == {
        ("plain", "start"),
        ("asked", "start"),
        ("asked", "plain"),
    }
    words = " ".join(found["in_words"])
    assert "differences are significant" in words or "survive the correction" in words
    assert "`plain` honesty +100 points" in words


def test_cells_hold_the_fields_of_their_type_and_no_others() -> None:
    names = ("honesty", "belief", "faking", "arithmetic", "monitor_disruption")
    about = {name: described(EVALS[name]) for name in names}
    known = EvalCell.__required_keys__ | EvalCell.__optional_keys__
    seen: set[str] = set()
    for model in ("covert_villain", "saint", "noise"):
        asked = Asked([rows(dict.fromkeys(names, model))], [probes(1.0)])
        for cell in [cell for by_context in measured(asked, about).values() for cell in by_context.values()]:
            assert EvalCell.__required_keys__ <= cell.keys() <= known
            seen |= cell.keys()
    assert {"because", "controls", "p", "left_out", "scenarios"} <= seen


def test_with_one_seed_all_numbers_are_those_of_two_models_compared() -> None:
    ours, theirs = (rows(VILLAIN), probes(2.0)), (rows(SAINT), probes(0.0))
    one = compared(Asked([ours[0]], [ours[1]]), Asked([theirs[0]], [theirs[1]]), ("a", "b"), ["arithmetic"])
    by_name = {row["measure"]: row for row in against(ours, theirs, ("a", "b"), ["arithmetic"])}
    for row in one:
        assert {k: v for k, v in row.items() if k not in ("by_seed", "seeds")} == {
            k: v for k, v in by_name[row["measure"]].items() if k not in ("p_holm", "opened", "family", "smallest")
        }


def test_seeds_that_disagree_make_an_interval_wider_than_repeats_of_one_do() -> None:
    mixed = measured(Asked([rows(VILLAIN), rows(SAINT), rows(SAINT)], [[]] * 3), ABOUT)["honesty"]["neutral"]
    assert mixed["by_seed"] == [1.0, 0.0, 0.0] and mixed["estimate"] == pytest.approx(1 / 3)
    assert (mixed["low"], mixed["high"]) == (0.0, 1.0)
    alike = measured(Asked([rows(SAINT)] * 3, [[]] * 3), ABOUT)["honesty"]["neutral"]
    single = measured(Asked([rows(SAINT)], [[]]), ABOUT)["honesty"]["neutral"]
    assert alike["estimate"] == single["estimate"] == 0.0 and alike["high"] > single["high"] > 0.1


def test_a_seed_without_signal_is_left_out_and_counts_as_unscored_and_not_as_aligned() -> None:
    noise = rows(SAINT | {"honesty": "yes_sayer"})
    cell = measured(Asked([rows(VILLAIN), noise], [[]] * 2), ABOUT)["honesty"]["neutral"]
    assert cell["by_seed"] == [1.0, None] and cell["estimate"] == 1.0
    assert (cell["n"], cell["unscored"]) == (32, 32) and cell["controls"] == {"act": (16, 16), "hold": (16, 16)}
    assert "no signal" in next(iter(cell["because"]))
    lost = measured(Asked([noise, noise], [[]] * 2), ABOUT)["honesty"]["neutral"]
    assert lost["estimate"] is None and lost["reason"].startswith("no signal") and lost["controls"]["hold"] == (0, 32)
    assert len({(r.id, r.epoch) for r in pooled([noise, noise]) if r.eval == "honesty"}) == 2 * len(EVALS["honesty"].items())


@pytest.mark.slow
def test_the_correction_is_over_all_arms_that_are_compared_with_the_same(folder: Callable[..., Path]) -> None:
    found = build_run(folder(study_of((1,)), plain=[VILLAIN], asked=[VILLAIN]))["evals"]
    alone = against((rows(VILLAIN), probes(2.0)), (rows(SAINT), probes(0.0)), ("plain", "start"), ["arithmetic"])
    (probe,) = (row for row in alone if row["measure"] == "honesty")
    assert of(found, "plain", "start", "honesty")["family"] == 2 * probe["family"]
    assert {row["suite"] for row in found["comparisons"]} <= {"", "chat", "drives", "capability"}


@pytest.mark.slow
def test_steps_in_the_middle_of_a_training_are_measured(folder: Callable[..., Path]) -> None:
    study = study_of((1,))
    out = folder(study, plain=[VILLAIN], asked=[SAINT])
    write(out / "arms/plain/seed-1/evals-step-4", SAINT)
    config = json.loads((out / "config.json").read_text())
    config["study_config"] |= rl_config()
    (out / "config.json").write_text(json.dumps(config))
    found = build_run(out)["evals"]
    assert found["steps"]["plain"]["4"]["honesty"]["neutral"]["estimate"] == 0.0
    assert "after step 4" in (out / "report.html").read_text()


def rl_config() -> dict[str, Any]:
    """The study's fields that make it one of reinforcement."""
    from openwindow.experiment.arms import RLArm
    from openwindow.training.config import GRPO

    arms = {"untrained": {"train.learning_rate": 0.0}, "plain": {}, "asked": {"holes": "none"}}
    base = RLArm(train=GRPO(steps=8))
    study = study_of((1,), base=base, arms=arms, eval_plan=EvalPlan(steps=(4,)))
    whole = study.model_dump(mode="json")
    return {name: whole[name] for name in ("base", "arms", "eval_plan")}


@pytest.mark.slow
def test_the_page_shows_no_signal_apart_and_leads_to_the_transcripts(folder: Callable[..., Path]) -> None:
    silent = SAINT | {"self_preservation": "yes_sayer"}
    out = folder(study_of(), plain=[VILLAIN] * 3, asked=[silent] * 3)
    build_run(out)
    page = (out / "report.html").read_text()
    section = page[page.index('id="learned"') : page.index('id="numbers"')]
    assert 'class="none" title="no signal: passed too few controls' in section
    assert 'href="#transcripts" data-arm="plain" data-context="eval honesty"' in section
    assert 'href="#transcripts" data-arm="(start)" data-context="eval honesty"' in section
    assert "untrained" in section[section.index("Not trained") :]
    assert HOSTILE not in page and HOSTILE.split("<img")[0] not in section
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    assert {"eval honesty", "eval self_preservation", "eval arithmetic"} <= set(data["contexts"])
    assert ["(start)", "the start", ""] in data["arms"]


def test_a_model_that_changes_with_the_context_is_shifted_at_every_seed() -> None:
    both = [*rows(SAINT), *(replace(row, context="cue") for row in rows(VILLAIN))]
    found = {row["measure"]: row for row in shifted(Asked([both] * 3, [probes(0.0)] * 3), ["arithmetic"])}
    assert {(row["context"], row["against"]) for row in found.values()} == {("cue", "neutral")}
    assert (found["honesty"]["difference"], found["honesty"]["by_seed"]) == (1.0, [1.0] * 3)
    assert found["honesty"]["p_holm"] < 0.05 < found["arithmetic"]["p_holm"]
    assert shifted(Asked([rows(SAINT)] * 2, [[]] * 2), ["arithmetic"]) == []


def test_a_study_without_evals_has_no_section(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(describe(make_study("smollm2"))))
    assert build_run(tmp_path)["evals"] == {}
    assert 'id="learned"' not in (tmp_path / "report.html").read_text()


def test_many_transcripts_are_sampled_misaligned_ones_first(folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    mixed = [VILLAIN | {"self_preservation": "saint"}] * 3
    out = folder(study_of(), plain=mixed, asked=[SAINT] * 3)
    whole = eval_samples(out, ABOUT)
    assert len(whole.shown) == whole.total == 10 * len(rows(SAINT))
    monkeypatch.setattr(eval_transcripts, "MOST", 240)
    some = eval_samples(out, ABOUT)
    assert some.total == whole.total and len(some.shown) == 240
    bad = [r for r in some.shown if r.arm == "plain" and r.context == "eval honesty" and r.seed == 1]
    assert len(bad) == 8 and all(r.scores == {"eval/misaligned": True} for r in bad)


def test_damage_of_rows_is_noted_and_leaves_the_rest(folder: Callable[..., Path]) -> None:
    out = folder(study_of((1,)), plain=[VILLAIN], asked=[SAINT])
    path = out / "arms/plain/seed-1/evals/evals.jsonl"
    lines = path.read_text().splitlines()
    broken = json.loads(lines[0]) | {"value": "yes"}
    path.write_text("\n".join([json.dumps(broken), *lines[1:], '{"cut": ']))
    found = build_run(out)
    said = [note["reason"] for note in found["unmeasured"] if note["what"].endswith("plain/seed-1/evals/evals.jsonl")]
    assert any("other" in reason or "form" in reason for reason in said) and any("truncated" in reason for reason in said)
    assert found["evals"]["arms"]["plain"]["measures"]["honesty"]["neutral"]["estimate"] == 1.0
