"""Names for runs that were given none: two words and a number that a person can say, from the run's own id."""

from typing import Final

_HOW: Final = (
    *("amber", "brisk", "calm", "dappled", "early", "fallow", "gentle", "hardy", "keen", "late", "mellow", "nimble"),
    *(
        "open",
        "patient",
        "quiet",
        "rooted",
        "sunny",
        "tall",
        "upright",
        "verdant",
        "warm",
        "young",
        "dormant",
        "tender",
    ),
    *("rustling", "grafted", "budding", "woody", "pruned", "sturdy", "wild", "silver"),
)
_WHAT: Final = (
    *("alder", "apple", "ash", "aspen", "beech", "birch", "cedar", "cherry", "damson", "elder", "elm", "fig", "hazel"),
    *("hawthorn", "hornbeam", "larch", "lime", "linden", "maple", "medlar", "mulberry", "oak", "olive", "pear", "pine"),
    *("plum", "quince", "rowan", "spruce", "walnut", "willow", "yew"),
)


def name_from(run: str) -> str:
    """The same for the same id, which is hexadecimal."""
    number = int(run[:12], 16)
    return f"{_HOW[number % 32]}-{_WHAT[number // 32 % 32]}-{number // 1024 % 1000}"
