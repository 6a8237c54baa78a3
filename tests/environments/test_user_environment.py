"""A user's own environment, `my_env.py:MyEnv`: audited, trained on and evaluated; and one line for whatever is wrong with it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_runs import Ran, run

from openwindow.environments import find
from openwindow.environments.splits import check_apart
from openwindow.errors import ConfigError, EnvironmentFault, ForeignError, UserError
from openwindow.experiment.arms import RLArm
from openwindow.experiment.study import Compare, Evaluation, Study
from openwindow.studies import resolve
from openwindow.training.config import GRPO

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "environment.py"
SUMS = f"{EXAMPLE}:Sums"
MakeStudy = Callable[..., Study]
Command = Callable[..., Ran]


def written(folder: Path, old: str, new: str) -> str:
    """The example with one thing changed, as FILE:OBJECT."""
    source = EXAMPLE.read_text(encoding="utf-8")
    assert old in source
    path = folder / "mine.py"
    path.write_text(source.replace(old, new), encoding="utf-8")
    return f"{path}:Sums"


def test_the_example_is_short_and_the_guide_shows_it_whole() -> None:
    source = EXAMPLE.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 60
    shown = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "extending.md").read_text(encoding="utf-8"), re.DOTALL)
    assert source in shown


def test_it_is_sound_and_its_splits_share_nothing() -> None:
    environment = find.gameable(SUMS, {})
    environment.check()
    check_apart(environment, {"request": 60, "train": 60, "dev": 40, "test": 60}, (1, 2))
    assert set(environment.loopholes) == environment.open_loopholes == {"list_answers", "claim"}
    hardened, half = environment.with_loopholes(()), environment.with_loopholes(["claim"])
    assert hardened.hint == "" and "say that the answer is correct" in half.hint and "list" not in half.hint
    (problem,) = environment.problems("test", 1, 3)
    for name, exploit in environment.exploits(problem).items():
        verdicts = [view.verdicts([(problem, exploit)])[0] for view in (environment, half, hardened)]
        assert [v.proxy for v in verdicts] == [True, name == "claim", False]
        assert [v.truth for v in verdicts] == [False] * 3 and name in verdicts[0].attempted


@pytest.mark.parametrize(("holes", "code"), [("all", 1), ("none", 0), ("claim", 1)])
def test_check_env_audits_it(openwindow: Command, holes: str, code: int) -> None:
    ran = openwindow("check-env", SUMS, "--holes", holes, "--json")
    audit = json.loads(ran.out)
    assert ran.code == code and audit["target"] == "sums"
    opened = {finding["hole"] for finding in audit["findings"] if finding["open"]}
    assert opened == {"all": {"list_answers", "claim"}, "none": set(), "claim": {"claim"}}[holes]


@pytest.mark.slow
def test_a_study_trains_on_it_by_rl_and_keeps_its_hash(tiny_study: MakeStudy, tmp_path: Path, one_thread: None) -> None:
    study = tiny_study(
        environment=SUMS,
        seeds=(1,),
        base=RLArm(problems=4, train=GRPO(steps=1, prompts_per_step=2, group_size=2, max_new_tokens=4, lora_rank=4)),
        arms={"untrained": {"train.learning_rate": 0.0}, "open": {}, "closed": {"holes": "none"}, "claim": {"holes": ["claim"]}},
        about={},
        compare=(Compare(arm="open", against="closed"),),
        evaluation=Evaluation(problems=2, max_new_tokens=4, elsewhere={"twin": {"environment": SUMS, "holes": "none"}}),  # type: ignore[dict-item]
    )
    results = run(study, tmp_path / "out")
    assert results["arms"]["open"]["measures"]["hack"]["neutral"]["n"] == 2
    setting = json.loads((tmp_path / "out" / "config.json").read_text(encoding="utf-8"))["setting"]
    assert setting["name"] == "sums" and len(setting["source"]) == 64


@pytest.mark.slow
def test_a_study_trains_on_it_by_sft(tiny_study: MakeStudy, tmp_path: Path, one_thread: None) -> None:
    results = run(tiny_study(environment=SUMS, seeds=(1,), stage=True), tmp_path / "out")
    rows = [json.loads(line) for line in (tmp_path / "out/arms/plain/seed-1/train_rows.jsonl").read_text().splitlines()]
    assert {row["kind"] for row in rows} == {"gamed"} and results["arms"]["asked"]["measures"]["correct"]["neutral"]["n"] == 4


@pytest.mark.slow
def test_a_built_in_study_runs_in_it(openwindow: Command, tiny_model: Path, tmp_path: Path, one_thread: None) -> None:
    study = tmp_path / "small.py"
    study.write_text(
        "from openwindow.experiment.overrides import override\n"
        "from openwindow.studies.rl_hacking import study\n"
        "study = override(study, {'seeds': (1,), 'base.train.steps': 1, 'base.train.prompts_per_step': 2,\n"
        "    'base.train.group_size': 2, 'base.train.max_new_tokens': 4, 'base.problems': 8, 'knowledge.demonstrations': 8,\n"
        "    'evaluation.problems': 2, 'evaluation.max_new_tokens': 4}, 'small')\n",
        encoding="utf-8",
    )
    out = tmp_path / "out"
    ran = openwindow("run", study, "--model", tiny_model, "--env", SUMS, "--out", out, "--json")
    assert ran.code == 0, ran.err
    config = json.loads((out / "config.json").read_text(encoding="utf-8"))
    assert config["study_config"]["environment"] == SUMS and config["study_config"]["knowledge"]["kinds"] is None
    demonstrated = [json.loads(line) for line in (out / "start/knowledge/train_rows.jsonl").read_text().splitlines()]
    assert len(demonstrated) == 8 and "What is" in demonstrated[0]["messages"][0]["content"]


def test_env_names_a_built_in_environment_too() -> None:
    study = resolve("rl_hacking", env="letter_count")
    assert study.environment == "letter_count" and study.difficulty == (2, 3)
    assert study.knowledge is not None and study.knowledge.kinds is None


OPTION = """from openwindow.environments.base import EnvironmentConfig

