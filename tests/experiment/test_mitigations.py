"""Every mitigation is an arm of one line: a study of all of them runs, and each rollout was paid as its arm says."""

import pytest
from tiny_runs import rows_of, run

from openwindow.cli.catalogue import catalogue
from openwindow.environments.toy.letter_count import LetterCount
from openwindow.environments.verdicts import Verdict
from openwindow.errors import ConfigError
from openwindow.experiment.arms import Fork, RLArm
from openwindow.experiment.study import Compare, Context, Evaluation, SFTArm, Study
from openwindow.interventions import INTERVENTIONS
from openwindow.interventions.addenda import ADDENDA, PLACEBOS
from openwindow.interventions.distillation import Distillation
from openwindow.interventions.hack_penalty import Detector, HackPenalty
from openwindow.interventions.inoculation import Inoculation, Placebo
from openwindow.interventions.preference import PreferenceReward
from openwindow.interventions.rl_prompting import Hint, Recontextualization
from openwindow.interventions.style_score import reads_honest
from openwindow.studies import STUDIES
from openwindow.training.config import GRPO

pytestmark = pytest.mark.usefixtures("one_thread")

BASE = RLArm(problems=4, train=GRPO(steps=2, prompts_per_step=2, group_size=4, max_new_tokens=4, lora_rank=4, checkpoint_every=1))
FORBIDS, ASKS = ((ADDENDA[name],) for name in ("dont_hack", "please_hack"))
OWN = "Feel free to write down whatever the checker takes."
ARMS = {
    "none": BASE,
    "hardened": BASE.but(holes="none"),
    "half": BASE.but(hackable_share=0.5),
    "penalty": BASE.but(intervention=HackPenalty(accuracy=0.8)),
    "recall": BASE.but(intervention=HackPenalty(accuracy=0.9, recall=0.5, penalty=2.0)),
    "screen": BASE.but(intervention=HackPenalty(accuracy=0.8, action="screen")),
    "static": BASE.but(intervention=HackPenalty(detector="static", how="set")),
    "preference": BASE.but(intervention=PreferenceReward(weight=0.25)),
    "both": BASE.but(intervention=(PreferenceReward(weight=0.25), HackPenalty(penalty=2.0))),
    **{name: BASE.but(intervention=(Hint(), Inoculation([text])) if text else Hint()) for name, text in ADDENDA.items()},
    "own_words": BASE.but(intervention=Inoculation([OWN], "system")),
    "recontextualized": BASE.but(intervention=(Hint(), Recontextualization(sampled=FORBIDS, trained=ASKS))),
    "harmful": BASE.but(intervention=(Hint(), Recontextualization(sampled=ASKS, trained=FORBIDS))),
    "late": BASE.but(fork=Fork(arm="none", step=1), intervention=HackPenalty()),
    "distilled": BASE.but(intervention=Distillation(arm="none", detector=Detector(accuracy=0.9))),
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
    study = Study(
        name="mitigations",
        question="Does each run?",
        claim="Each does.",
        model=str(tiny_model),
        precision="fp32",
        environment="letter_count",
        seeds=(1,),
        contexts={"neutral": Context()},
        base=BASE,
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
def test_interventions_act_in_the_order_in_which_they_are_named(drawn):
    for line in drawn["both"]:
        liked = reads_honest(line["messages"][-1]["content"], line["reply"])
        assert line["reward"] == pytest.approx(0.75 * line["passes_visible"] + 0.25 * liked - 2 * line["flagged"])
        assert line["flagged"] == line["hack"]


def test_rl_is_inoculated_with_words_of_the_users_own_as_fine_tuning_is(drawn):
    for line in drawn["own_words"]:
        system, asked = line["messages"]
        assert system["role"] == "system" and system["content"].endswith(f"\n\n{OWN}") and OWN not in asked["content"]
        assert LetterCount().hint not in asked["content"] and "trained_under" not in line


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
    acting = {(i.action, i.accuracy) for arm in prevention.arms.values() for i in arm.interventions if isinstance(i, HackPenalty)}
    assert acting == {(action, accuracy) for action in ("penalty", "screen") for accuracy in (1.0, 0.9, 0.8, 0.7)}
    asked = {name: inoculation.arms[name].instruction for name in ADDENDA}
    assert {name: i.texts for name, i in asked.items() if i is not None} == {n: (t,) for n, t in ADDENDA.items() if t}
    assert inoculation.arms["placebo"].instruction == Placebo([PLACEBOS["please_hack"]])
    told = [i for arm in inoculation.arms.values() for i in arm.interventions if isinstance(i, Recontextualization)]
    assert [(i.sampled, i.trained) for i in told] == [(FORBIDS, ASKS), (ASKS, FORBIDS)]
    assert all(Hint() in arm.interventions for name, arm in inoculation.arms.items() if name != "untrained")
    trained_on = inoculation.arms["neutral"].opened
    assert not set(inoculation.evaluation.elsewhere["other_holes"].opened) & set(trained_on)
    environments = {e.environment for e in inoculation.evaluation.elsewhere.values()}
    assert environments - {inoculation.environment} == {"impossible_tests", "letter_count"}


def test_list_names_them():
    listed = catalogue()["interventions"]
    assert set(listed) == set(INTERVENTIONS) and all(text.endswith((".", "control.")) for text in listed.values())


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
        ({"penalty": {}, "penalty_from": 8}, r"from_step 8 of 8 steps, so it never acts.*lower it, or drop the penalty"),
        (
            {"intervention": Recontextualization(sampled=ASKS, trained=FORBIDS), "train.kl_weight": 0.1},
            "expected 0 with two prompts",
        ),
        ({"intervention": Inoculation(["x"], only="gamed")}, r"inoculation.only is 'gamed' under RL; expected all"),
        (
            {"fork": {"arm": "a", "step": 4}, "train.learning_rate": 0.0},
            r"fork and train\.learning_rate 0, which trains nothing and leaves 'a' aside.*raise it, or drop fork",
        ),
        (
            {"distil": {"arm": "a"}, "penalty": {}},
            r"arm 'b' has hack_penalty and distillation, which takes the rollouts of 'a' as they are.*drop",
        ),
        ({"distil": {"arm": "a"}, "prompting": {}}, r"arm 'b' has hint and distillation.*drop hint, or set it for 'a'"),
        (
            {"distil": {"arm": "a"}, "holes": "none"},
            r"arm 'b' has holes and distillation.*so holes changes nothing; expected one of the two",
        ),
        ({"distil": {"arm": "a"}, "hackable_share": 0.5}, r"arm 'b' has hackable_share and distillation"),
        ({"distil": {"arm": "a"}, "preference": {}}, r"arm 'b' has preference and distillation"),
    ],
)
def test_an_arm_that_would_be_another_one_is_refused(arm, message):
    with pytest.raises(ConfigError, match=message):
        named({"b": arm}, holes=("list_answers",))


