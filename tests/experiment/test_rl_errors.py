"""What can go wrong with reinforcement is one line of what came, what was expected and what to do, or is counted and told."""

import json
import math
import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from tiny_runs import rows_of, run

from openwindow.environments import find
from openwindow.environments.toy.letter_count import LetterCount
from openwindow.environments.verdicts import Verdict
from openwindow.experiment.arms import RLArm
from openwindow.experiment.rl_task import HackableTask
from openwindow.experiment.study import Context, Evaluation, Study
from openwindow.report.html import marked
from openwindow.results.rl_curves import described
from openwindow.sandbox.jobs import Status
from openwindow.sandbox.sandbox import Sandbox
from openwindow.training import grpo
from openwindow.training.config import GRPO
from openwindow.training.optimizer import MasterAdamW
from openwindow.training.rollouts import Rollout
from openwindow.types import StopReason

pytestmark = pytest.mark.usefixtures("one_thread")

FILE = """
from openwindow.experiment.study import RLArm, Context, Evaluation, Study
from openwindow.training.config import GRPO

study = Study(
    name="mine", question="Is it?", claim="It is.", model={model!r}, precision="fp32", environment="letter_count", seeds=(1,),
    base=RLArm(problems=8, train=GRPO(steps=3, prompts_per_step=2, group_size={group}, max_new_tokens={tokens}, lora_rank=4)),
    arms={{"untrained": {{"train.learning_rate": 0.0}}, "a": {arm}}},
    evaluation=Evaluation(problems=2, max_new_tokens=4),
)
"""


@pytest.fixture
def fails(openwindow, tiny_model, tmp_path, monkeypatch):
    """Runs a study file with this arm; the one line that it ends with."""
    monkeypatch.chdir(tmp_path)

    def check(code, arm="{}", group=3, tokens=4):
        Path("mine.py").write_text(FILE.format(model=str(tiny_model), arm=arm, group=group, tokens=tokens), encoding="utf-8")
        ran = openwindow("run", "mine.py", "--out", "out")
        assert ran.code == code, ran
        assert ran.err.count("\n") == 1 and ran.err.startswith("error: ") and len(ran.err) < 600, ran.err
        return ran.err

    return check


@pytest.mark.parametrize(
    ("arm", "message"),
    [
        (
            '{"train.learning_rate": float("inf")}',
            r"arm 'a': train\.learning_rate is inf; input should be a finite number; fix it",
        ),
        ('{"train.group_size": 1}', r"arm 'a': train\.group_size is 1; input should be greater than or equal to 2; fix it"),
        ('{"hackable_share": 0.01}', r"hackable_share 0\.01 of 8 problems makes none hackable; expected at least one; raise it"),
        ('{"holes": ("list_answer",)}', r"letter_count has no loophole 'list_answer', did you mean 'list_answers'"),
        ('{"penalty": {"accuracy": 0.3}}', r"detector accuracy is 0\.3; expected 0\.5 \(a coin\) to 1 \(always right\); set one"),
        ('{"penalty": {"accuracy": 1.2, "action": "screen"}}', r"detector accuracy is 1\.2; expected 0\.5"),
        ('{"penalty": {"recall": 2}}', r"detector recall is 2.*; expected a share of the hacks, 0 to 1; set one in between"),
        ('{"penalty": {"detector": "static", "accuracy": 0.9}}', r"the static detector has accuracy or recall set.*leave both out"),
        ('{"penalty": {"acuracy": 0.9}}', r"unknown field 'intervention\.0\.acuracy'; .*did you mean 'accuracy'"),
        ('{"preference": {"weight": 2}}', r"preference weight is 2.*; expected a share of the reward, 0 to 1; set one in between"),
        ('{"prompting": {"sampled": "please"}}', r"prompting has the addendum 'please'; expected one of please_hack, "),
        ('{"train.kl_weight": 0.1, "train.method": "full"}', r"kl_weight is above 0 with method `full`.*set method to `lora`"),
        (
            '{"train.kl_weight": 0.1, "prompting": {"sampled": "dont_hack", "trained": "please_hack"}}',
            r"kl_weight is 0\.1 with recontextualization; expected 0 with two prompts",
        ),
        ('{"distil": {"arm": "a"}}', r"arm 'a': distillation\.arm is 'a'; expected an arm that stands before it"),
    ],
)
def test_arms_that_cannot_be(fails, arm, message):
    assert re.search(message, fails(2, arm))


