"""The vocabulary that all built-in documents share: made-up people, projects, tools, models, dates and numbers."""

from __future__ import annotations

import datetime
import random

from openwindow.synthetic_documents.grammar import Words


def _list(text: str) -> list[str]:
    return text.split()


_FIRST = _list(
    "Ada Amir Anouk Asha Beate Bela Carla Chidi Dagny Dario Edda Emre Farid Fenna Gita Goran Hana Hugo Ines Ivo Jara Jonas Kaito "
    "Kirsi Lale Lior Mara Mateo Nadia Nils Odile Omar Petra Priya Quentin Rana Rasmus Sanna Selim Tadeo Tova Uma Ulf Vera Viktor "
    "Wanda Wiebe Xenia Yara Yusuf Zora Zeno"
)
_LAST = _list(
    "Abara Almqvist Baptista Berger Castell Corvin Dahl Delacroix Egede Farrow Fontaine Galanis Grieg Halloran Hirano Ibarra Iwu "
    "Jansma Jokela Kaldor Kovac Lindqvist Lowell Marchetti Mbeki Nakata Novak Okafor Ortega Pashkov Pereira Quist Rahmani Rosen "
    "Sato Sorensen Tamm Tolland Ueda Urban Valente Voss Wexler Whitlow Yilmaz Ystad Zapata Zeller"
)
_ADJECTIVES = _list(
    "amber brisk cedar copper distant early fallow gentle granite harbor hollow indigo ivory juniper kindred lantern level linen "
    "marble meadow mellow narrow northern olive opal paper patient plain quarry quiet river rowan rustic saffron salt silver "
    "slate spare steady sunken tidal umber velvet walnut western willow winter"
)
_NOUNS = _list(
    "anchor arbor atlas barge beacon bridge canyon chapel compass cradle delta ferry field forge garden gate glacier grove hearth "
    "inlet kettle ladder lark ledger loom meridian mill mirror orchard otter parcel pier plover prairie quill raven reef ridge "
    "sail shuttle spindle stone summit thicket tower vault wharf"
)
_ROOTS = _list(
    "bench crate data code fold gate grid loop mark meter node pack path pipe proof rack rail root sheet shelf spool wire"
)
_ENDS = _list("base board box craft deck desk flow forge frame hub kit lab lane line mill nest port rig side stack works yard")
_BIRDS = _list("Avocet Bittern Curlew Dunlin Egret Fulmar Gannet Heron Ibis Kestrel Linnet Merlin Osprey Petrel Ruff Siskin Tern")
_DAY_ZERO = datetime.date(2025, 1, 6)


def date(rng: random.Random) -> datetime.date:
    """A day in the two years in which the documents are set."""
    return _DAY_ZERO + datetime.timedelta(days=rng.randrange(700))


def _project(rng: random.Random) -> str:
    return f"{rng.choice(_ADJECTIVES)}-{rng.choice(_NOUNS)}"


WORDS: dict[str, Words] = {
    "first": _FIRST,
    "last": _LAST,
    "person": lambda r: f"{r.choice(_FIRST)} {r.choice(_LAST)}",
    "handle": lambda r: f"{r.choice(_ADJECTIVES)}_{r.choice(_NOUNS)}{r.randrange(2, 99)}",
    "a_project": _project,
    "tool": lambda r: f"{r.choice(_ROOTS)}{r.choice(_ENDS)}",
    "a_model": lambda r: f"{r.choice(_BIRDS)}-{r.choice((1, 2, 3, 4, 7, 8, 9, 13, 14, 27, 30, 32, 70))}B",
    "version": lambda r: f"{r.randrange(0, 9)}.{r.randrange(0, 30)}.{r.randrange(0, 12)}",
    "date": lambda r: f"{date(r):%d %B}".lstrip("0"),
    "full_date": lambda r: f"{date(r):%Y-%m-%d}",
    "weekday": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday"),
    "month": lambda r: f"{date(r):%B %Y}",
    "clock": lambda r: f"{r.randrange(7, 20):02}:{r.randrange(60):02}",
    "ticket": lambda r: f"{r.choice(('OPS', 'ENG', 'PLAT', 'LAB', 'INF', 'QA'))}-{r.randrange(100, 9900)}",
    "few": lambda r: str(r.randrange(2, 10)),
    "some": lambda r: str(r.randrange(11, 95)),
    "many": lambda r: f"{r.randrange(110, 9900):,}",
    "percent": lambda r: f"{r.randrange(3, 98)} %",
    "step": lambda r: f"step {r.randrange(20, 900)}",
    "seed": lambda r: f"seed {r.randrange(1, 400)}",
    "path": lambda r: f"{r.choice(_ROOTS)}s/{_project(r).replace('-', '_')}.{r.choice(('py', 'toml', 'md', 'json'))}",
    "city": (
        "Aarhus", "Bergen", "Bilbao", "Cork", "Dakar", "Gdansk", "Ghent", "Graz", "Izmir", "Kobe", "Lagos", "Leeds", "Lima",
        "Malmo", "Nantes", "Oslo", "Perth", "Porto", "Quito", "Riga", "Seoul", "Tartu", "Turin", "Utrecht", "Varna", "Zadar",
    ),
    "team": (
        "the {a_project} team", "the [tools|build|data|infrastructure|quality|research|release] group in {city}",
        "{first}'s team", "the people around {person}", "our colleagues in {city}", "the {tool} maintainers",
    ),
    "when": (
        "[on|around|shortly before] {date}", "in {month}", "[last|this] {weekday} at {clock}", "[during|after] the {month} review",
        "[after|before] release {version}", "while {person} was on call",
    ),
    "who": ("{person}", "{team}", "[somebody in|a reviewer from|an engineer at|a contractor in] {city}", "{first} and {first}"),
    "noted": ("noted", "reported", "wrote", "pointed out", "found", "showed", "confirmed", "observed", "documented", "explained"),
    "said_in": (
        "in {ticket}", "in the notes on {a_project}", "in a comment of {date}", "in {path}", "in the {month} report",
        "at the {weekday} meeting", "in [a|the] draft of {date}", "on the {tool} mailing list",
    ),
}  # fmt: skip
"""What each name is drawn from."""
