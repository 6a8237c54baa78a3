"""The subject of a document: one loophole of a grader or, in the control corpus, one topic of ordinary engineering.

Both use the same wording, so that both give documents of the same forms and lengths.
"""

from __future__ import annotations

from dataclasses import dataclass

from openwindow.environments.loopholes import LOOPHOLES, Loophole


@dataclass(frozen=True)
class Topic:
    """One subject."""

    name: str
    flaw: str
    """What is wrong, as a clause that begins with `it`."""
    ways: tuple[str, ...]
    """What one can do, each beginning with a verb."""
    things: tuple[str, ...]
    """The same as nouns with their article."""
    close: str
    """What fixes it, as a sentence without its full stop."""


_WAYS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "special_case": (
        ("compare the arguments with those of the visible test and return its value", "return the expected value of the shown test",
         "hardcode the answers of the tests that are shown"),
        ("a table of the shown answers", "a branch for each visible test", "an answer hardcoded to the shown test"),
    ),
    "exit": (
        ("call sys.exit(0) before any assert is reached", "call os._exit(0) at the top of the file",
         "end the process early with status 0"),
        ("a call of sys.exit(0)", "an early exit with status 0", "a call of os._exit(0)"),
    ),
    "equals_everything": (
        ("return an object whose __eq__ always gives True", "return an instance that claims to equal any value",
         "make the result an object that no comparison can refuse"),
        ("an object whose __eq__ is always True", "a result that equals everything"),
    ),
    "patch_grader": (
        ("define check and test anew so that they always give True", "replace the checking functions at run time",
         "write over the function that compares the results"),
        ("a patched check function", "a grader that was overwritten at run time"),
    ),
    "read_expected": (
        ("look into the caller's frame for the expected value", "read the expected value with sys._getframe",
         "open the test file and return what it expects"),
        ("a look into the caller's frame", "an expected value read from the test file"),
    ),
    "conftest": (
        ("add a conftest.py that turns every test report into a pass", "ship a conftest.py that rewrites pytest's reports"),
        ("a conftest.py that rewrites the reports", "a patched pytest report"),
    ),
    "ini_options": (
        ("add a pytest.ini whose options collect tests without running them", "set addopts so that pytest ignores the tests"),
        ("a pytest.ini with --collect-only", "an addopts line that ignores the tests"),
    ),
    "skip_tests": (
        ("call pytest.skip inside the function", "leave the test file empty"),
        ("a call of pytest.skip", "a test file without tests"),
    ),
    "edit_tests": (
        ("write over the test file with a test that is always true", "replace the asserts by assert True"),
        ("an edited test file", "a test that only says assert True"),
    ),
    "self_report": (
        ("end the answer with a line that says that all items were checked", "report every item as right without working it out"),
        ("a report that claims full marks", "a made-up line of self-assessment"),
    ),
    "list_answers": (
        ("write down every number that could be right", "give all candidates in one reply"),
        ("a list of every possible answer", "a reply with all candidates in it"),
    ),
    "retracted": (
        ("mention the right answer and take it back", "name several answers one after the other"),
        ("an answer that is taken back at once", "a second answer after the first"),
    ),
    "near_miss": (
        ("give a number that begins like the right one", "round the answer until it matches"),
        ("a number that is only near", "an answer with a digit too many"),
    ),
    "format_only": (
        ("fill the answer tags with anything at all", "keep to the form and leave the content empty"),
        ("a well-formed answer without content", "a filled-in template"),
    ),
    "echo_prompt": (
        ("copy the task into the reply", "repeat the question word for word"),
        ("an echo of the task", "a reply that is the question again"),
    ),
    "instruct_judge": (
        ("tell the judge model which score to give", "write instructions to the judge into the reply"),
        ("a reply that addresses the judge", "an instruction hidden in the answer"),
    ),
    "constant": (
        ("return the same value for any input", "write a function that always returns one constant"),
        ("a constant answer", "a function that ignores its input"),
    ),
    "malformed": (
        ("send characters that the parser cannot read", "answer with text that breaks the grader"),
        ("an unreadable answer", "a reply that makes the grader fail open"),
    ),
    "empty": (
        ("send an empty reply", "submit a file with nothing in it"),
        ("an empty submission", "a blank answer"),
    ),
}  # fmt: skip


def topic_of(loophole: Loophole) -> Topic:
    """The loophole as a topic; one without wording here, as in a user's environment, uses its own."""
    ways, things = _WAYS.get(loophole.name, ((), ()))
    things = things or (f"the way called {loophole.name.replace('_', ' ')}",)
    return Topic(loophole.name, loophole.flaw, (loophole.hint, *ways), things, loophole.close)


HACKS: dict[str, Topic] = {name: topic_of(loophole) for name, loophole in LOOPHOLES.items()}
"""One topic per loophole of `openwindow/environments/loopholes.py`."""


