"""Writes constraints.txt from the packages that are installed: `python docs/make_constraints.py`, or `make constraints`.

One line per package that openwindow and its extras need, those that they need in turn included, at the version with which the
tests have passed here. Local parts of a version, such as `+cpu`, are left out: a constraint without one admits all of them.
"""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
HEAD = "# Made by `make constraints` from the environment that the tests passed in, with Python {python}.\n"
TOOLS = ("pip", "setuptools")
"""what builds and installs"""


def declared() -> list[Requirement]:
    """The requirements of openwindow and of its extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = [Requirement(text) for text in [*project["dependencies"], *TOOLS]]
    found += [Requirement(text) for texts in project["optional-dependencies"].values() for text in texts]
    return [requirement for requirement in found if requirement.name != project["name"]]


def pinned(wanted: Iterable[Requirement]) -> dict[str, str]:
    """Package to version of all that the requirements come to; packages that are not installed are left out."""
    found: dict[str, str] = {}
    done: set[tuple[str, frozenset[str]]] = set()
    left = list(wanted)
    while left:
        requirement = left.pop()
        key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
        if key in done:
            continue
        done.add(key)
        try:
            distribution = importlib.metadata.distribution(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            continue
        found[key[0]] = re.sub(r"\+.*", "", distribution.version)
        for inner in map(Requirement, distribution.requires or ()):
            if inner.marker is None or any(inner.marker.evaluate({"extra": extra}) for extra in (*requirement.extras, "")):
                left.append(inner)
    return dict(sorted(found.items()))


if __name__ == "__main__":
    import platform

    lines = [f"{name}=={version}\n" for name, version in pinned(declared()).items()]
    (ROOT / "constraints.txt").write_text(HEAD.format(python=platform.python_version()) + "".join(lines), encoding="utf-8")