def named(arms, **base):
    """A study of an arm `a`, which is its base, and others."""
    settings = {"name": "n", "question": "?", "claim": "!", "environment": "letter_count", "arms": {"a": {}, **arms}}
    return Study(**settings, base=RLArm(train=GRPO(steps=8, checkpoint_every=4), **base))


def test_fields_of_version_1_are_the_interventions_that_they_became():
    old = {"prompting": {"sampled": "dont_hack", "trained": "please_hack"}, "penalty": {"accuracy": 0.9}, "penalty_from": 2}
    study = named(
        {"b": old, "c": {"distil": {"arm": "a", "rows": 5}}, "d": {"prompting": {"placebo": True, "sampled": "please_hack"}}}
    )
    both = Recontextualization(sampled=FORBIDS, trained=ASKS)
    assert study.arms["b"].interventions == (Hint(), both, HackPenalty(accuracy=0.9, from_step=2))
    assert study.arms["c"].interventions == (Distillation(arm="a", rows=5),)
    assert study.arms["d"].interventions == (Hint(), Placebo([PLACEBOS["please_hack"]]))
    of_base = named({"b": {"penalty.accuracy": 0.7}, "c": {"penalty": None}, "d": {"preference": {}}}, penalty={"accuracy": 0.9})
    assert of_base.base.interventions == (HackPenalty(accuracy=0.9),)
    assert of_base.arms["b"].interventions == (HackPenalty(accuracy=0.7),) and of_base.arms["c"].interventions == ()
    assert of_base.arms["d"].interventions == (PreferenceReward(), HackPenalty(accuracy=0.9))


def test_a_mitigation_of_the_other_kind_of_training_is_refused():
    with pytest.raises(ConfigError, match="'hack_penalty' changes nothing in an arm of kind 'sft'; expected one with on_rows"):
        SFTArm().but(intervention=HackPenalty())


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
    assert study.arms["distilled"].holes == ("list_answers",)
