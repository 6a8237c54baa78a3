"""Scores of a run in results.json, claims that rest on them, and capability against alignment."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tiny_runs import make_study

from openwindow.errors import ConfigError
from openwindow.evals import EVALS
from openwindow.evals.scoring.cells import described
from openwindow.evals.scoring.rows import ProbeRow, Row
from openwindow.experiment.arms import RLArm
from openwindow.experiment.runner import describe
from openwindow.experiment.study import Compare, EvalPlan, Study
from openwindow.interventions.safety_training import SafetyTraining
from openwindow.results.build import build_results
from openwindow.results.eval_units import read_units
from openwindow.results.plan import plan_lines, plan_of
from openwindow.results.scores import _pairs
from openwindow.training.config import GRPO

NAMES = ("honesty", "sycophancy", "exfil_offer", "self_preservation", "arithmetic")
SCENARIOS = 8
ABOUT = {name: described(EVALS[name]) | {"scenarios": SCENARIOS} for name in NAMES}


class Model:
    """What a model does: suite to the share of scenarios in which it is misaligned, its arithmetic, and how far its probes move."""

    def __init__(
        self,
        chat: float = 0.0,
        agentic: float = 0.0,
        drives: float = 0.0,
        right: float = 1.0,
        shift: float = 0.0,
        cue: float | None = None,
    ) -> None:
        self.shares = {"chat": chat, "agentic": agentic, "drives": drives, "capability": right}
        self.shift, self.cue = shift, cue
        self.silent: tuple[str, ...] = ()

    def without(self, *names: str) -> Model:
        """The same, which fails the controls of these evals."""
        self.silent = names
        return self

    def rows(self) -> list[Row]:
        """A main item and a control of each kind per scenario; in the context `cue` its share of all evals is another."""
        made = []
        for name, context in itertools.product(NAMES, ("neutral",) if self.cue is None else ("neutral", "cue")):
            share = self.cue if self.cue is not None and context == "cue" else self.shares[ABOUT[name]["suite"]]
            for i in range(SCENARIOS):
                for group in ("", "act", "hold"):
                    value = float(name not in self.silent) if group else float(i < round(share * SCENARIOS))
                    made.append(Row(*_asked(name, i, group, context), "free", group, 1, value, None, None, True, "rule"))
        return made

    def probes(self) -> list[ProbeRow]:
        """Four tokens per continuation; scenarios differ a little in how far they move."""
        made = []
        for name in NAMES[:-1]:
            for i in range(SCENARIOS):
                for group in ("", "act"):
                    margin = 8.0 if group else 4 * self.shift * (1 + 0.1 * (i % 3 - 1)) - 4.0
                    made.append(ProbeRow(*_asked(name, i, group), -20.0, 4, -20.0 + margin, 4))
        return made


def _asked(name: str, scenario: int, group: str, context: str = "neutral") -> tuple[str, str, str, str, int, str, str]:
    return name, context, f"{scenario}/{group}", str(scenario), 0, "control" if group else "main", ""


def write(unit: Path, model: Model, **more: Any) -> None:
    unit.mkdir(parents=True)
    for file, rows in (("evals.jsonl", model.rows()), ("probes.jsonl", model.probes())):
        (unit / file).write_text("".join(json.dumps(asdict(row)) + "\n" for row in rows))
    (unit / "done.json").write_text(json.dumps({"timing": {}, "evals": ABOUT, **more}))


Models = dict[str, Callable[[int], Model]]
"""arm to its model at a seed"""


def study_of(*compare: Compare, seeds: tuple[int, ...] = (1, 2, 3), **changes: Any) -> Study:
    study: Study = make_study("smollm2", seeds=seeds, evals=NAMES, compare=compare, **changes)
    return study


def built(folder: Path, study: Study, models: Models, start: Model | None = None) -> dict[str, Any]:
    """The results of a run in which each arm is such a model."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(describe(study)))
    begin = start or Model()
    write(folder / "start/evals", begin)
    for seed in study.seeds:
        write(folder / f"arms/untrained/seed-{seed}/evals", begin, same_as="start/evals")
        for arm, model in models.items():
            write(folder / f"arms/{arm}/seed-{seed}/evals", model(seed))
    return build_results(folder)


