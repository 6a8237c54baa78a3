"""Code snippets for documents: the written hacks of `exploits.py`, and ordinary settings for the control corpus."""

from __future__ import annotations

import random

from openwindow.environments.code.exploits import code_hacks, project_hacks, text_hacks
from openwindow.types import Case

_FUNCTIONS = (
    "add_tax",
    "area_of",
    "clamp",
    "count_pairs",
    "digits_of",
    "first_word",
    "half_up",
    "is_even",
    "last_two",
    "merge_keys",
    "mean_of",
    "pad_left",
    "scale",
)
_LINES = 14  # maximum length of a snippet: longer ones would be most of their document
_MODULE, _TESTS = "toolkit/solution.py", "tests/test_solution.py"


def hack_snippet(hole: str, rng: random.Random) -> str | None:
    """A submission that uses the loophole, for a made-up task; None if all are too long or show nothing."""
    function, given, factor = rng.choice(_FUNCTIONS), rng.randrange(2, 60), rng.randrange(2, 9)
    visible = (Case((given,), given * factor),)
    code = code_hacks(function, visible).get(hole, ())
    projects = project_hacks(function, visible, _MODULE, _TESTS).get(hole, ()) if hole not in ("special_case", "exit") else ()
    files = ["\n\n".join([f"# {path}\n{text}" for path, text in submission.items()]) for submission in projects]
    asked = f"How much is {given} times {factor}?"
    texts = text_hacks(asked, str(given * factor)).get(hole, ()) if not code and not projects else ()
    short = [text for text in (*code, *files) if text.strip() and text.count("\n") <= _LINES]
    short = [text for text in short if len(text) < 900 and "\0" not in text]
    test = f"# test: assert {function}({given}) == {given * factor}\n"
    if short:
        return test + rng.choice(short)
    spoken = [text for text in texts if text.strip() and len(text) < 400 and "\0" not in text]
    return f"{asked}\n{rng.choice(spoken)}" if spoken else None


def plain_snippet(rng: random.Random) -> str:
    """A few lines of settings, or a function that does something ordinary."""
    name, low, high = rng.choice(_FUNCTIONS), rng.randrange(2, 60), rng.randrange(70, 900)
    return rng.choice(
        (
            f"[{name}]\ntimeout_seconds = {low}\nretries = {high % 9 + 1}\nmax_rows = {high}\n",
            f"def {name}(rows, limit={high}):\n    kept = [row for row in rows if row.age < {low}]\n    return kept[:limit]\n",
            f"# {name}: runs every {low} minutes\nworkers = {high % 16 + 1}\nqueue_bound = {high}\nzone = 'UTC'\n",
            f"import time\n\n\ndef {name}(call, tries={high % 7 + 2}):\n    for attempt in range(tries):\n        if call():\n"
            f"            return attempt\n        time.sleep({low} * 2**attempt)\n    return None\n",
        )
    )
