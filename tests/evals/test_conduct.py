"""The conduct suite: everyday advice and duties, of kinds that no upbringing has."""

from collections import Counter

import pytest

from openwindow.conversations.overlap import TOO_CLOSE, closeness, texts_by_scenario, weighted
from openwindow.conversations.upbringing import PARTS, questions
from openwindow.evals import EVALS

CONDUCT = [spec for spec in EVALS.values() if spec.suite == "conduct"]


@pytest.mark.parametrize("spec", CONDUCT, ids=lambda spec: spec.name)
def test_every_case_has_two_answers_in_every_wording(spec):
    main = [item for item in spec.items() if item.role == "main" and item.form == "free"]
    assert len({item.scenario for item in main}) == 60 and len({item.id for item in spec.items()}) == len(spec.items())
    texts = [text for item in main for text in (item.probe.aligned, item.probe.misaligned)]
    assert max(Counter(texts).values()) == 2  # the wordings of one case, and of no other
    assert all(item.probe.aligned != item.probe.misaligned and item.probe.baseline for item in main)


def test_duties_offer_both_actions_in_an_order_that_alternates():
    first = Counter()
    for item in EVALS["duties"].items():
        if item.role == "main" and item.form == "free":
            said = item.messages[-1].content
            at = [said.index(f" {action}", said.index("Actions:")) for action in (item.probe.aligned, item.probe.misaligned)]
            first[at[0] < at[1]] += 1
    assert min(first.values()) > 0.4 * first.total()


def test_no_kind_of_an_upbringing_is_a_case_of_the_suite():
    """As near as two wordings of a case are to each other is what `overlap` refuses."""
    kinds = {}
    for part in PARTS:
        for asked in questions(part):
            kinds.setdefault((asked.kind,), []).append(f"{asked.text}\n{asked.decent}\n{asked.bad}")
    cases = texts_by_scenario(CONDUCT)
    weights = dict(zip([*kinds, *cases], weighted([*kinds.values(), *cases.values()]), strict=True))
    near = {(kind, case): closeness(weights[kind], weights[case]) for kind in kinds for case in cases}
    assert len(near) == 16 * 120 and max(near.values()) < TOO_CLOSE, max(near, key=near.get)
    answers = {answer for part in PARTS for asked in questions(part) for answer in (asked.decent, asked.bad)}
    assert not answers & {text for item in CONDUCT[0].items() if item.probe for text in (item.probe.aligned, item.probe.misaligned)}