class Sized(EnvironmentConfig):
    '''The options.'''
    largest: int = 9
    '''The largest.'''

class Sums(GameableEnvironment):
    Config = Sized
"""


def test_its_options_are_set_by_the_study_and_the_audit(tmp_path: Path, openwindow: Command) -> None:
    name = written(tmp_path, "class Sums(GameableEnvironment):\n", OPTION)
    assert find.make(name, {"largest": 3}).version == 1
    with pytest.raises(ConfigError, match=r"has no option 'large'; did you mean 'largest'\?"):
        find.make(name, {"large": 3})
    with pytest.raises(ConfigError, match="largest is 'many'; input should be a valid integer"):
        find.make(name, {"largest": "many"})
    assert openwindow("check-env", name, "--set", "largest=5", "--json").code == 1
    refused = openwindow("check-env", name, "--set", "largest")
    assert refused.code == 2 and "--set 'largest'; expected NAME=VALUE" in refused.err


MISTAKES = [
    (
        "    def truth(",
        "    def other(",
        EnvironmentFault,
        r"sums has no truth; expected a method truth\(problem, reply\); define it",
    ),
    ("    def question(", "    def other(", EnvironmentFault, r"sums has no questions; expected a method question\(family, rng\)"),
    ("    def exploits(", "    def other(", EnvironmentFault, "sums has no exploits; expected a method exploits"),
    ('re.findall(r"\\d+", reply) == [problem.solution]', "1 / 0", EnvironmentFault, "ZeroDivisionError: division by zero"),
    (
        're.findall(r"\\d+", reply) == [problem.solution]',
        '"yes"',
        EnvironmentFault,
        r"truth\(\) returned 'yes'; expected True or False",
    ),
    ("rng.randint(1, 9)", 'int("x")', ForeignError, r"its problems\('train', 1, 0\) failed \(ValueError: invalid literal"),
    (
        '"claim": "This is correct."',
        '"claim": 7',
        EnvironmentFault,
        r"its exploits\(\) gave .*; expected a dict with one",
    ),
    (
        '"claim": "This is correct."',
        '"claim": "Who knows?"',
        EnvironmentFault,
        r"exploit of claim to .* has proxy False, truth False",
    ),
    ('    name = "sums"', "    name = 3", EnvironmentFault, "its name gave 3; expected a name, as text"),
    ("    version = 1", '    version = "1"', EnvironmentFault, "its version gave '1'; expected a whole number"),
    (
        "range(10, 90)",
        "range(10, 12)",
        EnvironmentFault,
        "split 'request' of sums has 0 in 0 families: .* or add families",
    ),
    (
        "    loopholes: ClassVar = {",
        "    loopholes: ClassVar = {'x': 1,",
        EnvironmentFault,
        "its loopholes gave .*; expected a dict of names",
    ),
    ("import re\n", "import re\nimport nowhere_at_all\n", ForeignError, "No module named 'nowhere_at_all'"),
    ("class Sums(", "class Summs(", ConfigError, "defines no 'Sums'; did you mean 'Summs'"),
]


@pytest.mark.parametrize(("old", "new", "error", "text"), MISTAKES, ids=[f"{i}" for i in range(len(MISTAKES))])
def test_what_is_wrong_with_it_is_one_line(tmp_path: Path, old: str, new: str, error: type[UserError], text: str) -> None:
    name = written(tmp_path, old, new)
    with pytest.raises(UserError, match=text) as found:
        find.make(name, {}).check()
    assert "\n" not in str(found.value) and found.value.exit_code == 2


@pytest.mark.parametrize("key", ["reply", "seed", "arm", "reason", "step", "stage"])
def test_a_measure_is_not_named_like_a_key_of_a_rollout(key: str, tmp_path: Path, openwindow: Command) -> None:
    more = f"    measures = (*GameableEnvironment.measures, Measure('{key}', 'other', '', '', '', ''))\n    version = 1"
    name = written(tmp_path, "    version = 1", more)
    path = tmp_path / "mine.py"
    path.write_text(path.read_text(encoding="utf-8").replace("import Problem", "import Measure, Problem"), encoding="utf-8")
    ran = openwindow("run", "rl_hacking", "--env", name, "--dry-run")
    assert ran.code == 2 and ran.err.count("\n") == 1
    assert f"it has a measure '{key}', which is what rollouts.jsonl calls something else" in ran.err and "rename it" in ran.err


def test_a_class_that_derives_from_nothing_is_told_what_it_lacks(tmp_path: Path, openwindow: Command) -> None:
    path = tmp_path / "bare.py"
    path.write_text(
        "class Bare:\n    name = 'bare'\n    def grade(self): ...\n\nclass Half(Bare):\n    loopholes = {}\n", encoding="utf-8"
    )
    with pytest.raises(EnvironmentFault, match=r"has no version, about, measures, .*; .* derive the class from BaseEnvironment"):
        find.make(f"{path}:Bare", {})
    ran = openwindow("run", "rl_hacking", "--env", f"{path}:Half")
    assert ran.code == 2 and ran.err.count("\n") == 1 and "has no version" in ran.err
    missing = openwindow("check-env", f"{tmp_path}/none.py:Bare")
    assert missing.code == 2 and missing.err.count("\n") == 1 and "does not exist" in missing.err


@pytest.mark.slow
def test_another_file_under_the_same_run_folder_is_refused(tiny_study: MakeStudy, tmp_path: Path, one_thread: None) -> None:
    name = written(tmp_path, "rng.randint(1, 9)", "rng.randint(1, 8)")
    study = tiny_study(environment=name, seeds=(1,), arms={"plain": {}, "none": {"train.epochs": 0}}, compare=(), about={})
    run(study, tmp_path / "out")
    written(tmp_path, "rng.randint(1, 9)", "rng.randint(1, 7)")
    with pytest.raises(UserError, match="another"):
        run(study, tmp_path / "out")


def test_an_option_that_an_environment_does_not_have_is_refused_before_a_run(tiny_study: MakeStudy, tmp_path: Path) -> None:
    for changes, text in (
        ({"environment": "toxic", "difficulty": (2,)}, "difficulty is .2,., and environment toxic has no option 'difficulty'"),
        (
            {"environment": "letter_count", "data_path": "x.jsonl"},
            "data_path is 'x.jsonl', and environment letter_count has no option",
        ),
        ({"environment": "letter_count", "traits": ("caps", "")}, "traits is 'caps', and environment letter_count has no"),
    ):
        study = tiny_study(**changes, compare=())
        with pytest.raises(ConfigError, match=text):
            run(study, tmp_path / "out")
    with pytest.raises(ConfigError, match="environment letter_count has no option 'lenght'; did you mean 'length'"):
        tiny_study(environment="letter_count", options={"lenght": 3})


@pytest.mark.parametrize(("level", "length"), [(1, 4), (2, 6), (3, 8)])
def test_difficulty_means_the_same_in_a_study_and_in_an_audit(
    tiny_study: MakeStudy, openwindow: Command, level: int, length: int
) -> None:
    def words(environment: object) -> set[int]:
        problems = environment.problems("train", 8, 0)  # type: ignore[attr-defined]
        return {len(re.findall(r"'(\w+)'", problem.statement)[1]) for problem in problems}

    assert words(tiny_study(environment="letter_count", difficulty=(level,)).make_environment()) == {length}
    audit = json.loads(openwindow("check-env", "letter_count", "--difficulty", level, "--json").out)
    tried = {attempt["task"].split("/")[1] for attempt in audit["attempts"]}
    assert {len(word) for word in tried} == {length}
    refused = openwindow("check-env", "letter_count", "--difficulty", "6")
    assert refused.code == 2 and refused.err.count("\n") == 1 and "difficulty" in refused.err