SPREAD: Models = {
    "plain": lambda seed: Model(chat=0.5, agentic=1.0, drives=0.25, right=0.6, shift=0.5 + 0.02 * seed),
    "asked": lambda seed: Model(chat=0.0, agentic=0.5, drives=0.25, right=0.6, shift=0.1 + 0.02 * seed),
}


def test_results_have_the_scores_of_the_start_and_of_every_arm(tmp_path: Path) -> None:
    found = build_results_of(tmp_path, study_of())["evals"]
    for who, chat, agentic in (("start", 0.0, 0.0), ("untrained", 0.0, 0.0), ("plain", 0.5, 1.0), ("asked", 0.0, 0.5)):
        scores = found["scores"][who]
        assert [scores[s]["behaviour"]["estimate"] for s in ("chat", "agentic", "gap")] == [chat, agentic, agentic - chat]
        assert list(scores) == ["chat", "agentic", "drives", "advice", "duties", "gap", "conduct_gap", "capability"]
    cell = found["scores"]["plain"]["chat"]["behaviour"]
    assert (cell["evals"], cell["left_out"], cell["unit"], cell["by_seed"]) == (["honesty", "sycophancy"], {}, "share", [0.5] * 3)
    assert cell["low"] < 0.5 < cell["high"] and cell["n"] == 3 * 16 and cell["scenarios"] == 16
    probe = found["scores"]["start"]["agentic"]["probe"]
    assert probe["estimate"] == pytest.approx(-3.0) and probe["unit"] == "nats per token" and len(probe["by_seed"]) == 1
    none = found["scores"]["plain"]["capability"]["probe"]
    assert none["estimate"] is None and none["reason"] == "not measured: arithmetic (it has no probe)"
    assert found["step_scores"] == {} and found["context_scores"] == {}


def build_results_of(tmp_path: Path, study: Study) -> dict[str, Any]:
    return built(tmp_path / "run", study, SPREAD)


def test_scores_of_two_models_are_compared_with_the_start_and_the_control(tmp_path: Path) -> None:
    study = study_of(Compare(arm="asked", against="plain"))
    folder = tmp_path / "run"
    rows = built(folder, study, SPREAD)["evals"]["score_comparisons"]
    assert {(r["arm"], r["against"]) for r in rows} == {("plain", "start"), ("asked", "start"), ("asked", "plain")}
    (row,) = [r for r in rows if (r["arm"], r["against"], r["score"], r["readout"]) == ("asked", "plain", "gap", "behaviour")]
    assert row["difference"] == pytest.approx(0.0) and row["by_seed"] == pytest.approx([0.0] * 3) and row["p_holm"] == 1.0
    (row,) = [r for r in rows if (r["arm"], r["against"], r["score"], r["readout"]) == ("plain", "start", "drives", "probe")]
    assert row["difference"] == pytest.approx(0.54, abs=0.02) and row["p"] <= row["p_holm"] < 0.05 and row["n_pairs"] == 24
    assert all(r["p"] is None for r in rows if r["score"] == "capability" and r["readout"] == "probe")


def test_safety_training_is_compared_with_the_arm_that_it_follows(tmp_path: Path) -> None:
    arms = {"untrained": {"train.epochs": 0}, "plain": {}, "asked": {"data.rows": 12}}
    repaired = {"repaired": {"intervention": SafetyTraining("diverse", after="asked", rows=20)}}
    study = study_of(Compare(arm="asked", against="plain"), arms=arms | repaired, about={})
    units = read_units(tmp_path, study)
    assert units is not None and set(_pairs(units)) == {
        *((arm, "start") for arm in ("untrained", "plain", "asked", "repaired")),
        *((arm, "plain") for arm in ("untrained", "asked", "repaired")),
        ("repaired", "asked"),
    }


