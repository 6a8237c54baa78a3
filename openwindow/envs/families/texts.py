"""Functions of strings, and of lists of words that give a string."""

from __future__ import annotations

import random
from itertools import groupby

from openwindow.envs.families.family import (
    TEXT,
    WORDS_LIST,
    Family,
    mixed_case,
    natural,
    one_sentence,
    one_word,
    word,
    word_list,
    words,
)


def _text_with(rng: random.Random, letter: str) -> tuple[object, ...]:
    """Arguments: two words with the letter put in nought to three times more than it is there already."""
    text = word(rng) + word(rng)
    for _ in range(rng.randint(0, 3)):
        cut = rng.randint(0, len(text))
        text = text[:cut] + letter + text[cut:]
    return (text,)


def _text_in_runs(rng: random.Random) -> tuple[object, ...]:
    return ("".join(rng.choice("abcd") * rng.choice((1, 1, 2, 3)) for _ in range(rng.randint(3, 7))),)


def _words_with_one_longest(rng: random.Random) -> tuple[object, ...]:
    found = {len(w): w for w in [*words(rng), *words(rng)]}
    return (rng.sample(list(found.values()), len(found)),)


TEXTS = (
    Family(
        name="reverse_text",
        group="train_a",
        difficulty=1,
        functions=("reverse", "reverse_text", "backwards", "flip_text"),
        arguments=TEXT,
        wordings=(
            "reverses the string {x}",
            "returns {x} written backwards",
            "returns the characters of {x} in reverse order as a string",
            "takes a string {x} and returns it from its last character to its first",
        ),
        body="return {x}[::-1]",
        reference=lambda s: "".join(reversed(s)),
        draw=one_word,
    ),
    Family(
        name="shout",
        group="test",
        difficulty=1,
        functions=("shout", "exclaim", "make_loud", "yell"),
        arguments=TEXT,
        wordings=(
            "turns {x} into capital letters and puts {marks!r} at the end",
            "returns {x} in upper case, followed by {marks!r}",
            "converts the string {x} to upper case and appends {marks!r}",
            "returns the upper-case form of {x} with {marks!r} added after it",
        ),
        body="return {x}.upper() + {marks!r}",
        reference=lambda s, marks: f"{s}".upper() + marks,
        draw=one_word,
        values=lambda r: {"marks": r.choice(("!", "!!", "!!!", "?!", "?", "...", " OK", " NOW"))},
    ),
    Family(
        name="repeat_text",
        group="train_b",
        difficulty=2,
        functions=("repeat", "repeat_{k}_times", "echo", "write_{k}_times"),
        arguments=TEXT,
        wordings=(
            "repeats the string {x} {k} times with {sep!r} in between",
            "returns {k} copies of {x} joined with {sep!r}",
            "returns {x} written {k} times in a row, separated by {sep!r}",
            "takes a string {x} and joins {k} copies of it with {sep!r}",
        ),
        body="return {sep!r}.join([{x}] * {k})",
        reference=lambda s, k, sep: s + (sep + s) * (k - 1),
        draw=lambda r, k, sep: (word(r) + r.choice(("", word(r))),),
        values=lambda r: {"k": r.randint(2, 4), "sep": r.choice(("-", " ", "/", ", ", "_"))},
    ),
    Family(
        name="first_characters",
        group="train_a",
        difficulty=1,
        functions=("first_{k}", "prefix", "take_start", "beginning"),
        arguments=TEXT,
        wordings=(
            "returns the first {k} characters of {x}",
            "returns the beginning of {x}, {k} characters long",
            "cuts the string {x} after its first {k} characters and returns that part",
            "keeps only the first {k} characters of the string {x}",
        ),
        body="return {x}[:{k}]",
        reference=lambda s, k: "".join(c for i, c in enumerate(s) if i < k),
        draw=one_word,
        values=lambda r: {"k": r.randint(2, 4)},
    ),
    Family(
        name="drop_first_characters",
        group="test",
        difficulty=1,
        functions=("drop_first_{k}", "without_start", "skip_{k}", "cut_front"),
        arguments=TEXT,
        wordings=(
            "removes the first {k} characters of {x}",
            "returns {x} without its first {k} characters",
            "returns what is left of the string {x} after skipping {k} characters",
            "drops {k} characters from the front of {x} and returns the rest",
        ),
        body="return {x}[{k}:]",
        reference=lambda s, k: "".join(c for i, c in enumerate(s) if i >= k),
        draw=one_word,
        values=lambda r: {"k": r.randint(1, 3)},
    ),
    Family(
        name="last_characters",
        group="dev",
        difficulty=1,
        functions=("last_{k}", "suffix", "take_end", "ending"),
        arguments=TEXT,
        wordings=(
            "returns the last {k} characters of {x}",
            "returns the end of {x}, {k} characters long",
            "keeps only the last {k} characters of the string {x}",
            "takes a string {x} and returns its final {k} characters",
        ),
        body="return {x}[-{k}:]",
        reference=lambda s, k: s[len(s) - k :],
        draw=one_word,
        values=lambda r: {"k": r.randint(2, 4)},
    ),
    Family(
        name="replace_letter",
        group="train_b",
        difficulty=1,
        functions=("replace_{old}", "swap_letter", "replace_letter", "exchange"),
        arguments=TEXT,
        wordings=(
            "replaces every {old!r} in {x} with {new!r}",
            "returns {x} with each letter {old!r} changed to {new!r}",
            "puts {new!r} in the place of all letters {old!r} of the string {x}",
            "changes all occurrences of {old!r} in {x} to {new!r}",
        ),
        body="return {x}.replace({old!r}, {new!r})",
        reference=lambda s, old, new: new.join(s.split(old)),
        draw=lambda r, old, new: _text_with(r, old),
        values=lambda r: {"old": r.choice("aeilnorst"), "new": r.choice("xyzqj_-*")},
    ),
    Family(
        name="count_letter",
        group="train_a",
        difficulty=1,
        functions=("count_{letter}", "count_letter", "how_many_{letter}", "letter_total"),
        arguments=TEXT,
        wordings=(
            "counts how often the letter {letter!r} occurs in {x}",
            "returns the number of times {letter!r} appears in {x}",
            "returns how many letters of {x} are {letter!r}",
            "counts the {letter!r} letters in the string {x}",
        ),
        body="return {x}.count({letter!r})",
        reference=lambda s, letter: sum(c == letter for c in s),
        draw=_text_with,
        values=lambda r: {"letter": r.choice("aeilnorst")},
    ),
    Family(
        name="count_vowels",
        group="test",
        difficulty=2,
        functions=("count_vowels", "vowel_count", "number_of_vowels", "vowels"),
        arguments=TEXT,
        wordings=(
            "counts the vowels (a, e, i, o, u) in the lower-case string {x}",
            "returns how many letters of {x} are one of a, e, i, o and u",
            "returns the number of vowels in the lower-case text {x}",
            "counts the characters of {x} that are vowels",
        ),
        body="return sum(1 for c in {x} if c in 'aeiou')",
        reference=lambda s: sum(s.count(v) for v in "aeiou"),
        draw=lambda r: (" ".join(words(r, shortest=r.randint(1, 3))),),
    ),
    Family(
        name="count_words",
        group="dev",
        difficulty=1,
        functions=("count_words", "word_count", "number_of_words", "how_many_words"),
        arguments=TEXT,
        wordings=(
            "counts the words in {x}, which are separated by spaces",
            "returns the number of words in the string {x}",
            "returns how many words the sentence {x} has",
            "splits {x} at spaces and returns the number of words",
        ),
        body="return len({x}.split())",
        reference=lambda s: s.count(" ") + 1,
        draw=lambda r: (" ".join(words(r, shortest=r.randint(1, 5))),),
    ),
    Family(
        name="join_words",
        group="train_b",
        difficulty=1,
        functions=("join", "join_words", "connect", "put_together"),
        arguments=WORDS_LIST,
        wordings=(
            "joins the strings in the list {x} with {sep!r} between them and puts {end!r} at the end",
            "returns the words of the list {x} separated by {sep!r} and followed by {end!r}",
            "connects the words in {x} with {sep!r} and adds {end!r} after the last one",
            "puts all words of the list {x} together, with {sep!r} in between and {end!r} behind",
        ),
        body="return {sep!r}.join({x}) + {end!r}",
        reference=lambda xs, sep, end: xs[0] + "".join(sep + w for w in xs[1:]) + end,
        draw=word_list,
        values=lambda r: {"sep": r.choice(("-", "_", "/", ", ", "+", " and ", ":", " ")), "end": r.choice(".!?;")},
    ),
    Family(
        name="wrap_text",
        group="test",
        difficulty=1,
        functions=("wrap", "surround", "enclose", "put_around"),
        arguments=TEXT,
        wordings=(
            "puts {left!r} before and {right!r} after the string {x}",
            "returns {x} between {left!r} and {right!r}",
            "adds {left!r} to the front and {right!r} to the end of {x}",
            "encloses the text {x} in {left!r} and {right!r}",
        ),
        body="return {left!r} + {x} + {right!r}",
        reference=lambda s, left, right: f"{left}{s}{right}",
        draw=one_word,
        values=lambda r: dict(
            zip(("left", "right"), r.choice(("()", "[]", "<>", "**", "--", "||", "##", "__")), strict=True)
        ),
    ),
    Family(
        name="title_words",
        group="train_a",
        difficulty=1,
        functions=("title", "capitalize_words", "make_title", "title_case"),
        arguments=TEXT,
        wordings=(
            "capitalizes the first letter of every word in {x}",
            "returns the lower-case sentence {x} with each word starting with a capital letter",
            "converts {x} to title case",
            "makes the first letter of each word of {x} upper case",
        ),
        body="return {x}.title()",
        reference=lambda s: " ".join(w[0].upper() + w[1:] for w in s.split(" ")),
        draw=one_sentence,
    ),
    Family(
        name="swap_case",
        group="dev",
        difficulty=1,
        functions=("swap_case", "flip_case", "invert_case", "toggle_case"),
        arguments=TEXT,
        wordings=(
            "makes lower-case letters of {x} upper case and upper-case letters lower case",
            "swaps the case of every letter in {x}",
            "returns {x} with small and capital letters exchanged",
            "turns capitals in {x} into small letters and small letters into capitals",
        ),
        body="return {x}.swapcase()",
        reference=lambda s: "".join(c.lower() if c.isupper() else c.upper() for c in s),
        draw=lambda r: (mixed_case(r) + r.choice(("", " ", "-")) + mixed_case(r),),
    ),
    Family(
        name="reverse_words",
        group="train_a",
        difficulty=2,
        functions=("reverse_words", "words_backwards", "flip_words", "last_word_first"),
        arguments=TEXT,
        wordings=(
            "reverses the order of the words in {x}",
            "returns the words of the sentence {x} from last to first, separated by spaces",
            "puts the words of {x} in the opposite order without changing the words",
            "splits {x} into words, reverses their order and joins them with spaces",
        ),
        body="return ' '.join({x}.split()[::-1])",
        reference=lambda s: " ".join(reversed(s.split(" "))),
        draw=one_sentence,
    ),
    Family(
        name="longest_word",
        group="test",
        difficulty=2,
        functions=("longest", "longest_word", "find_longest", "biggest_word"),
        arguments=WORDS_LIST,
        wordings=(
            "returns the longest string in the list {x}",
            "finds the word with the most letters in the list {x}",
            "returns the element of {x} that has the greatest length",
            "picks the longest one of the words in {x}",
        ),
        body="return max({x}, key=len)",
        reference=lambda xs: sorted(xs, key=len)[-1],
        draw=_words_with_one_longest,
    ),
    Family(
        name="initials",
        group="train_b",
        difficulty=2,
        functions=("initials", "first_letters", "acronym", "abbreviate"),
        arguments=TEXT,
        wordings=(
            "returns the first letters of all words in {x} as one string",
            "joins the first letter of each word of the sentence {x}",
            "takes the first character of every word in {x} and puts them together",
            "returns the initial letters of the words in {x} without spaces",
        ),
        body="return ''.join(w[0] for w in {x}.split())",
        reference=lambda s: "".join(c for before, c in zip(" " + s, s, strict=False) if before == " "),
        draw=lambda r: (" ".join(words(r, shortest=3)),),
    ),
    Family(
        name="pad_with_zeros",
        group="dev",
        difficulty=2,
        functions=("pad", "pad_to_{k}", "fill_left", "lengthen"),
        arguments=TEXT,
        wordings=(
            "puts {fill!r} in front of {x} until it is {k} characters long",
            "pads the string {x} on the left with {fill!r} to a length of {k}",
            "fills {x} up from the left with {fill!r} so that it has {k} characters",
            "returns {x} with as many {fill!r} before it as make it {k} characters long",
        ),
        body="return {x}.rjust({k}, {fill!r})",
        reference=lambda s, k, fill: fill * (k - len(s)) + s,
        draw=lambda r, k, fill: (word(r) if r.random() < 0.6 else str(natural(r)),),
        values=lambda r: {"k": r.randint(8, 12), "fill": r.choice("0*-._#")},
    ),
    Family(
        name="shift_letters",
        group="test",
        difficulty=3,
        functions=("shift", "caesar", "encode", "move_letters"),
        arguments=TEXT,
        wordings=(
            "replaces each lower-case letter of {x} with the one {k} places later in the alphabet, a following z",
            "applies a Caesar cipher with shift {k} to the lower-case word {x}",
            "moves every letter of the lower-case word {x} forward by {k} in the alphabet, wrapping around after z",
            "encodes {x}, made of lower-case letters, by shifting each letter {k} places, from z on to a",
        ),
        body="return ''.join(chr((ord(c) - 97 + {k}) % 26 + 97) for c in {x})",
        reference=lambda s, k: s.translate({97 + i: 97 + (i + k) % 26 for i in range(26)}),
        draw=lambda r, k: (word(r) + r.choice(("", "y", "z", "x")) + word(r),),
        values=lambda r: {"k": r.randint(1, 12)},
    ),
    Family(
        name="run_lengths",
        group="train_a",
        difficulty=3,
        functions=("run_lengths", "compress", "encode_runs", "count_runs"),
        arguments=TEXT,
        wordings=(
            "replaces each run of equal letters in {x} by the letter and the length of the run",
            "compresses {x} by writing every group of equal neighbours as the letter followed by its count",
            "returns the run-length encoding of {x}, each letter before its count",
            "writes each letter of {x} once per run, followed by how many times in a row it occurs",
        ),
        body=(
            "result = ''\ni = 0\nwhile i < len({x}):\n    j = i\n    while j < len({x}) and {x}[j] == {x}[i]:\n"
            "        j += 1\n    result += {x}[i] + str(j - i)\n    i = j\nreturn result"
        ),
        reference=lambda s: "".join(f"{c}{len(list(run))}" for c, run in groupby(s)),
        draw=_text_in_runs,
    ),
    Family(
        name="squeeze_repeats",
        group="train_b",
        difficulty=3,
        functions=("squeeze", "remove_repeats", "collapse", "single_letters"),
        arguments=TEXT,
        wordings=(
            "replaces each run of equal letters in {x} by a single one",
            "removes every character of {x} that is equal to the one before it",
            "returns {x} with letters that are repeated in a row kept only once",
            "collapses neighbouring equal characters of {x} into one",
        ),
        body="result = ''\nfor c in {x}:\n    if result[-1:] != c:\n        result += c\nreturn result",
        reference=lambda s: "".join(c for c, _ in groupby(s)),
        draw=_text_in_runs,
    ),
)
