"""The common part of all report pages: a template filled with style and script, written as one file or not at all."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from openwindow.errors import StorageError
from openwindow.formatting import MINUS, chance, claimed, compact, counted, effect, points, rate, signed

HERE = Path(__file__).parent
THEME = """(() => {
  const root = document.documentElement, button = document.getElementById("theme");
  const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const name = () => { button.textContent = dark() ? "Light" : "Dark"; };
  button.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; name(); });
  name();
})();"""
"""script of a page that has a button for light and dark, and nothing else that moves"""
# What no HTML file can contain as text: lone surrogates, NUL and the other control characters.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_NEGATIVE = re.compile(r"(?<![\w.])-(?=\d)")


def marked(text: str) -> Markup:
    """A sentence of the results for the page: text between backticks as code, and minus signs before negative numbers."""
    parts = _NEGATIVE.sub(MINUS, text).split("`")
    if len(parts) % 2 == 0:  # an unpaired backtick is plain text
        return escape(text)
    return Markup("").join(Markup("<code>{}</code>").format(part) if i % 2 else escape(part) for i, part in enumerate(parts))


_FILTERS: dict[str, Callable[..., str]] = {
    "rate": rate,
    "points": points,
    "chance": chance,
    "claimed": claimed,
    "effect": effect,
    "counted": counted,
    "compact": compact,
    "marked": marked,
    "signed": signed,
}


def filled(template: str, script: str, values: Mapping[str, Any], *, filters: Mapping[str, Callable[..., str]] = {}) -> str:
    """The template as a page; it receives `css`, `script` and `script_hash` in addition to `values`, and may use `filters`."""
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update({**_FILTERS, **filters})
    html = environment.get_template(template).render(
        **values,
        css=Markup((HERE / "page.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", html)


def script_of(*names: str) -> str:
    """The script of a page, from files of this folder in the order in which each uses those before it."""
    return "\n".join((HERE / name).read_text(encoding="utf-8") for name in names)


def write_page(html: str, folder: Path, name: str = "report.html") -> Path:
    """Writes the page into the folder, completely or not at all, and returns its path. Raises StorageError."""
    path, part = folder / name, folder / f"{name}.part"
    try:
        part.write_bytes(html.encode("utf-8"))
        part.replace(path)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}; make room or choose another folder") from error
    return path