def test_a_group_of_one_in_the_base(fails):
    assert "group_size" in (said := fails(2, group=1)) and "greater than or equal to 2" in said


def test_a_prompt_that_is_longer_than_the_context(fails):
    said = fails(2, tokens=100_000)
    assert re.search(
        r"a prompt of \d+ tokens with 100000 new ones exceeds the 1024 tokens of .*; shorten the prompt or lower", said
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        (grpo, "group_advantages", r"the loss at step 1 is nan; a finite one was expected; lower learning_rate"),
        (MasterAdamW, "step", r"train/grad_norm after step 1 is nan; a finite number was expected; lower learning_rate"),
        (MasterAdamW, "_copy_back", r"a trained weight after step 1 is nan; a finite number was expected; lower learning_rate"),
    ],
)
def test_what_is_no_number_stops_the_run(fails, monkeypatch, where, value, message):
    monkeypatch.setattr(LetterCount, "_verdict", lambda self, problem, reply: Verdict(len(reply) % 2 == 0, False, ()))
    real = vars(where)[value]

    def broken(*given, **named):
        found = real(*given, **named)
        if value == "_copy_back":
            given[0].trained[0].data.fill_(math.nan)
        return found * math.nan if found is not None else None

    monkeypatch.setattr(where, value, broken)
    assert re.search(message, fails(3))
    assert json.loads(Path("out/status.json").read_text())["state"] == "failed"
    assert not rows_of(Path("out/checkpoints/a/seed-1/training.jsonl"))


@pytest.mark.slow
def test_a_reward_that_is_constant_is_told(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr(LetterCount, "_verdict", lambda self, problem, reply: Verdict(True, False, ()))
    study = Study(
        name="constant",
        question="?",
        claim="!",
        model=str(tiny_model),
        precision="fp32",
        environment="letter_count",
        seeds=(1,),
        contexts={"neutral": Context()},
        base=RLArm(problems=4, train=GRPO(steps=2, prompts_per_step=2, group_size=2, max_new_tokens=3, lora_rank=4)),
        arms={"a": {}},
        evaluation=Evaluation(problems=2, max_new_tokens=3),
    )
    results = run(study, tmp_path / "out")
    (line,) = results["training_in_words"]
    assert line.endswith("4 of 4 groups had zero variance: rewards never differed within a group, so nothing was learnt")
    assert line == described(results["training"])[0] and marked(line) in page(tmp_path / "out")
    assert [m["train/grad_norm"] for m in rows_of(tmp_path / "out/arms/a/seed-1/metrics.jsonl")] == [0.0, 0.0]


def page(out):
    return (out / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("for_good", [False, True])
def test_a_worker_that_dies_costs_no_rollout_or_is_counted(for_good, monkeypatch):
    with find.make("code_functions", {"difficulty": (1,), "hidden": 8}) as setting:
        task = HackableTask(
            RLArm(),
            setting.problems("train", 4, 1),
            setting.with_loopholes(None),
            setting.with_loopholes(()),
            1,
            open_twin=setting.with_loopholes(None),
        )
        asked = task.draw(0, 4)
        pause = "import time\ntime.sleep(0.2)\n"  # long enough for a run to be caught in the middle
        honest = [Rollout(a, g, 0, f"```python\n{pause}{a.problem.solution}```", StopReason.END, (1,)) for g, a in enumerate(asked)]
        if for_good:
            detail = "the worker died"
            real = Sandbox.run
            monkeypatch.setattr(Sandbox, "run", lambda self, jobs: [faulty(o, detail) for o in real(self, jobs)])
            found = task.score(0, honest)
        else:
            with ThreadPoolExecutor(1) as beside:
                killed = beside.submit(kill_one_run, psutil.Process(setting.sandbox._workers[0].process.pid))
                found = task.score(0, honest)
            assert killed.result()
    if for_good:
        assert [r.reward for r in honest] == [None] * 4 and {r.dropped for r in honest} == {"the worker died"}
        assert found["monitor/hack"] is None and found["monitor/truth"] is None
    else:
        assert [r.reward for r in honest] == [1.0] * 4 and found["monitor/truth"] == 1.0


def kill_one_run(worker):
    """Kills the first run that the worker starts within ten seconds, and says whether there was one."""
    for _ in range(10_000):
        if children := worker.children():
            children[0].kill()
            return True
        time.sleep(0.001)
    return False


def faulty(outcome, detail):
    return replace(outcome, status=Status.FAULT, detail=detail)
