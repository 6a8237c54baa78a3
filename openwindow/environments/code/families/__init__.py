"""Families of short function tasks, by topic.

To add one, write a `Family` in the file of its topic. Its `group` is fixed once and for all: moving a family from one split to
another makes results from before and after the move incomparable.
"""

from __future__ import annotations

from openwindow.environments.code.families.basics import BASICS
from openwindow.environments.code.families.conversions import CONVERSIONS
from openwindow.environments.code.families.family import Family
from openwindow.environments.code.families.lists import LISTS
from openwindow.environments.code.families.numbers import NUMBERS
from openwindow.environments.code.families.predicates import PREDICATES
from openwindow.environments.code.families.records import RECORDS
from openwindow.environments.code.families.texts import TEXTS

TOPICS: dict[str, tuple[Family, ...]] = {
    "basics": BASICS,
    "numbers": NUMBERS,
    "predicates": PREDICATES,
    "texts": TEXTS,
    "lists": LISTS,
    "records": RECORDS,
    "conversions": CONVERSIONS,
}
FAMILIES: dict[str, Family] = {family.name: family for topic in TOPICS.values() for family in topic}


def train_halves() -> tuple[list[str], list[str]]:
    """Names of the training families in two fixed halves, balanced over topic and difficulty.

    They are for two training stages that must not share a family, such as one that teaches what a request means and
    one that trains on flawed answers.
    """
    first = [f.name for f in FAMILIES.values() if f.group == "train_a"]
    second = [f.name for f in FAMILIES.values() if f.group == "train_b"]
    return first, second
