"""Text that tries to be markup, put in the place of every name, and what a page may consist of."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

MARK = "NAME"
HOSTILE = (
    'x" onfocus="alert(1)" autofocus=""><img src=x onerror=alert(1)></script><script>alert(1)</script><!--</title></style>'
    "</textarea>"
    "<base href=//e><iframe src=javascript:alert(1)></svg><a href='javascript:alert(1)'>' ]]> {{ 7 * 7 }} \u2028 \x00 &quot; &#x22;"
)
TARGET = re.compile(r"#[\w-]+|data:,|[\w.+-]+/report\.html(#[\w-]+)?")


class Dom(HTMLParser):
    """Which elements a page has, with which attributes, and their identifiers and links."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.kinds: set[tuple[str, frozenset[str]]] = set()
        self.ids: list[str] = []
        self.named: list[str] = []
        self.links: list[str] = []
        self.policy = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.kinds.add((tag, frozenset(found)))
        self.ids += [found["id"] or ""] if "id" in found else []
        for key in ("aria-labelledby", "aria-describedby", "for"):
            self.named += (found.get(key) or "").split()
        self.links += [found[key] or "" for key in ("href", "src", "action", "xlink:href") if key in found]
        if found.get("http-equiv") == "Content-Security-Policy":
            self.policy = found["content"] or ""


def renamed(value: Any, name: str, mark: str = MARK) -> Any:
    """The value with `name` for the mark, in all strings and keys."""
    if isinstance(value, dict):
        return {renamed(key, name, mark): renamed(inner, name, mark) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [renamed(inner, name, mark) for inner in value]
    return value.replace(mark, name) if isinstance(value, str) else value


def same_page(plain: str, hostile: str) -> None:
    """The hostile page has no element, attribute, identifier or link that the plain one has not."""
    expected, found = Dom(plain), Dom(hostile)
    assert found.kinds <= expected.kinds, found.kinds - expected.kinds
    assert found.ids == expected.ids and len(set(found.ids)) == len(found.ids)
    assert all(re.fullmatch(r"[\w-]+", name) for name in found.ids) and set(found.named) <= set(found.ids)
    assert all(TARGET.fullmatch(link) for link in found.links), found.links
    for part in ("default-src 'none'", "base-uri 'none'", "form-action 'none'"):
        assert part in found.policy