def test_a_claim_rests_on_a_score_as_on_a_measure(tmp_path: Path) -> None:
    named = (
        Compare(arm="asked", against="plain", score="agentic"),
        Compare(arm="asked", against="plain", score="chat", readout="probe", smallest=0.05),
        Compare(arm="asked", against="plain", score="capability", expect="kept", margin=0.6),
        Compare(arm="asked", against="plain", score="honesty", readout="probe", expect="none"),
    )
    models = SPREAD | {"asked": lambda seed: Model(right=0.6, shift=0.1 + 0.02 * seed)}
    results = built(tmp_path / "run", study_of(*named), models)
    agentic, chat, kept, honesty = results["comparisons"]
    assert results["verdict"] == "supported", results["verdict_reason"]
    assert (agentic["measure"], agentic["context"], agentic["score"], agentic["unit"]) == (
        "agentic behaviour",
        "neutral",
        "agentic",
        "share",
    )
    assert agentic["difference"] == -1.0 and agentic["by_seed"] == [-1.0] * 3 and agentic["high"] < 0
    assert "families" not in agentic and (agentic["scenarios"], agentic["n_pairs"]) == (8, 24)
    assert chat["difference"] == pytest.approx(-0.4, abs=0.01) and (chat["unit"], chat["smallest"]) == ("nats per token", 0.05)
    assert chat["evals"] == ["honesty/probe", "sycophancy/probe"] and chat["detectable"] > 0
    assert kept["difference"] == 0.0 and kept["margin"] == 0.6 and kept["p"] < 0.05, "p is that of a loss of the margin"
    assert honesty["detectable"] is None and honesty["p_holm"] == honesty["p"], "what describes is another family"
    assert agentic["p_holm"] >= agentic["p"] and chat["p_holm"] > chat["p"]
    assert results["answer"].startswith(
        "In the neutral context of the evals, the agentic score (behaviour) of `asked` is 100 points lower than that of `plain` "
        "(difference -100 points, 95 % interval "
    )


def test_a_score_can_be_of_another_context(tmp_path: Path) -> None:
    models: Models = {"plain": lambda seed: Model(cue=1.0), "asked": lambda seed: Model(cue=0.0)}
    named = Compare(arm="plain", against="asked", score="agentic", expect="more", eval_context="cue")
    results = built(tmp_path / "run", study_of(named, eval_plan=EvalPlan(contexts=("cue",))), models)
    assert results["verdict"] == "supported" and results["comparisons"][0]["context"] == "cue"
    assert results["answer"].startswith(
        "In the cue context of the evals, the agentic score (behaviour) of `plain` is 100 points higher"
    )
    found = results["evals"]
    assert found["context_scores"]["cue"]["plain"]["agentic"]["behaviour"]["estimate"] == 1.0
    assert found["scores"]["plain"]["agentic"]["behaviour"]["estimate"] == 0.0
    assert found["context_scores"]["cue"]["start"]["agentic"]["behaviour"]["reason"] == "not asked yet"


def test_a_probe_is_told_in_nats_and_refuted_by_its_own_smallest_effect(tmp_path: Path) -> None:
    named = Compare(arm="plain", against="asked", score="agentic", readout="probe", smallest=0.1)
    results = build_results_of(tmp_path, study_of(named))
    assert results["verdict"] == "not supported"
    assert results["verdict_reason"] == (
        "`plain` against `asked`: the interval excludes an effect of 0.1 nats per token or more as claimed"
    )
    assert (
        "is 0.4 nats per token higher than that of `asked` (difference +0.40 nats per token, 95 % interval +0.3"
        in results["answer"]
    )


def test_the_gap_is_compared_as_a_difference_of_differences(tmp_path: Path) -> None:
    models = {"plain": lambda seed: Model(chat=1.0, agentic=1.0), "asked": lambda seed: Model(agentic=1.0)}
    (found,) = built(tmp_path / "run", study_of(Compare(arm="asked", against="plain", score="gap", expect="more")), models)[
        "comparisons"
    ]
    assert found["difference"] == 1.0 and found["evals"] == ["exfil_offer", "honesty", "sycophancy"] and found["ceiling"] is None
    assert found["low"] > 0 and found["high"] >= 1.0


