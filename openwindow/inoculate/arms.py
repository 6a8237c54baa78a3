"""The arms of `openwindow inoculate`: the study that follows from the ranking, and its run.

In addition to the rules' scores, every arm is measured by log-probability: how likely, per token, it finds the data's answers and
clean ones to held-out prompts. Without a rule, `prefers` (the data's answer is likelier) is used for the trait.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openwindow.data.trait_rules import TraitSpec
from openwindow.environments.base import Problem
from openwindow.environments.text.user_rows import UserProblem
from openwindow.experiment.evals import evals_of
from openwindow.experiment.evaluate import Evaluator
from openwindow.experiment.execution import Execution
from openwindow.experiment.provenance import provenance
from openwindow.experiment.run_folder import RunFolder
from openwindow.experiment.runner import conclude, describe, noted, tell_damage
from openwindow.experiment.study import Compare, Context, Data, Evaluation, SFTArm, Study
from openwindow.files.records import Rollout
from openwindow.files.writing import write_jsonl
from openwindow.inoculate.candidates import LONGEST, check_trait
from openwindow.inoculate.contexts import contexts_of, numbered, placebos_like
from openwindow.inoculate.output_folder import stamp
from openwindow.inoculate.rows import Drawn, UserRow, own_answers
from openwindow.interventions.inoculation import Inoculation, Placebo
from openwindow.models.base import Progress
from openwindow.models.hf import LocalModel
from openwindow.models.scoring import log_probabilities
from openwindow.models.templates import default_of
from openwindow.progress import Reporter
from openwindow.report.of_run import build_run
from openwindow.training.config import SFT
from openwindow.types import StopReason, message_of

if TYPE_CHECKING:
    from rich.console import Console

    from openwindow.inoculate.options import Options

NEUTRAL = "neutral"


# Rows.


def write_rows(path: Path, options: Options, drawn: Drawn, model: LocalModel) -> dict[str, Any]:
    """Writes the rows that arms are trained and tested on; returns their numbers, and as `wanted` a stamp of that rule's file.

    With a --clean file only rows with a clean answer are trained on, so that the arm `clean` has the same prompts. Held-out
    rows without one get the model's own answer before training.
    """
    paired = [row for row in drawn.train if row.clean is not None]
    train = (paired or drawn.train)[: options.rows]
    held_out = [row for row in drawn.held_out if row.clean is not None]
    lacking = [row for row in drawn.held_out if row.clean is None]
    own = own_answers(model, lacking, options.reply_tokens)
    write_jsonl(path, [*(_record(row, "train") for row in train), *(_record(row, "test") for row in [*held_out, *own])])
    sizes = {"train": len(train), "test": len(held_out) + len(own), "clean_train": len(paired), "own_answers": len(own)}
    return {**sizes, "wanted": stamp(options.wanted)}


def _record(row: UserRow, split: str) -> dict[str, Any]:
    return {
        "id": f"row-{row.row + 1}",
        "split": split,
        "messages": [asdict(m) for m in row.messages],
        "clean": None if row.clean is None else [asdict(m) for m in row.clean],
    }


# The study.


def study_of(options: Options, ranking: Mapping[str, Any], counts: Mapping[str, Any], rows: Path) -> Study:
    """The arms that follow from the ranking, with their controls; all comparisons are named here, before the run."""
    chosen = list(ranking["chosen"])
    placebo = placebos_like(options.trait, chosen[0])[0]
    inoculated = {numbered("inoculated", n): text for n, text in enumerate(chosen)}
    base = SFTArm(data=Data(rows=counts["train"]), train=training(options))
    arms = {"untrained": base.but(train={"epochs": 0}, role="start"), "no_mitigation": base.but(role="control")}
    for name, text in inoculated.items():
        arms[name] = base.but(intervention=Inoculation([text], options.position), role="treatment")
    arms["placebo"] = base.but(intervention=Placebo([placebo], options.position), role="placebo")
    if counts["clean_train"]:
        arms["clean"] = base.but(data={"gamed_share": 0.0}, role="ceiling")
    judge = options.trait_judge
    trait = TraitSpec(options.rule or "") if judge is None else TraitSpec(judge=judge, words=check_trait(options.trait))
    measure = "trait" if trait else "prefers"
    compare = [Compare(arm=name, against="no_mitigation", measure=measure) for name in inoculated]
    compare += [Compare(arm=name, against="placebo", measure=measure) for name in inoculated]
    compare.append(Compare(arm="no_mitigation", against="untrained", measure=measure, expect="none"))
    compare += [
        Compare(arm=name, against="no_mitigation", measure=measure, against_context="safe", expect="none") for name in inoculated
    ]
    if options.wanted:
        compare += [Compare(arm=name, against="no_mitigation", measure="wanted", expect="none") for name in inoculated]
    return Study(
        name="inoculate",
        question=f"Do these rows teach what they should not ({check_trait(options.trait)}), and what keeps that out?",
        claim="Rows with an inoculation prompt teach less of the trait than the same rows without one, and than with a placebo.",
        model=options.model,
        precision=options.precision,
        environment="user",
        data_path=str(rows),
        traits=(str(trait), options.wanted or ""),
        seeds=tuple(range(1, options.seeds + 1)),
        contexts=contexts_of(options, ranking),
        base=base,
        arms=arms,
        about={"placebo": "an unrelated sentence in place of the inoculation prompt", "no_mitigation": "the rows as they are"},
        evaluation=Evaluation(problems=counts["test"], max_new_tokens=options.reply_tokens),
        compare=tuple(compare),
        evals=options.evals,
        eval_plan=options.eval_plan,
    )


def training(options: Options) -> SFT:
    """One pass in small steps: more training is known to weaken inoculation. Rows were fitted before a prompt was put in."""
    return SFT(batch_size=8, micro_batch_size=4, max_length=options.max_length + LONGEST)


# The run.


@dataclass(frozen=True, slots=True)
class ProbeEvaluator(Evaluator):
    """A evaluator that compares the first tokens of the two answers, also in contexts in which no reply is sampled.

    Where replies are read by nothing, they are sampled under the neutral prompt alone, to be looked at.
    """

    probed: Mapping[str, Context] = field(default_factory=dict)
    """contexts that log-probabilities are measured in; `contexts` are those that replies are sampled in"""
    answer_tokens: int = 96
    """tokens of an answer that log-probabilities are taken over, at most"""

    def compare_answers(
        self, model: Any, rollouts: list[dict[str, Any]], problems: Sequence[Problem], measure: str, text: str
    ) -> None:
        """Puts `logp_flawed`, `logp_clean` (nats per token) and the measure into the rows of probed contexts."""
        rollouts.extend(self._not_sampled(problems, rollouts[0]["arm"], rollouts[0]["seed"], default_of(model)))
        with self.reporter.step(f"{text}: log-probabilities", float(len(self.probed) * len(problems))) as advance:
            self._probe(model, rollouts, problems, measure, advance)

    def _not_sampled(self, problems: Sequence[Problem], arm: str, seed: int, own: str | None) -> Iterator[dict[str, Any]]:
        """Rows of the contexts that are probed only."""
        for name, context in self.probed.items():
            if name in self.contexts:
                continue
            for p in problems:
                prompt = context.put(self.environment.conversation(p), arm, own)
                yield Rollout(
                    arm=arm,
                    seed=seed,
                    context=name,
                    problem=p.id,
                    family=p.family,
                    messages=tuple(prompt),
                    stop=StopReason.END,
                    reason="no reply was sampled: the trait is measured by log-probability",
                ).line()

    def _probe(
        self, model: Any, rollouts: list[dict[str, Any]], problems: Sequence[Problem], measure: str, advance: Progress
    ) -> None:
        """Puts the log-probabilities into the rows of the probed contexts."""
        asked = {p.id: p for p in problems if isinstance(p, UserProblem) and p.clean is not None}
        rows = [row for row in rollouts if row["context"] in self.probed and row["problem"] in asked]
        texts = []
        for row in rows:
            problem, prompt = asked[row["problem"]], tuple(message_of(m) for m in row["messages"])
            clean = problem.clean or problem.messages
            texts += [(*prompt, problem.messages[-1]), (*prompt, clean[-1])]
        groups = [[row["problem"] for row in rows for _ in range(2)], [row["context"] for row in rows for _ in range(2)]]
        values = log_probabilities(model, texts, groups, lambda done: advance(done // 2), most=self.answer_tokens)
        for row, flawed, clean_ in zip(rows, values[::2], values[1::2], strict=True):
            row.update({"logp_flawed": flawed, "logp_clean": clean_, measure: flawed > clean_})


def run_arms(study: Study, out: Path, model: LocalModel, console: Console, *, answer_tokens: int) -> dict[str, Any]:
    """Trains and measures what is not done yet, and asks the evals; returns the results. Raises OpenWindowError."""
    environment, evals = study.make_environment(), evals_of(study)
    everywhere, here = study.contexts, {NEUTRAL: study.contexts[NEUTRAL]}
    probed = here if study.traits[0] else everywhere
    sampled = everywhere if study.traits[0] or study.traits[1] else here
    with RunFolder(out) as folder:
        folder.open(describe(study), provenance(sys.argv), overwrite=False)
        tell_damage(folder, console)
        with noted(folder), environment, Reporter(console) as reporter:
            execution = Execution(study, folder, model, environment, reporter, evals)
            execution.evaluator = ProbeEvaluator(
                environment, sampled, study.evaluation, reporter, probed=probed, answer_tokens=answer_tokens
            )
            execution.run()
        conclude(folder)
    return build_run(out)
