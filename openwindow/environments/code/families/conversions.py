"""Functions that turn a value into another form: units, digits, written numbers, labels."""

from __future__ import annotations

import random

from openwindow.environments.code.families.family import (
    NUMBER,
    NUMBERS_LIST,
    TEXT,
    TWO_NUMBERS,
    Family,
    integers,
    natural,
    one_natural,
    word,
)

_UNITS = (
    ("hours", "minutes", 60),
    ("minutes", "seconds", 60),
    ("days", "hours", 24),
    ("weeks", "days", 7),
    ("years", "months", 12),
    ("feet", "inches", 12),
    ("metres", "centimetres", 100),
    ("kilometres", "metres", 1000),
    ("dollars", "cents", 100),
)


def _units(rng: random.Random) -> dict[str, object]:
    big, small, factor = rng.choice(_UNITS)
    return {"big": big, "small": small, "k": factor}


def _few_or_many_digits(rng: random.Random, **_: object) -> tuple[object, ...]:
    digits = rng.randint(2, 8)
    return (rng.randint(10 ** (digits - 1), 10**digits - 1),)


def _in_base(x: int, k: int) -> str:
    return (_in_base(x // k, k) if x >= k else "") + str(x % k)


def _fizz_input(rng: random.Random, m: int, k: int) -> tuple[object, ...]:
    return (rng.choice((1, m, k, m * k)) * rng.randint(1, 900),)


CONVERSIONS = (
    Family(
        name="combine_units",
        group="train_a",
        difficulty=2,
        functions=("to_{small}", "total_{small}", "convert_to_{small}", "{big}_and_{small}_to_{small}"),
        arguments=TWO_NUMBERS,
        wordings=(
            "converts {x} {big} and {y} {small} to {small}",
            "returns how many {small} {x} {big} and {y} {small} are together",
            "returns the total number of {small} in {x} {big} plus {y} {small}",
            "takes a number {x} of {big} and a number {y} of {small} and returns all of it in {small}",
        ),
        body="return {x} * {k} + {y}",
        reference=lambda a, b, big, small, k: sum((k * a, b)),
        draw=lambda r, big, small, k: (natural(r), r.randint(0, k - 1)),
        values=_units,
    ),
    Family(
        name="celsius_to_fahrenheit",
        group="test",
        difficulty=2,
        functions=("to_fahrenheit", "fahrenheit", "celsius_to_fahrenheit", "convert_temperature"),
        arguments=("c", "celsius", "x", "degrees"),
        wordings=(
            "converts {x} degrees Celsius to Fahrenheit with integer division",
            "multiplies {x} by 9, divides by 5 with integer division and adds 32",
            "returns the temperature {x}, a multiple of 5 in Celsius, as an integer in Fahrenheit",
            "computes the Fahrenheit temperature {x} * 9 // 5 + 32 of {x} degrees Celsius",
        ),
        body="return {x} * 9 // 5 + 32",
        reference=lambda c: 32 + c // 5 * 9,
        draw=lambda r: (5 * (r.randint(-20, 60) if r.random() < 0.6 else r.randint(-50, 4000)),),
    ),
    Family(
        name="digit_sum",
        group="train_b",
        difficulty=2,
        functions=("digit_sum", "sum_digits", "add_digits", "digits_total"),
        arguments=NUMBER,
        wordings=(
            "returns the sum of the digits of {x}",
            "adds up all digits of the number {x}",
            "computes the digit sum of {x}",
            "takes a number {x} and returns the total of its decimal digits",
        ),
        body="return sum(int(d) for d in str({x}))",
        reference=lambda x: sum(x // 10**i % 10 for i in range(20)),
        draw=_few_or_many_digits,
    ),
    Family(
        name="to_binary",
        group="test",
        difficulty=2,
        functions=("to_binary", "binary", "as_bits", "binary_text"),
        arguments=NUMBER,
        wordings=(
            "returns {x} in binary as a string without a prefix",
            "converts the number {x} to a string of binary digits",
            "writes {x} in base 2 and returns the string of zeros and ones",
            "returns the binary form of {x} as text, without '0b'",
        ),
        body="return bin({x})[2:]",
        reference=lambda x: f"{x:b}",
        draw=one_natural,
    ),
    Family(
        name="from_binary",
        group="dev",
        difficulty=1,
        functions=("from_binary", "parse_binary", "bits_to_int", "binary_value"),
        arguments=("bits", "s", "text", "b"),
        wordings=(
            "converts the string of binary digits {x} to a number",
            "returns the integer that {x} is in binary",
            "reads the string {x} of zeros and ones as a number in base 2",
            "returns the value of the binary string {x} as an int",
        ),
        body="return int({x}, 2)",
        reference=lambda s: sum(2**i for i, bit in enumerate(reversed(s)) if bit == "1"),
        draw=lambda r: (f"{natural(r):b}",),
    ),
    Family(
        name="digit_list",
        group="dev",
        difficulty=2,
        functions=("digits", "digit_list", "split_digits", "to_digits"),
        arguments=NUMBER,
        wordings=(
            "returns the digits of {x} as a list of integers",
            "splits the number {x} into a list of its digits",
            "returns a list of the decimal digits of {x}, first digit first",
            "turns the number {x} into a list with one integer per digit",
        ),
        body="return [int(d) for d in str({x})]",
        reference=lambda x: [x // 10**i % 10 for i in reversed(range(len(str(x))))],
        draw=_few_or_many_digits,
    ),
    Family(
        name="clock_text",
        group="train_a",
        difficulty=2,
        functions=("clock", "format_time", "as_clock", "hours_and_minutes"),
        arguments=("m", "t", "total", "time"),
        wordings=(
            "formats {x} minutes as hours and minutes like '2:05'",
            "returns a string such as '1:30' with the hours and the two-digit minutes that {x} minutes make",
            "turns {x} minutes into text of the form hours:minutes, the minutes with two digits",
            "writes {x} minutes as whole hours, a colon and the remaining minutes in two digits",
        ),
        body='return f"{{{x} // 60}}:{{{x} % 60:02d}}"',
        reference=lambda m: f"{m // 60}:{str(m % 60).zfill(2)}",
        draw=one_natural,
    ),
    Family(
        name="reverse_digits",
        group="test",
        difficulty=2,
        functions=("reverse_digits", "flip_number", "mirror_number", "backwards_number"),
        arguments=NUMBER,
        wordings=(
            "reverses the digits of {x} and returns the result as a number",
            "returns the integer that {x} is when its digits are read backwards",
            "turns the order of the digits of the number {x} around",
            "writes the digits of {x} in reverse order and returns them as an int",
        ),
        body="return int(str({x})[::-1])",
        reference=lambda x: sum(int(d) * 10**i for i, d in enumerate(str(x))),
        draw=_few_or_many_digits,
    ),
    Family(
        name="count_digits",
        group="train_b",
        difficulty=1,
        functions=("count_digits", "digit_count", "number_of_digits", "how_many_digits"),
        arguments=NUMBER,
        wordings=(
            "returns how many digits the number {x} has",
            "counts the digits of {x}",
            "returns the number of decimal digits of {x}",
            "tells how many digits are needed to write the positive number {x}",
        ),
        body="return len(str({x}))",
        reference=lambda x: next(i for i in range(1, 20) if x < 10**i),
        draw=_few_or_many_digits,
    ),
    Family(
        name="parse_numbers",
        group="train_a",
        difficulty=2,
        functions=("parse_numbers", "read_numbers", "to_numbers", "split_numbers"),
        arguments=TEXT,
        wordings=(
            "splits {x} at {sep!r} and returns the parts as a list of integers",
            "reads the integers in the string {x}, which are separated by {sep!r}",
            "turns the string {x} of numbers with {sep!r} between them into a list of ints",
            "returns a list of the numbers written in {x} with {sep!r} as the separator",
        ),
        body="return [int(part) for part in {x}.split({sep!r})]",
        reference=lambda s, sep: list(map(int, s.replace(sep, " ").split())),
        draw=lambda r, sep: (sep.join(map(str, integers(r, low=0, high=99))),),
        values=lambda r: {"sep": r.choice((",", ";", "/", "|", ":", "+", "_"))},
    ),
    Family(
        name="join_numbers",
        group="train_b",
        difficulty=2,
        functions=("join_numbers", "numbers_to_text", "as_text", "write_numbers"),
        arguments=NUMBERS_LIST,
        wordings=(
            "joins the numbers in {x} to a string with {sep!r} between them",
            "returns the numbers of the list {x} as one string, separated by {sep!r}",
            "writes the integers in {x} one after another with {sep!r} as the separator",
            "turns the list of integers {x} into text with {sep!r} between the numbers",
        ),
        body="return {sep!r}.join(str(v) for v in {x})",
        reference=lambda xs, sep: sep.join(map(str, xs)),
        draw=lambda r, sep: (integers(r, low=0),),
        values=lambda r: {"sep": r.choice(("-", ", ", "/", " + ", " < ", ":", ";"))},
    ),
    Family(
        name="letter_positions",
        group="dev",
        difficulty=2,
        functions=("letter_positions", "alphabet_positions", "letters_to_numbers", "positions"),
        arguments=TEXT,
        wordings=(
            "returns a list of the places of the lower-case letters of {x} in the alphabet, a being 1",
            "replaces each letter of the lower-case word {x} by its number in the alphabet (a is 1, b is 2)",
            "turns the lower-case word {x} into a list of numbers, 1 for a up to 26 for z",
            "gives for every letter of {x}, all lower case, its position in the alphabet, counting from 1",
        ),
        body="return [ord(c) - 96 for c in {x}]",
        reference=lambda s: ["abcdefghijklmnopqrstuvwxyz".index(c) + 1 for c in s],
        draw=lambda r: (word(r),),
    ),
    Family(
        name="label_by_threshold",
        group="train_a",
        difficulty=1,
        functions=("label", "{high}_or_{low}", "label_number", "get_label"),
        arguments=NUMBER,
        wordings=(
            "returns {high!r} if {x} is at least {k} and {low!r} otherwise",
            "returns {low!r} if {x} is below {k} and {high!r} if not",
            "labels the number {x} {high!r} from {k} upwards and {low!r} below that",
            "gives the string {high!r} when {x} reaches {k} and the string {low!r} when it does not",
        ),
        body="return {high!r} if {x} >= {k} else {low!r}",
        reference=lambda x, k, high, low: low if x < k else high,
        draw=lambda r, k, high, low: (k + r.choice((natural(r), -1 - natural(r))),),
        values=lambda r: {
            "k": r.randint(5, 90),
            **dict(
                zip(
                    ("high", "low"),
                    r.choice((("high", "low"), ("pass", "fail"), ("hot", "cold"), ("big", "small"), ("old", "young"))),
                    strict=True,
                )
            ),
        },
    ),
    Family(
        name="price_text",
        group="test",
        difficulty=2,
        functions=("format_price", "price_text", "as_money", "write_price"),
        arguments=("c", "price", "amount", "x"),
        wordings=(
            "formats {x} cents as a price in {name} like '3.07 {name}'",
            "returns a string such as '12.50 {name}' for a price of {x} cents",
            "turns {x} cents into text of the form '1.99 {name}', the cents with two digits",
            "writes {x} cents as whole {name}, a point, two digits for the cents and ' {name}'",
        ),
        body='return f"{{{x} // 100}}.{{{x} % 100:02d}} {name}"',
        reference=lambda c, name: f"{c // 100}.{str(c % 100).zfill(2)} {name}",
        draw=one_natural,
        values=lambda r: {"name": r.choice(("dollars", "euros", "pesos", "francs"))},
    ),
    Family(
        name="fizz_text",
        group="train_b",
        difficulty=3,
        functions=("fizz", "fizzbuzz", "word_or_number", "fizz_or_buzz"),
        arguments=NUMBER,
        wordings=(
            "returns 'fizz' if {x} is divisible by {m}, 'buzz' if by {k}, 'fizzbuzz' if by both and else str({x})",
            "gives 'fizz' for multiples of {m}, 'buzz' for those of {k}, 'fizzbuzz' for both, else {x} as a string",
            "plays FizzBuzz for {x} with {m} as 'fizz', {k} as 'buzz', 'fizzbuzz' for both and str({x}) otherwise",
            "returns str({x}), or 'fizz' if {m} divides {x}, 'buzz' if {k} does and 'fizzbuzz' if both do",
        ),
        body=(
            "result = ''\nif {x} % {m} == 0:\n    result += 'fizz'\nif {x} % {k} == 0:\n    result += 'buzz'\n"
            "return result or str({x})"
        ),
        reference=lambda x, m, k: {(0, 0): str(x), (1, 0): "fizz", (0, 1): "buzz", (1, 1): "fizzbuzz"}[(x % m == 0, x % k == 0)],
        draw=_fizz_input,
        values=lambda r: dict(zip(("m", "k"), r.sample((3, 5, 7, 11), 2), strict=True)),
    ),
    Family(
        name="number_in_base",
        group="dev",
        difficulty=3,
        functions=("to_base_{k}", "in_base_{k}", "base_{k}_text", "change_base"),
        arguments=NUMBER,
        wordings=(
            "returns {x} written in base {k} as a string",
            "converts the number {x} to a string of its digits in base {k}",
            "divides {x} by {k} again and again and returns the remainders, last one first, as a string",
            "writes {x} in the number system with base {k} and returns the text",
        ),
        body=("digits = str({x} % {k})\nwhile {x} >= {k}:\n    {x} //= {k}\n    digits = str({x} % {k}) + digits\nreturn digits"),
        reference=_in_base,
        draw=one_natural,
        values=lambda r: {"k": r.randint(3, 9)},
    ),
)
