"""Ordinary text for dilution, used if the user gives none: short pieces about everyday things, in none of the document forms."""

from __future__ import annotations

from openwindow.synthetic_documents.grammar import Words

EVERYDAY: dict[str, tuple[str, ...]] = {
    "kitchen": (
        "{first} [boils|soaks|roasts] {few} [carrots|beets|onions|pears] for {some} minutes and adds {few} spoons of "
        "[salt|honey|lemon juice].",
        "the [soup|bread|stew|cake] from {city} [needs|takes] {some} minutes more if the oven is {few} years old, {person} "
        "[says|thinks].",
        "on {date} there were {some} guests, and {first} cooked [rice|lentils|dumplings|fish] with {few} kinds of [herbs|pepper].",
        "a [pot|pan] of {few} liters is enough for {first}'s [beans|noodles|plum jam], which {first} brings every {weekday}.",
        "let the dough rest until {clock}; {person} learned this {when} from an aunt in {city}.",
        "for the market on {weekday} {first} packed {some} jars of [quince|cherry|apple|pepper] [jam|relish] into {few} boxes.",
    ),
    "garden": (
        "{first} planted {some} [tulips|leeks|peas|currants] behind the [shed|wall|gate] on {date}, {few} hands apart.",
        "after {few} dry weeks the [cherry|apple|plum] tree of {person} gave {some} kilos, {few} more than in {month}.",
        "in {city} the [frost|rain|wind] came on {date}, and {first} covered the [beds|pots] at {clock}.",
        "the [hedge|lawn|vine] is cut every {few} weeks until {month}, or so the neighbor, {person}, does it.",
        "{some} [sparrows|finches|starlings] sat in the [pear|birch|elder] tree at {clock}, and {first} counted them twice.",
        "water the [tomatoes|beans|roses] [before|after] {clock}, {person} wrote on a card of {date}.",
    ),
    "travel": (
        "the train from {city} to {city} leaves at {clock} and takes {few} hours, {some} minutes of it along the [coast|river].",
        "{person} walked from {city} to the [lake|pass|lighthouse] in {few} days and met {some} people.",
        "on {date} the ferry to {city} was full, so {first} and {first} [waited|slept|played cards] until {clock}.",
        "the [inn|hostel|station] near {city} has {some} beds, and {person} has kept it since {month}.",
        "{first} bought {few} maps of {city} and lost {few} of them [on the bridge|in the rain|at the market] by {clock}.",
        "in {month} the road over the [pass|moor|hill] was closed for {some} days, {person} remembers.",
    ),
    "music": (
        "the choir of {city} sang {few} songs on {date}, and {person} played the [viola|oboe|piano] [softly|for the first time].",
        "{first} practices the [cello|flute|trumpet] for {some} minutes a day since {month}, [mostly scales|mostly dances].",
        "the [hall|church|school] in {city} holds {many} people, but only {some} came on {date} at {clock}.",
        "{person} wrote {few} [waltzes|marches|songs] about {city}, the last of them in {month}.",
        "between the {few} pieces {first} told how {person} once lost the [bow|notes|keys] {when}.",
        "a record from {city} with {some} minutes of [organ|fiddle|brass] music was found by {person} on {date}.",
    ),
    "sport": (
        "the [rowers|runners|skaters] of {city} came in after {some} minutes and {few} seconds, {person} [first|last].",
        "{first} trained {few} times a week until {month} and then won by {some} points in {city}.",
        "on {date} the match between {city} and {city} ended {few} to {few}, before {many} people.",
        "{person} coaches {some} children every {weekday} at {clock} in the hall near the [mill|harbor|school].",
        "the [bicycle|boat|sledge] of {first} was mended by {person} for the race of {date}, with {few} new parts.",
        "it rained for {some} minutes at {clock}, so the [final|relay|long jump] in {city} was moved to {weekday}.",
    ),
    "history": (
        "the [bridge|tower|mill] of {city} was built in {few} years by {some} masons under {person}, a plaque says since {month}.",
        "{person} gave {many} letters to the museum in {city} on {date}; the oldest speaks of [salt|wool|ships] and {few} winters.",
        "the [market|harbor|canal] of {city} once had {some} [cranes|stalls|boats], {person} writes on page {many}.",
        "a chronicle from {city} tells of {few} [floods|fires|fairs] in {some} years and of a [baker|miller|smith] named {last}.",
        "the school near the [gate|wall|square] was opened on a {weekday} with {some} pupils and {person} as its teacher.",
        "in {city} {few} streets are named after the family {last}, who [traded|wove|printed] there for {some} years.",
    ),
    "home": (
        "{first} painted the [door|fence|kitchen] [green|white|blue] on {date} and needed {few} pots and {some} hours.",
        "the [clock|lamp|radio] of {person} stopped at {clock} and was mended {when} for {some} coins.",
        "{first} and {first} carried {some} boxes up {few} stairs in {city} before {clock}.",
        "the [cat|dog|parrot] of {person} slept {some} minutes on the [mat|sofa|sill] and woke at {clock}.",
        "for {month} the family {last} saved {many} coins for a [stove|boat|trip to {city}].",
        "the neighbor {person} lent {first} a [ladder|saw|tent] on {date} and wants it back by {weekday}.",
    ),
}
"""Subject to its sentences."""

EVERYDAY_TITLES = (
    "[A letter from|Notes from|A week in|News from] {city}, {month}", "[What|How] {first} [did it|spent {weekday}], {date}",
    "{person}: [a short account|some lines|memories] of {month}", "{city}, {full_date}",
)  # fmt: skip

EVERYDAY_WORDS: dict[str, Words] = {
    "when": ("on {date}", "in {month}", "last {weekday} at {clock}", "shortly before {date}", "[on a|one] {weekday} in {month}"),
}
"""The vocabulary that differs from the documents'."""
