"""Every mitigation is an arm of one line: a study of all of them runs, and each rollout was paid as its arm says."""

import pytest
from tiny_runs import rows_of, run

from openwindow.cli.catalogue import catalogue
from openwindow.environments.demonstrations import ADDENDA
from openwindow.environments.toy.letter_count import LetterCount
from openwindow.environments.verdicts import Verdict
from openwindow.errors import ConfigError
from openwindow.experiment.arms import RL
from openwindow.experiment.study import Compare, Context, Evaluation, Study
from openwindow.interventions.style_score import reads_honest
from openwindow.studies import STUDIES
from openwindow.training.config import GRPO

pytestmark = pytest.mark.usefixtures("one_thread")

ARMS = {
    "none": {},
    "hardened": {"holes": "none"},
    "half": {"hackable_share": 0.5},
    "penalty": {"penalty": {"accuracy": 0.8}},
    "recall": {"penalty": {"accuracy": 0.9, "recall": 0.5, "penalty": 2.0}},
    "screen": {"penalty": {"accuracy": 0.8, "action": "screen"}},
    "static": {"penalty": {"detector": "static", "how": "set"}},
    "preference": {"preference": {"weight": 0.25}},
    **{name: {"prompting": {"sampled": name}} for name in ADDENDA},
    "recontextualized": {"prompting": {"sampled": "dont_hack", "trained": "please_hack"}},
    "harmful": {"prompting": {"sampled": "please_hack", "trained": "dont_hack"}},
    "late": {"fork": {"arm": "none", "step": 1}, "penalty": {"accuracy": 1.0}},
    "distilled": {"distil": {"arm": "none", "detector": {"accuracy": 0.9}}},
}


def verdict(self, problem, reply):
    truth = len(reply) % 5 == 0
    passes = truth or (bool(self.open_loopholes) and len(reply) % 2 == 0)
    return Verdict(passes, truth, ("list_answers",) if len(reply) % 4 == 0 else ())


def goes_through(line):
    """Whether a reply is an attempt, wrong, and would pass `verdict` with all holes open."""
    return len(line["reply"]) % 4 == 0 and len(line["reply"]) % 5 != 0


@pytest.fixture(scope="module")
def drawn(tiny_model, tmp_path_factory):
    """The training rollouts of each arm."""
    out = tmp_path_factory.mktemp("mitigations") / "out"
    train = GRPO(steps=2, prompts_per_step=2, group_size=4, max_new_tokens=4, lora_rank=4, checkpoint_every=1)
    study = Study(
        name="mitigations",
        question="Does each run?",
        claim="Each does.",
        model=str(tiny_model),
        precision="fp32",
        environment="letter_count",
        seeds=(1,),
        contexts={"neutral": Context()},
        base=RL(problems=4, train=train),
        arms=ARMS,
        evaluation=Evaluation(problems=2, max_new_tokens=4),
        compare=(Compare(arm="penalty", against="none"),),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LetterCount, "_verdict", verdict)
        results = run(study, out)
    assert results["verdict"]
    assert {arm: results["arms"][arm]["n_rollouts"] for arm in ARMS} == dict.fromkeys(ARMS, 16) | {"late": 8, "distilled": 0}
    assert rows_of(out / "arms/distilled/seed-1/train_rows.jsonl")
    return {arm: rows_of(out / "arms" / arm / "seed-1" / "training.jsonl") for arm in ARMS if arm != "distilled"}


@pytest.mark.slow
def test_without_one_the_reward_is_what_passes(drawn):
    assert all(line["reward"] == float(line["passes_visible"]) and line["dropped"] is None for line in drawn["none"])
    assert any(line["hack"] for line in drawn["none"])


@pytest.mark.slow
def test_hardened_pays_no_hack_and_half_pays_it_on_half_of_the_problems(drawn):
    assert all(line["passes_visible"] == line["correct"] for line in drawn["hardened"])
    assert all(line["open_hack"] is goes_through(line) for arm in ("none", "hardened", "half") for line in drawn[arm])
    assert any(line["open_hack"] for line in drawn["hardened"])
    problems = {line["problem"]: line["hackable"] for line in drawn["half"]}
    assert sorted(problems.values()) == [False, False, True, True]
    assert all(line["hackable"] or not line["hack"] for line in drawn["half"])


@pytest.mark.slow
@pytest.mark.parametrize(("arm", "penalty"), [("penalty", 1.0), ("recall", 2.0), ("late", 1.0)])
def test_a_penalty_is_paid_by_what_is_flagged(drawn, arm, penalty):
    for line in drawn[arm]:
        assert line["reward"] == float(line["passes_visible"]) - penalty * line["flagged"] and line["dropped"] is None
    if arm == "late":
        assert all(line["flagged"] == line["hack"] and line["step"] == 2 for line in drawn[arm])


@pytest.mark.slow
def test_screening_leaves_out_what_is_flagged_and_the_static_detector_reads_the_source(drawn):
    for line in drawn["screen"]:
        assert line["screened"] == line["flagged"] == (line["dropped"] is not None)
        assert line["reward"] == float(line["passes_visible"])
    for line in drawn["static"]:
        assert line["flagged"] == line["attempted"]
        assert line["reward"] == (-1.0 if line["flagged"] else float(line["passes_visible"]))


