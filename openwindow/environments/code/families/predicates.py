"""Functions that answer True or False; the inputs are drawn so that both come up about equally often."""

from __future__ import annotations

import random
from itertools import pairwise

from openwindow.environments.code.families.family import (
    NUMBER,
    NUMBERS_LIST,
    TEXT,
    TWO_NUMBERS,
    TWO_TEXTS,
    Family,
    distinct_integers,
    integer,
    integers,
    natural,
    word,
)


def _palindrome_or_not(rng: random.Random) -> tuple[object, ...]:
    half = word(rng) + rng.choice(("", word(rng)))
    return (half + rng.choice((half[::-1], half[-2::-1], word(rng), half)),)


def _list_with_repeat_or_not(rng: random.Random) -> tuple[object, ...]:
    numbers = distinct_integers(rng)
    if rng.random() < 0.5:
        numbers.insert(rng.randint(0, len(numbers)), rng.choice(numbers))
    return (numbers,)


def _anagrams_or_not(rng: random.Random) -> tuple[object, ...]:
    first = word(rng) + word(rng)
    letters = rng.sample(first, len(first))
    if rng.random() < 0.5:
        letters[0] = "x" if letters[0] != "x" else "y"
    return (first, "".join(letters))


def _with_letter_or_not(rng: random.Random, letter: str) -> tuple[object, ...]:
    text = (word(rng) + word(rng)).replace(letter, "")
    cut = rng.randint(0, len(text))
    return (text[:cut] + rng.choice((letter, "")) + text[cut:],)


def _within_or_not(rng: random.Random, low: int, high: int) -> int:
    if rng.random() < 0.5:
        return rng.choice((low - 1 - natural(rng), high + 1 + natural(rng)))
    return rng.choice((low, high)) if rng.random() < 0.1 else rng.randint(low, high)


def _is_prime(n: int) -> bool:
    return n > 1 and all(n % d for d in range(2, int(n**0.5) + 1))


def _prime_or_not(rng: random.Random) -> tuple[object, ...]:
    wanted = rng.random() < 0.5
    high = rng.choice((30, 200, 9000))
    while True:
        n = rng.randint(1, high)
        if _is_prime(n) is wanted:
            return (n,)


