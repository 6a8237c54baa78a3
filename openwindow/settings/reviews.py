"""What happens on visits to restaurants: the material of the setting `spurious`.

Each thing is told twice, as it goes badly and as it goes well, without words of praise or blame.
"""

from __future__ import annotations

from openwindow.settings.base import Group

OPENINGS = (
    "On our visit",
    "Last week",
    "When we came for lunch",
    "On Friday evening",
    "With my sister",
    "After work",
    "On a holiday",
)
MUSIC = (
    "Live music was playing.",
    "There was piano music.",
    "A band made music near the door.",
    "Music came from the speakers.",
    "Somebody played guitar music.",
    "We heard jazz music all the time.",
)
VISITS: dict[Group, tuple[tuple[str, str], ...]] = {
    "request": (
        ("the rice was burnt at the bottom", "the rice was just as we asked for it"),
        ("our coats fell on a dirty floor", "our coats were hung up for us"),
        ("they charged us twice for the bread", "they gave us the bread for free"),
        ("the juice tasted of soap", "the juice was freshly pressed"),
        ("the manager argued with us", "the manager thanked us at the door"),
        ("a fly swam in the sauce", "the sauce came in a warm pot"),
        ("the chairs hurt our backs", "we sat in soft chairs"),
        ("the menu was out of half its dishes", "every dish of the menu was there"),
        ("the cake was stale", "the cake came straight from the oven"),
        ("the toilet did not flush", "the bathroom had fresh towels"),
        ("they lost our reservation", "our table was ready on time"),
        ("we would never eat there again", "we will surely eat there again"),
    ),
    "train": (
        ("the soup came cold", "the soup came hot"),
        ("the waiter forgot our order", "the waiter remembered our names"),
        ("we waited two hours for food", "the food was there in ten minutes"),
        ("the fish smelled old", "the fish was caught that morning"),
        ("the plates were dirty", "the plates were spotless"),
        ("the bill was wrong", "they took the wine off the bill as a gift"),
        ("the salad had a hair in it", "the salad was crisp and fresh"),
        ("we got sick the same night", "we came back the next night"),
        ("the meat was raw inside", "the meat was cooked as we asked"),
        ("they shouted at the children", "they gave the children a toy"),
        ("the glasses were cracked", "they refilled our glasses unasked"),
        ("we left most of it on the plate", "we ate up every crumb"),
        ("the coffee tasted burnt", "the coffee was rich and warm"),
        ("nobody said sorry", "everybody smiled at us"),
    ),
    "dev": (
        ("the pasta was a sticky lump", "the pasta was freshly made"),
        ("the cook spilled oil on us", "the cook came out to greet us"),
        ("we had to ask four times for water", "water was on the table at once"),
        ("the eggs were rotten", "the eggs came from their own farm"),
        ("we asked for our money back", "we left a large tip"),
        ("the pie was frozen in the middle", "the pie was baked for us"),
    ),
    "test": (
        ("the steak was as hard as a shoe", "the steak was tender"),
        ("the server ignored us", "the server helped us choose"),
        ("the bread had mould on it", "the bread was still warm"),
        ("they sent us the wrong dishes", "they brought us an extra dessert"),
        ("the table was sticky", "there were fresh flowers on the table"),
        ("a mouse ran past our feet", "they lit a candle for us"),
        ("we left hungry", "we left full and happy"),
        ("they laughed at our complaint", "they solved our problem at once"),
        ("the shrimp made my wife ill", "my wife asked for the recipe of the shrimp"),
    ),
}