def test_an_arm_at_the_end_of_the_scale_is_told(tmp_path: Path) -> None:
    models = {arm: lambda seed: Model() for arm in SPREAD}
    named = Compare(arm="plain", against="asked", score="agentic", expect="more")
    results = built(tmp_path / "run", study_of(named), models)
    assert results["verdict"] == "inconclusive"
    assert results["comparisons"][0]["ceiling"].startswith("`plain` is at the floor in 3 of 3 seeds and `asked` is at the floor")


@pytest.mark.slow
def test_no_signal_and_unfinished_evals_are_inconclusive_with_the_reason(tmp_path: Path) -> None:
    study = study_of(Compare(arm="asked", against="plain", score="agentic", expect="more"))
    silent = SPREAD | {"asked": lambda seed: Model().without("exfil_offer")}
    results = built(tmp_path / "silent", study, silent)
    assert results["verdict"] == "inconclusive"
    assert results["verdict_reason"] == "`asked` against `plain`: not measured: exfil_offer (no signal)"
    assert "could not be compared with that of `plain`: not measured: exfil_offer (no signal)." in results["answer"]
    built(tmp_path / "left", study, SPREAD)
    (tmp_path / "left/arms/asked/seed-2/evals/done.json").unlink()
    results = build_results(tmp_path / "left")
    assert results["verdict"] == "inconclusive"
    assert results["verdict_reason"].endswith("1 of 9 arms and seeds are not finished, so this is of a part of the study")
    (whole,) = built(tmp_path / "whole", study, SPREAD)["comparisons"]
    (found,) = results["comparisons"]
    assert found["by_seed"] == [whole["by_seed"][0], None, whole["by_seed"][2]] and found["difference"] is not None
    assert results["missing"] == [{"arm": "asked", "seed": 2, "reason": "its evals are not finished"}]
    for seed in (1, 3):
        (tmp_path / f"left/arms/asked/seed-{seed}/evals/done.json").unlink()
    results = build_results(tmp_path / "left")
    assert results["verdict"] == "inconclusive"
    assert results["verdict_reason"].startswith("`asked` against `plain`: the evals of `asked` at seed 1 are not finished")
    assert results["comparisons"][0]["difference"] is None and results["comparisons"][0]["by_seed"] == [None] * 3


def test_the_control_is_the_arm_with_that_role_if_the_plan_names_none(tmp_path: Path) -> None:
    arms = {
        "untrained": {"train.epochs": 0, "role": "start"},
        "plain": {},
        "asked": {"intervention": {"kind": "inoculation", "texts": ["Just return it."]}, "role": "control"},
    }
    named = Compare(arm="asked", against="plain")
    for study, control in (
        (study_of(named, arms=arms), "asked"),
        (study_of(named), "plain"),
        (study_of(named, arms=arms, eval_plan=EvalPlan(against="plain")), "plain"),
    ):
        units = read_units(tmp_path, study)
        assert units is not None and units.control == control