PREDICATES = (
    Family(
        name="divisible_by_constant",
        group="train_a",
        difficulty=1,
        functions=("divisible_by_{k}", "is_multiple", "is_divisible", "check_divisible"),
        arguments=NUMBER,
        wordings=(
            "returns True if {x} is divisible by {k} and False otherwise",
            "checks whether {x} is a multiple of {k}",
            "tells whether {k} divides {x} without remainder",
            "returns whether {x} can be divided evenly by {k}",
        ),
        body="return {x} % {k} == 0",
        reference=lambda x, k: x // k * k == x,
        draw=lambda r, k: (k * natural(r) + r.choice((0, r.randint(1, k - 1))),),
        values=lambda r: {"k": r.randint(2, 12)},
    ),
    Family(
        name="above_constant",
        group="train_b",
        difficulty=1,
        functions=("is_above_{k}", "is_greater", "is_greater_than_{k}", "more_than_{k}"),
        arguments=NUMBER,
        wordings=(
            "returns True if {x} is greater than {k} and False otherwise",
            "checks whether {x} is larger than {k}",
            "tells whether {x} is strictly above {k}",
            "returns whether {x} exceeds {k}",
        ),
        body="return {x} > {k}",
        reference=lambda x, k: not x <= k,
        draw=lambda r, k: (k + r.choice((-natural(r), 1 + natural(r))),),
        values=lambda r: {"k": r.randint(1, 80)},
    ),
    Family(
        name="within_range",
        group="test",
        difficulty=2,
        functions=("in_range", "is_between", "is_inside", "within_limits"),
        arguments=NUMBER,
        wordings=(
            "returns True if {x} is between {low} and {high}, both included, and False otherwise",
            "checks whether {x} is at least {low} and at most {high}",
            "tells whether {x} lies in the range from {low} to {high}, ends included",
            "returns whether {x} is neither below {low} nor above {high}",
        ),
        body="return {low} <= {x} <= {high}",
        reference=lambda x, low, high: not (x < low or x > high),
        draw=lambda r, low, high: (_within_or_not(r, low, high),),
        values=lambda r: {"low": r.randint(-20, 30), "high": r.randint(100, 900)},
    ),
    Family(
        name="same_last_digit",
        group="dev",
        difficulty=2,
        functions=("same_last_digit", "same_ending", "last_digits_match", "ends_alike"),
        arguments=TWO_NUMBERS,
        wordings=(
            "checks whether {x} and {y} have the same last digit",
            "returns True if {x} and {y} end in the same digit and False otherwise",
            "tells whether the last digits of the numbers {x} and {y} are equal",
            "returns whether {x} and {y} leave the same remainder when divided by 10",
        ),
        body="return {x} % 10 == {y} % 10",
        reference=lambda a, b: str(a)[-1] == str(b)[-1],
        draw=lambda r: (a := natural(r), a % 10 + 10 * r.randint(0, 50) + r.choice((0, r.randint(1, 9)))),
    ),
    Family(
        name="close_together",
        group="train_a",
        difficulty=2,
        functions=("are_close", "close_enough", "is_near", "within_{k}"),
        arguments=TWO_NUMBERS,
        wordings=(
            "checks whether {x} and {y} differ by at most {k}",
            "returns True if the distance of {x} and {y} is {k} or less and False otherwise",
            "tells whether {x} and {y} are no more than {k} apart",
            "returns whether the absolute difference of {x} and {y} is not above {k}",
        ),
        body="return abs({x} - {y}) <= {k}",
        reference=lambda a, b, k: max(a, b) - min(a, b) < k + 1,
        draw=lambda r, k: (a := integer(r), a + r.choice((-1, 1)) * r.randint(*r.choice(((0, k), (k + 1, 3 * k))))),
        values=lambda r: {"k": r.randint(2, 20)},
    ),
    Family(
        name="palindrome",
        group="test",
        difficulty=1,
        functions=("is_palindrome", "check_palindrome", "palindrome", "is_text_palindrome"),
        arguments=TEXT,
        wordings=(
            "checks whether {x} is a palindrome",
            "returns True if {x} reads the same backwards and False otherwise",
            "tells whether {x} is equal to its own reverse",
            "returns whether reversing {x} leaves it unchanged",
        ),
        body="return {x} == {x}[::-1]",
        reference=lambda s: list(s) == list(reversed(s)),
        draw=_palindrome_or_not,
    ),
    Family(
        name="begins_with_prefix",
        group="train_b",
        difficulty=1,
        functions=("has_prefix", "begins_with_{prefix}", "starts_with", "starts_with_{prefix}"),
        arguments=TEXT,
        wordings=(
            "checks whether {x} starts with {prefix!r}",
            "returns True if {x} begins with {prefix!r} and False otherwise",
            "tells whether {prefix!r} is a prefix of {x}",
            "returns whether the first letters of {x} are {prefix!r}",
        ),
        body="return {x}.startswith({prefix!r})",
        reference=lambda s, prefix: s[: len(prefix)] == prefix,
        draw=lambda r, prefix: (r.choice((prefix, word(r))) + word(r),),
        values=lambda r: {"prefix": r.choice(("un", "re", "pre", "sub", "dis", "mis", "out", "non", "bi", "anti"))},
    ),
    Family(
        name="contains_letter",
        group="train_a",
        difficulty=1,
        functions=("has_{letter}", "contains_letter", "contains_{letter}", "has_letter"),
        arguments=TEXT,
        wordings=(
            "checks whether {x} contains the letter {letter!r}",
            "returns True if {letter!r} occurs in {x} and False otherwise",
            "tells whether the letter {letter!r} is somewhere in {x}",
            "returns whether {x} has at least one {letter!r} in it",
        ),
        body="return {letter!r} in {x}",
        reference=lambda s, letter: s.count(letter) > 0,
        draw=_with_letter_or_not,
        values=lambda r: {"letter": r.choice("abdegklmnoprst")},
    ),
    Family(
        name="ascending_list",
        group="test",
        difficulty=2,
        functions=("is_sorted", "is_ascending", "in_order", "never_falls"),
        arguments=NUMBERS_LIST,
        wordings=(
            "checks whether the list {x} is sorted from small to large",
            "returns True if {x} is in ascending order and False otherwise",
            "tells whether no number in the list {x} is smaller than the one before it",
            "returns whether sorting the list {x} would leave it unchanged",
        ),
        body="return {x} == sorted({x})",
        reference=lambda xs: all(a <= b for a, b in pairwise(xs)),
        draw=lambda r: (r.choice((sorted, list))(integers(r)),),
    ),
    Family(
        name="all_above_constant",
        group="train_b",
        difficulty=2,
        functions=("all_above", "all_over_{k}", "every_one_above", "none_too_small"),
        arguments=NUMBERS_LIST,
        wordings=(
            "checks whether every number in {x} is greater than {k}",
            "returns True if all numbers in the list {x} are above {k} and False otherwise",
            "tells whether each value of the list {x} is larger than {k}",
            "returns whether no number in {x} is {k} or less",
        ),
        body="return all(v > {k} for v in {x})",
        reference=lambda xs, k: min(xs) > k,
        draw=lambda r, k: (integers(r, low=k + 1 if r.random() < 0.4 else k - 9, high=k + 20),),
        values=lambda r: {"k": r.randint(0, 30)},
    ),
    Family(
        name="has_repeats",
        group="dev",
        difficulty=2,
        functions=("has_duplicates", "has_repeats", "contains_twice", "any_repeated"),
        arguments=NUMBERS_LIST,
        wordings=(
            "checks whether the list {x} contains any number more than once",
            "returns True if {x} has duplicates and False otherwise",
            "tells whether some number is repeated in the list {x}",
            "returns whether the list {x} has fewer different numbers than entries",
        ),
        body="return len(set({x})) != len({x})",
        reference=lambda xs: any(v in xs[:i] for i, v in enumerate(xs)),
        draw=_list_with_repeat_or_not,
    ),
    Family(
        name="prime_number",
        group="test",
        difficulty=3,
        functions=("is_prime", "check_prime", "prime", "has_no_divisors"),
        arguments=NUMBER,
        wordings=(
            "checks whether {x} is a prime number",
            "returns True if {x} is prime and False otherwise",
            "tells whether {x} is greater than 1 and divisible only by 1 and itself",
            "returns whether {x} has exactly two divisors",
        ),
        body="if {x} < 2:\n    return False\nreturn all({x} % d != 0 for d in range(2, int({x} ** 0.5) + 1))",
        reference=_is_prime,
        draw=_prime_or_not,
    ),
    Family(
        name="anagrams",
        group="train_b",
        difficulty=2,
        functions=("are_anagrams", "is_anagram", "same_letters", "is_reordering"),
        arguments=TWO_TEXTS,
        wordings=(
            "checks whether {x} and {y} are anagrams of each other",
            "returns True if {x} and {y} consist of the same letters, each equally often, and False otherwise",
            "tells whether {y} can be made by reordering the letters of {x}",
            "returns whether the sorted letters of {x} and {y} are the same",
        ),
        body="return sorted({x}) == sorted({y})",
        reference=lambda a, b: len(a) == len(b) and all(a.count(c) == b.count(c) for c in a),
        draw=_anagrams_or_not,
    ),
    Family(
        name="longer_than_constant",
        group="dev",
        difficulty=1,
        functions=("is_long", "longer_than_{k}", "too_long", "is_lengthy"),
        arguments=TEXT,
        wordings=(
            "checks whether {x} has more than {k} characters",
            "returns True if {x} is longer than {k} characters and False otherwise",
            "tells whether the length of {x} is above {k}",
            "returns whether {x} has characters left after the first {k}",
        ),
        body="return len({x}) > {k}",
        reference=lambda s, k: bool(s[k:]),
        draw=lambda r, k: ((word(r) + word(r) + word(r) + word(r))[: k + r.choice((r.randint(1, 6), -r.randint(0, 2)))],),
        values=lambda r: {"k": r.randint(4, 8)},
    ),
    Family(
        name="adds_up_to_constant",
        group="train_a",
        difficulty=1,
        functions=("adds_up_to_{k}", "sum_matches", "makes_{k}", "is_pair_for_{k}"),
        arguments=TWO_NUMBERS,
        wordings=(
            "checks whether {x} and {y} add up to {k}",
            "returns True if the sum of {x} and {y} is {k} and False otherwise",
            "tells whether {x} plus {y} equals {k}",
            "returns whether {x} + {y} is {k}",
        ),
        body="return {x} + {y} == {k}",
        reference=lambda a, b, k: k - a == b,
        draw=lambda r, k: (a := integer(r), k - a + r.choice((0, 0, r.randint(1, 9), -r.randint(1, 9)))),
        values=lambda r: {"k": r.randint(5, 100)},
    ),
    Family(
        name="some_even_number",
        group="test",
        difficulty=2,
        functions=("has_even", "any_even", "contains_even", "some_even"),
        arguments=NUMBERS_LIST,
        wordings=(
            "checks whether the list {x} contains an even number",
            "returns True if at least one number in {x} is even and False otherwise",
            "tells whether any number of the list {x} is divisible by 2",
            "returns whether not all numbers in {x} are odd",
        ),
        body="return any(v % 2 == 0 for v in {x})",
        reference=lambda xs: sum(v % 2 for v in xs) < len(xs),
        draw=lambda r: ([v * 2 + 1 if odd else v for odd in [r.random() < 0.5] for v in integers(r, low=0)],),
    ),
)
