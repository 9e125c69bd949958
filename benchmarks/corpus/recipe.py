"""What to build: the size, the seed, and what follows from them."""

from dataclasses import dataclass
from typing import Literal, get_args

Size = Literal["tiny", "small", "large"]
SIZES: tuple[Size, ...] = get_args(Size)

MARKS: dict[Size, tuple[int, ...]] = {
    "tiny": (2, 4),
    "small": (5, 15, 40, 80, 140, 200),
    "large": (5, 15, 40, 80, 140, 200),
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """The choices that decide every byte. ``family_tunes`` is how many fine-tunes the large family gets, 1 to 3."""

    size: Size = "small"
    seed: int = 0
    family_tunes: int = 1

    @property
    def marks(self) -> tuple[int, ...]:
        """The training steps at which the series is saved; version 1 is the first mark."""
        return MARKS[self.size]

    @property
    def last(self) -> str:
        """The name of the series' last version, ``v6`` in all but the tiny corpus."""
        return f"v{len(self.marks)}"

    def steps(self, wanted: int) -> int:
        """That many training steps, or just enough to be one when the corpus is tiny."""
        return wanted if self.size != "tiny" else max(1, wanted // 20)