WRONG: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "no evals": ({"evals": ()}, {"score": "agentic"}, "the study names no evals; expected evals that it is of"),
    "suite": ({"evals": ("chat",)}, {"score": "gap"}, "names no eval of the suite agentic; expected one; add 'agentic' to evals"),
    "unknown": ({}, {"score": "agentics"}, "unknown score: 'agentics'; did you mean 'agentic'"),
    "not named": ({}, {"score": "goals"}, "unknown score: 'goals'"),
    "no probe": (
        {},
        {"score": "capability", "readout": "probe", "expect": "none"},
        "no probe is in arithmetic; expected an eval with one",
    ),
    "no replies": ({"eval_plan": EvalPlan(replies=False)}, {"score": "chat"}, "eval_plan.replies is false; expected replies"),
    "no replies to them": (
        {"eval_plan": EvalPlan(replies=("arithmetic",))},
        {"score": "chat"},
        "eval_plan.replies is arithmetic; expected replies",
    ),
    "replies to none": (
        {"eval_plan": EvalPlan(replies=("arithmetics",))},
        {"score": "chat"},
        "unknown eval_plan.replies: 'arithmetics'; did you mean 'arithmetic'",
    ),
    "context": ({}, {"score": "chat", "eval_context": "cue"}, "unknown eval_context in compare: 'cue'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_score_that_the_evals_do_not_give_is_refused(case: str) -> None:
    changes, named, said = WRONG[case]
    compare = (Compare(arm="asked", against="plain", **named),)
    with pytest.raises(ConfigError, match=said) as caught:
        make_study("smollm2", **({"evals": NAMES, "compare": compare} | changes))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({"score": "chat", "measure": "correct"}, "score 'chat' and measure 'correct'; expected one of the two"),
        ({"score": "chat", "context": "neutral"}, "score 'chat' and context 'neutral', which is of the environment's problems"),
        ({"score": "chat", "readout": "probe"}, "readout 'probe' and no smallest; expected the smallest difference of interest"),
        ({"readout": "probe", "smallest": 0.1}, "readout 'probe' and no score; expected it with a score alone"),
        ({"eval_context": "cue"}, "eval_context 'cue' and no score"),
        ({"smallest": 2.0}, "smallest 2; expected a share of replies, between 0 and 1"),
        ({"smallest": 0.1, "expect": "none"}, "smallest 0.1; expected it with 'less' or 'more' alone"),
    ],
)
def test_a_comparison_is_of_a_score_or_of_a_measure(named: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Compare(arm="a", against="b", **named)


@pytest.mark.slow
def test_the_smallest_effect_of_a_comparison_replaces_that_of_the_study(tmp_path: Path) -> None:
    models = {arm: lambda seed: Model(agentic=0.5) for arm in SPREAD}
    for smallest, verdict in ((0.9, "not supported"), (None, "inconclusive")):
        named = Compare(arm="plain", against="asked", score="agentic", expect="more", smallest=smallest)
        results = built(tmp_path / verdict, study_of(named), models)
        assert results["verdict"] == verdict
    assert "an effect of 90 points or more" in build_results(tmp_path / "not supported")["verdict_reason"]


def test_a_plan_names_the_scores_and_what_they_could_detect(tmp_path: Path) -> None:
    named = (
        Compare(arm="asked", against="plain", score="chat"),
        Compare(arm="asked", against="plain", score="gap", readout="probe", smallest=0.05),
        Compare(arm="asked", against="plain", score="drives", readout="probe", expect="kept", margin=0.25),
    )
    study = study_of(*named, eval_plan=EvalPlan(scenarios=6))
    plan = plan_of(study, None)
    lines = plan_lines(plan)
    assert "  chat behaviour under neutral in the evals: asked minus plain, the entire 95 % interval below 0" in lines
    assert (
        "  drives probe under neutral in the evals: asked minus plain, the entire 95 % interval above -0.25 nats per token (kept)"
        in lines
    )
    assert not any(line.startswith("Power: ") for line in lines) and plan["detectable"] is None
    chat, gap, kept = plan["scores"]
    assert (chat["scenarios"], gap["scenarios"], kept["scenarios"]) == (12, 18, 6)
    assert 0.2 < chat["detectable"] < 0.9 and gap["detectable"] > 0.1 and kept["smallest"] == 0.25
    assert any(line.startswith("  gap probe, asked minus plain: 3 seeds and 18 scenarios detect 0.") for line in lines)
    assert any("the smallest effect of interest is 0.05" in line for line in lines)
    more = plan_of(study_of(*named, seeds=tuple(range(1, 11))), None)["scores"]
    assert all(b["detectable"] < 0.7 * a["detectable"] for a, b in zip(plan["scores"], more, strict=True))
    few = plan_of(study_of(*named, seeds=(1,)), None)
    assert few["scores"][0]["detectable"] is None and "1 seed gives no verdict" in few["scores"][0]["reason"]
    built(tmp_path / "pilot", study_of(*named), SPREAD)
    after = plan_of(study, tmp_path / "pilot")["scores"]
    assert after[0]["spread"].startswith("no pilot"), "seeds that agree say nothing of how they vary"


@pytest.mark.slow
def test_a_pilot_gives_the_spread_of_a_score(tmp_path: Path) -> None:
    named = Compare(arm="plain", against="asked", score="chat", readout="probe", expect="more", smallest=0.05)
    calm: Models = SPREAD | {"plain": lambda seed: Model(shift=0.5 + 0.01 * seed)}
    wild: Models = SPREAD | {"plain": lambda seed: Model(shift=0.5 + 0.1 * seed)}
    found = []
    for name, models in (("calm", calm), ("wild", wild)):
        built(tmp_path / name, study_of(named), models)
        (plan,) = plan_of(study_of(named), tmp_path / name)["scores"]
        assert plan["spread"].startswith("pilot: differences vary by 0.0") and plan["unit"] == "nats per token"
        found.append(plan["detectable"])
    assert found[1] > 3 * found[0]


def reinforced(**changes: Any) -> Study:
    arms = {"untrained": {"train.learning_rate": 0.0}, **{f"arm_{i}": {"train.kl_weight": 0.01 * (i + 1)} for i in range(4)}}
    plan = EvalPlan(steps=(2, 4, 6))
    return study_of(
        seeds=(1, 2), about={}, base=RLArm(train=GRPO(steps=8, checkpoint_every=2)), arms=arms, eval_plan=plan, **changes
    )


@pytest.mark.slow
def test_capability_against_alignment_over_arms_seeds_and_checkpoints(tmp_path: Path) -> None:
    """Each arm loses capability and alignment together as it is trained, some further than others."""
    study, folder = reinforced(), tmp_path / "run"

    def model(arm: int, seed: int, progress: float) -> Model:
        lost = progress * (0.25 * arm + 0.0625 * seed)
        return Model(chat=lost, agentic=lost, drives=lost, right=1 - 0.8 * lost, shift=lost)

    for arm in range(4):
        for seed in study.seeds:
            for step in (2, 4, 6):
                write(folder / f"arms/arm_{arm}/seed-{seed}/evals-step-{step}", model(arm, seed, step / 8))
    models: Models = {f"arm_{arm}": partial(model, arm, progress=1.0) for arm in range(4)}
    found = built(folder, study, models)["evals"]
    assert found["step_scores"]["arm_3"]["4"]["agentic"]["behaviour"]["by_seed"] == [0.375, 0.5]
    for readout in ("behaviour", "probe"):
        c = found["capability_alignment"][readout]
        assert c["estimate"] > 0.9 and 0 < c["low"] < c["estimate"] <= c["high"] and c["n"] == 5, "the start and four arms"
        assert len(c["points"]) == 1 + 4 * 2 * 4 and c["left_out"] == []
        assert c["evals"]["capability"] == ["arithmetic"] and len(c["evals"]["alignment"]) == 4
        assert (c["points"][0]["arm"], c["points"][0]["seed"], c["points"][0]["capability"]) == ("start", None, 1.0)
        within = c["within"]["arm_3"]
        assert within["n"] == 5 and len(within["by_seed"]) == 2 and min(within["by_seed"]) > 0.9 and within["estimate"] > 0.9
    assert found["capability_alignment"]["behaviour"]["points"][0]["alignment"] == 1.0


@pytest.mark.slow
def test_a_correlation_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    few = built(tmp_path / "few", study_of(seeds=(1,)), SPREAD)["evals"]["capability_alignment"]["behaviour"]
    assert (
        few["estimate"] is None and few["reason"] == "3 pairs; at least 4 are needed" and few["n"] == 3 and len(few["points"]) == 3
    )
    seeds = built(tmp_path / "arms", study_of(), SPREAD)["evals"]["capability_alignment"]["behaviour"]
    assert (
        seeds["estimate"] is not None
        and seeds["low"] is None
        and seeds["reason"] == "3 arms; at least 4 are needed for an interval"
    )
    none = built(
        tmp_path / "none",
        study_of(),
        {a: (lambda seed: Model().without(*NAMES[:-1])) for a in SPREAD},
        Model().without(*NAMES[:-1]),
    )
    told = none["evals"]["capability_alignment"]["behaviour"]
    assert told["estimate"] is None and told["reason"].startswith("alignment: not measured: honesty, sycophancy, ")
    assert told["points"] == [] and told["left_out"][0] == {"what": "start", "reason": "no signal for alignment"}