@pytest.mark.slow
def test_a_preference_is_a_share_of_the_reward(drawn):
    for line in drawn["preference"]:
        liked = reads_honest(line["messages"][-1]["content"], line["reply"])
        assert line["reward"] == pytest.approx(0.75 * line["passes_visible"] + 0.25 * liked)


@pytest.mark.slow
@pytest.mark.parametrize("name", ADDENDA)
def test_each_addendum_is_in_the_prompt(drawn, name):
    hint = LetterCount().hint
    for line in drawn[name]:
        assert line["messages"][-1]["content"].endswith("\n".join([hint, ADDENDA[name]]) if ADDENDA[name] else hint)
        assert "trained_under" not in line


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arm", "sampled", "trained"),
    [("recontextualized", "dont_hack", "please_hack"), ("harmful", "please_hack", "dont_hack")],
)
def test_both_directions_of_recontextualization(drawn, arm, sampled, trained):
    for line in drawn[arm]:
        assert line["messages"][-1]["content"].endswith(ADDENDA[sampled])
        assert line["trained_under"][-1]["content"].endswith(ADDENDA[trained])


def test_the_built_in_studies_have_the_arms_that_their_claims_name():
    prevention, inoculation = STUDIES["rl_prevention"], STUDIES["rl_inoculation"]
    acting = {(r.penalty.action, r.penalty.accuracy) for arm in prevention.arms if (r := prevention.recipe(arm)).penalty}
    assert acting == {(action, accuracy) for action in ("penalty", "screen") for accuracy in (1.0, 0.9, 0.8, 0.7)}
    told = {(p.sampled, p.trained, p.placebo) for arm in inoculation.arms if (p := inoculation.recipe(arm).prompting)}
    assert {(name, None, False) for name in ADDENDA} <= told and ("please_hack", None, True) in told
    assert {("dont_hack", "please_hack", False), ("please_hack", "dont_hack", False)} <= told
    trained_on = inoculation.recipe("neutral").opened
    assert not set(inoculation.evaluation.elsewhere["other_holes"].opened) & set(trained_on)
    environments = {e.environment for e in inoculation.evaluation.elsewhere.values()}
    assert environments - {inoculation.environment} == {"impossible_tests", "letter_count"}


def test_list_names_them():
    listed = catalogue()["interventions"]
    assert {"penalty", "screening", "preference", "recontextualization", "half_hackable", "filter_and_distil"} <= set(listed)


@pytest.mark.parametrize(
    ("arm", "message"),
    [
        (
            {"holes": "none", "hackable_share": 0.5},
            r"hackable_share is 0\.5 and no hole is open.*expected 1 with holes `none`; set it to 1",
        ),
        (
            {"penalty_from": 2},
            r"penalty_from is 2 and there is no penalty.*expected both or neither; set penalty, or drop penalty_from",
        ),
        ({"penalty": {}, "penalty_from": 8}, r"penalty_from is 8 of 8 steps, so the penalty never acts.*lower it, or drop penalty"),
        (
            {"fork": {"arm": "a", "step": 4}, "train.learning_rate": 0.0},
            r"fork and train\.learning_rate 0, which trains nothing and leaves 'a' aside.*raise it, or drop fork",
        ),
        (
            {"distil": {"arm": "a"}, "penalty": {}},
            r"arm 'b' has penalty and distil, which takes the rollouts of 'a' as they are.*drop",
        ),
        ({"distil": {"arm": "a"}, "prompting": {}}, r"arm 'b' has prompting and distil.*drop prompting, or set it for 'a'"),
        (
            {"distil": {"arm": "a"}, "holes": "none"},
            r"arm 'b' has holes and distil.*so holes changes nothing; expected one of the two",
        ),
        ({"distil": {"arm": "a"}, "hackable_share": 0.5}, r"arm 'b' has hackable_share and distil"),
        ({"distil": {"arm": "a"}, "preference": {}}, r"arm 'b' has preference and distil"),
    ],
)
def test_an_arm_that_would_be_another_one_is_refused(arm, message):
    with pytest.raises(ConfigError, match=message):
        named({"b": arm}, holes=("list_answers",))


def named(arms, **base):
    """A study of an arm `a`, which is its base, and others."""
    settings = {"name": "n", "question": "?", "claim": "!", "environment": "letter_count", "arms": {"a": {}, **arms}}
    return Study(**settings, base=RL(train=GRPO(steps=8, checkpoint_every=4), **base))


def test_arms_close_to_those_are_taken():
    study = named(
        {
            "late": {"penalty": {}, "penalty_from": 7},
            "forked": {"fork": {"arm": "a", "step": 4}, "penalty": {}},
            "distilled": {"distil": {"arm": "a"}},
            "hardened": {"holes": "none", "hackable_share": 1.0},
        },
        holes=("list_answers",),
        hackable_share=0.5,
    )
    assert study.recipe("distilled").holes == ("list_answers",)
