"""The stages of a corpus, in order, and which size each begins to belong to."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.corpus import family, fine_tunes, formats, variants
from benchmarks.corpus.folder import CorpusFolder
from benchmarks.corpus.recipe import SIZES, Recipe, Size

Build = Callable[[Recipe, CorpusFolder], None]


@dataclass(frozen=True, slots=True)
class Stage:
    """One part of the corpus. ``choices`` names the recipe's fields its bytes depend on."""

    name: str
    build: Build
    smallest: Size
    choices: tuple[str, ...] = ("size", "seed")

    def belongs_to(self, size: Size) -> bool:
        return SIZES.index(size) >= SIZES.index(self.smallest)

    def chosen(self, recipe: Recipe) -> dict[str, str | int]:
        """The part of the recipe this stage depends on, for the manifest. Large differs from small by stages only."""
        chosen = {name: getattr(recipe, name) for name in self.choices}
        if chosen.get("size") == "large":
            chosen["size"] = "small"
        return chosen


STAGES = (
    Stage("base", fine_tunes.base, "tiny", ()),
    Stage("series", fine_tunes.series, "tiny"),
    Stage("frozen-embedding", fine_tunes.frozen_embedding, "small"),
    Stage("low-rate", fine_tunes.low_rate, "small"),
    Stage("pure-bf16", fine_tunes.pure_bf16, "small"),
    Stage("lora", fine_tunes.lora, "tiny"),
    Stage("variants", variants.variants, "small"),
    Stage("formats", formats.formats, "small"),
    Stage("large-family", family.large_family, "large", ("size", "seed", "family_tunes")),
)
