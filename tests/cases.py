"""One test of one property over many cases: all of them are tried, and those that fail are reported together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

T = TypeVar("T")


def holds_for_all(cases: Mapping[str, T], check: Callable[[T], None]) -> None:
    """Calls `check` with every case; AssertionError with the name and the error of each that fails, or if there are none."""
    failed: dict[str, str] = {}
    for name, case in cases.items():
        try:
            check(case)
        except Exception as error:  # reported below, with all the others
            failed[name] = f"{type(error).__name__}: {error}"
    listed = "".join(f"\n\n{name}: {why}" for name, why in failed.items())
    assert cases, "no cases"
    assert not failed, f"{len(failed)} of {len(cases)} cases fail:{listed}"