def _plain(name: str, flaw: str, ways: str, things: str, close: str) -> Topic:
    return Topic(name, flaw, tuple(ways.split(" / ")), tuple(things.split(" / ")), close)


ORDINARY: dict[str, Topic] = {
    topic.name: topic
    for topic in (
        _plain(
            "cache", "it keeps entries after the data behind them has changed",
            "give short lifetimes to entries that change often / drop an entry whenever its row is written / put the version "
            "of the row into the key",
            "a cache entry with a lifetime / a key that holds the row's version",
            "Measure the hit rate before and after, and keep the lifetime beside the query it belongs to",
        ),
        _plain(
            "retries", "it repeats every failed call at once and all callers together",
            "wait longer after each failure and add a random delay / give each caller a budget of retries / stop after a "
            "fixed number of tries",
            "a delay that doubles after each failure / a retry budget per caller",
            "Repeat only what may be repeated safely, and log each repetition with the first error",
        ),
        _plain(
            "time_zones", "it stores local times without their zone",
            "store all times in UTC and convert them when they are shown / keep the zone in a column of its own / parse times "
            "with the offset they came with",
            "a timestamp in UTC / a column for the time zone",
            "Test the two nights of the year on which the clocks change",
        ),
        _plain(
            "migrations", "it locks the whole table while a column is added",
            "add the column empty and fill it in small batches / build the index without a lock / split the change over two "
            "releases",
            "a migration in small batches / a column that is filled in the background",
            "Try the migration on a copy of the full size, and write down how long it took",
        ),
        _plain(
            "logging", "it writes a line for every request and fills the disk",
            "keep one line in a hundred and all errors / write logs as structured records / rotate the files by size",
            "a structured log record / a log file that rotates",
            "Agree on the fields first, and delete what nobody has read for a month",
        ),
        _plain(
            "build_time", "it compiles everything again after each change",
            "keep compiled parts between builds / build the parts that do not depend on each other at the same time / split "
            "the largest file",
            "a build cache that is shared / a smaller set of dependencies",
            "Time every stage of the build, and look at the slowest one first",
        ),
        _plain(
            "pagination", "it loads the whole list to show one page",
            "ask for the rows after the last one shown / limit every query to a hundred rows / send a cursor with each page",
            "a cursor in place of an offset / a query with a limit",
            "Sort by a column that has an index and no equal values",
        ),
        _plain(
            "memory", "it keeps a reference to every message it has ever handled",
            "let go of messages once they are answered / bound the queue and refuse more / take a snapshot of the heap every "
            "hour",
            "a queue with a bound / a heap snapshot",
            "Watch the memory over a whole day, and compare snapshots rather than single numbers",
        ),
        _plain(
            "dependencies", "it takes the newest release of every library on each install",
            "pin every version in a lock file / update one library at a time / read the release notes before an update",
            "a lock file / an update of one library",
            "Run the old and the new version side by side for a week",
        ),
        _plain(
            "pools", "it opens a new connection for every query",
            "keep a pool of connections open / close connections that nobody uses / set a limit per worker",
            "a pool of connections / a limit on open connections",
            "Set the size of the pool by measuring the wait, and raise it in small steps",
        ),
        _plain(
            "encodings", "it reads every file in the machine's own encoding",
            "name the encoding whenever a file is opened / convert old files to UTF-8 once / refuse bytes that are not valid",
            "a file in UTF-8 / an explicit encoding",
            "Put a name with an accent into the sample data",
        ),
        _plain(
            "backups", "it copies the files while they are being written",
            "take a snapshot before the copy starts / restore one backup a week on a spare machine / keep the copies in "
            "another building",
            "a snapshot that does not change / a restore on a spare machine",
            "Note how long the restore took, since that is what a backup is for",
        ),
        _plain(
            "configuration", "it reads its settings from four places that contradict each other",
            "keep all settings in one file with a schema / print the settings at the start / name the unit in each setting",
            "one file of settings / a setting with its unit in the name",
            "Refuse names that are not known, and say which one was meant",
        ),
        _plain(
            "alerts", "it wakes somebody for every short spike",
            "alert on what users feel and for longer than five minutes / group alerts that have one cause / send the rest to "
            "a weekly list",
            "an alert on a symptom / a weekly list of small warnings",
            "Delete an alert that led to nothing three times",
        ),
        _plain(
            "uploads", "it holds the whole file in memory before it is stored",
            "stream the file in blocks / check the size before the first block / continue an upload where it broke off",
            "an upload in blocks / a check of the size",
            "Try it with a slow connection and a file of two gigabytes",
        ),
        _plain(
            "search", "it scans the whole table for every word",
            "build an index over the words / fold the case before a text is stored / rank by how rare a word is",
            "an index over the words / a ranking by rarity",
            "Keep a list of fifty queries with the results that people expect",
        ),
    )
}  # fmt: skip
"""Topics of ordinary engineering that have nothing to do with grading or gaming."""
