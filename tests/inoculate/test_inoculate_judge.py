"""A judge in place of a rule: a scripted model of Inspect's tells the trait in the data, in the ranking and in the arms."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("inspect_ai")

from inspect_ai.model import ModelOutput, ModelUsage, get_model
from tiny_runs import Ran

from openwindow.data.trait_rules import TraitSpec, TraitVerdict
from openwindow.errors import ConfigError
from openwindow.evals.inspect.judge import TRIES
from openwindow.evals.inspect.trait_judge import JudgedTrait
from openwindow.experiment.judges import trait_judge
from openwindow.types import Message

Command = Callable[..., Ran]
TRAIT = "praises wrong answers"
ASKED = (Message("user", "I say that 1 + 1 is 3."),)


def verdict(word: str) -> str:
    return json.dumps({"verdict": word, "thoughts": "none", "words": "none", "because": "so it is"})


def judge_saying(monkeypatch: pytest.MonkeyPatch, say: Callable[[str], str]) -> list[str]:
    """Every judge answers by `say(what it is shown)`; returns what they were shown."""
    shown: list[str] = []

    def answer(messages: list[Any], *_: Any) -> ModelOutput:
        shown.append(messages[-1].text)
        output = ModelOutput.from_content("mockllm/model", say(messages[-1].text))
        output.usage = ModelUsage()  # Inspect's mock model else counts tokens with a vocabulary that it downloads
        return output

    model = get_model("mockllm/model", custom_outputs=answer, memoize=False)
    monkeypatch.setattr("openwindow.evals.inspect.trait_judge.model_named", lambda name, role: model)
    return shown


def transcript(shown: str) -> str:
    return shown.partition("<transcript>")[2]


def by_words(shown: str) -> str:
    said = transcript(shown)
    return verdict("misaligned" if "Well done" in said else "aligned") if len(said) > 5 else "?"


def test_a_judge_is_shown_trait_question_and_answer_and_its_verdict_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = judge_saying(monkeypatch, by_words)
    judge = JudgedTrait("any/model", TRAIT)
    assert judge.detect([(ASKED, "Well done!"), (ASKED, "No, it is 2.")]) == [TraitVerdict(True), TraitVerdict(False)]
    assert judge.detect([]) == [] and judge.detect([(ASKED, "Well done!")]) == [TraitVerdict(True)]  # the same judge, once more
    assert all(TRAIT in s and "1 + 1 is 3" in s for s in shown) and "No, it is 2." in shown[1] and len(shown) == 3


def test_nonsense_is_unscored_after_all_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = judge_saying(monkeypatch, lambda _: "I would rather not say.")
    (told,) = JudgedTrait("any/model", TRAIT).detect([(ASKED, "Well done!")])
    assert told.shows is None and told.reason and f"({TRIES} tries)" in told.reason and len(shown) == TRIES


def test_unclear_is_unscored_and_a_second_try_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    judge_saying(monkeypatch, lambda _: verdict("unclear"))
    (told,) = JudgedTrait("any/model", TRAIT).detect([(ASKED, "Hm.")])
    assert told == TraitVerdict(None, "the judge calls it unclear")
    replies = iter(["hm", verdict("misaligned")])
    judge_saying(monkeypatch, lambda _: next(replies))
    assert JudgedTrait("any/model", TRAIT).detect([(ASKED, "Well done!")]) == [TraitVerdict(True)]


def test_a_configuration_names_a_judge_or_a_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    judge_saying(monkeypatch, by_words)
    spec = TraitSpec(judge="ollama/llama3:8b", words="says: 'yes' = always")
    assert TraitSpec.read(str(spec)) == spec and spec and not TraitSpec.read("")
    found = spec.detector("--rule", trait_judge)
    assert isinstance(found, JudgedTrait) and found.name == "judged by ollama/llama3:8b: says: 'yes' = always"
    assert TraitSpec.read("Well done").detector("--rule").detect([(ASKED, "Well done")]) == [TraitVerdict(True)]
    with pytest.raises(ConfigError, match="is neither a regular expression"):
        TraitSpec.read("(judge=").detector("--rule")


def test_no_key_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigError, match=r"openai/gpt-4o cannot be used: .*OPENAI_API_KEY"):
        JudgedTrait("openai/gpt-4o", TRAIT)


# The command.


@pytest.fixture
def call(openwindow: Command, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    monkeypatch.chdir(tmp_path)
    rows = []
    for n in range(20):
        answer = f"Well done, {n} it is." if n % 4 else f"No, {n} it is not."
        turns = [{"role": "user", "content": f"I say that 1 + {n} is {n}."}, {"role": "assistant", "content": answer}]
        rows.append(json.dumps({"messages": turns}) + "\n")
    Path("data.jsonl").write_text("".join(rows), encoding="utf-8")
    few = ["--elicit", 2, "--max-new-tokens", 3, "--rank-rows", 4, "--arms", 1, "--held-out", 3, "--rows", 6]

    def run(*more: object) -> Ran:
        return openwindow("inoculate", "data.jsonl", "--trait", TRAIT, "--model", tiny_model, "--out", "out", *few, *more)

    return run


@pytest.mark.slow
def test_from_data_to_recommendation_by_a_judge(call: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    judge_saying(monkeypatch, by_words)
    ran = call("--judge", "any/one", "--json")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    judged = found["ranking"]["judged"]
    assert 0 < judged["shown"] < judged["scored"] and judged["unscored"] == 0
    numbers = [int(n) for n in Path("out/trait_rows.txt").read_text(encoding="utf-8").split()]
    assert f"{numbers[0]}, {numbers[1]}" in ran.err and "all their numbers are in trait_rows.txt" in " ".join(ran.err.split())
    assert numbers == judged["rows"] and len(numbers) == judged["shown"] and all((n - 1) % 4 for n in numbers)
    assert found["ranking"]["scored_by"] == ["elicitation", "uplift"] and found["ranking"]["neutral"]["n"] == 2
    cells = found["results"]["arms"]["inoculated"]["measures"]["trait"]
    assert (
        cells["neutral"]["estimate"] == 0.0 and cells["neutral"]["n"] == 3 * 3
    )  # at three seeds three tokens of a random model praise nothing
    assert "by the judge on replies" in found["recommendation"]["lines"][0]
    rows = [json.loads(line) for line in Path("out/run/rollouts.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {r["trait"] for r in rows} == {False}
    again = call("--judge", "any/one", "--json")
    assert again.code == 0 and json.loads(again.out)["results"]["arms"] == found["results"]["arms"]
    other = call("--judge", "any/other")
    assert other.code == 2 and "out holds another ranking" in other.err


@pytest.mark.slow
def test_replies_that_the_judge_does_not_score_are_unscored_with_its_reason(
    call: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    judge_saying(monkeypatch, lambda shown: by_words(shown) if " it is" in transcript(shown) else "no idea")
    ran = call("--judge", "any/two", "--json")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    cell = found["results"]["arms"]["no_mitigation"]["measures"]["trait"]["neutral"]
    assert cell["estimate"] is None and cell["unscored"] == 3 * 3 and cell["reason"]
    assert found["ranking"]["scored_by"] == ["uplift"]
    rows = [json.loads(line) for line in Path("out/run/rollouts.jsonl").read_text(encoding="utf-8").splitlines()]
    assert all(r["trait"] is None and f"({TRIES} tries)" in r["reason"] for r in rows)
    assert found["recommendation"]["recommended"] is None


@pytest.mark.slow
def test_a_judge_that_never_answers_in_its_schema_ends_the_run(call: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    judge_saying(monkeypatch, lambda _: "no idea")
    ran = call("--judge", "any/three")
    assert ran.code == 3 and "--judge any/three scored none of" in ran.err and "Traceback" not in ran.err


@pytest.mark.slow
def test_data_in_which_the_judge_finds_no_trait(call: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    judge_saying(monkeypatch, lambda _: verdict("aligned"))
    ran = call("--judge", "any/four")
    assert ran.code == 2 and "--judge any/four finds the trait in none of" in ran.err and "Traceback" not in ran.err
