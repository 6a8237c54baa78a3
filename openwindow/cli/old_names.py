"""Names that options had in earlier versions: they still work in this version, with a notice on standard error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

OPTIONS: Mapping[str, Mapping[str, str]] = {
    "run": {"--plan": "--dry-run"},
    "check-env": {"--tokens": "--max-new-tokens", "--holes": "--loopholes"},
    "inoculate": {
        "--reply-tokens": "--max-new-tokens",
        "--answer-tokens": "--max-answer-tokens",
        "--too-long": "--overlength",
    },
    "eval": {
        "--max-tokens": "--max-new-tokens",
        "--base-url": "--model-base-url",
        "--judge-url": "--judge-base-url",
        "--context": "--contexts",
    },
}
"""command to old name to new name"""
VALUES: Mapping[tuple[str, str], str] = {("--overlength", "cut"): "truncate", ("--overlength", "refuse"): "error"}
"""new name and old value to new value"""


def renamed(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words of a command line with current names, and a notice for each replaced name or value."""
    names = OPTIONS.get(next((word for word in words if not word.startswith("-")), ""), {})
    found: list[str] = []
    notices: list[str] = []
    for place, word in enumerate(words):
        if word == "--":
            return found + list(words[place:]), notices
        name, equals, value = word.partition("=")
        if name in names:
            notices.append(f"note: {name} is now {names[name]}; the old name will stop working in the next version")
            name = names[name]
        if equals:
            found.append(f"{name}={_value(name, value, notices)}")
        else:
            found.append(_value(found[-1], name, notices) if found else name)
    return found, notices


def _value(option: str, value: str, notices: list[str]) -> str:
    now = VALUES.get((option, value))
    if now is None:
        return value
    notices.append(f"note: {option} {value} is now {option} {now}; the old word will stop working in the next version")
    return now
