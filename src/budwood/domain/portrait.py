"""All that is said of one version, gathered: what cards, bills of materials and signatures are made from.

Everything in it is somebody's word: who writes it down for others escapes it first.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from budwood.domain.canon import Json
from budwood.domain.entries import FileEntry
from budwood.domain.facts import Facts
from budwood.domain.fields import card_says, missing_fields
from budwood.domain.manifest import Manifest
from budwood.domain.policy.evidence import Evidence, EvidenceKind
from budwood.domain.records import VersionRecord
from budwood.domain.results import VersionDetail

CARD_FILE: Final = "card.md"
"""What evidence of the kind ``card`` brings: a person's own words about a version."""


@dataclass(frozen=True, slots=True)
class Words:
    """What somebody wrote about a version after it was pushed."""

    author: str
    at_ms: int
    text: str


@dataclass(frozen=True, slots=True)
class Portrait:
    """``evidence`` is oldest first, as it is recorded. ``own_words`` are the newest that somebody wrote for a card."""

    detail: VersionDetail
    manifest: Manifest
    evidence: tuple[Evidence, ...] = ()
    own_words: Words | None = None

    @property
    def version(self) -> VersionRecord:
        return self.detail.version

    @property
    def facts(self) -> Facts:
        return self.manifest.facts

    @property
    def files(self) -> tuple[FileEntry, ...]:
        return self.manifest.files

    def written(self, key: str) -> Json:
        """What the version's own model cards say under a key of their front matter; None where none says it."""
        return card_says(self.facts, key)

    def words(self, key: str) -> tuple[str, ...]:
        """The same, as the words it is made of."""
        said = self.written(key)
        each = said if isinstance(said, list | tuple) else [said]
        return tuple(word for word in each if isinstance(word, str) and word)

    def gaps(self) -> tuple[str, ...]:
        """What nobody said, in words."""
        return tuple(word for word, known in self._known() if not known)

    def _known(self) -> Iterator[tuple[str, bool]]:
        facts, kinds = self.facts, {each.kind for each in self.evidence}
        code = facts.code
        yield "its licence", bool(self.words("license"))
        yield "what it is for (its task)", bool(self.words("pipeline_tag"))
        lacks = frozenset(missing_fields(facts))
        yield "the data it was trained on", bool(facts.datasets)
        if facts.datasets:
            yield "which version of that data", "data" not in lacks
        yield "the commit of its code", code is not None
        if code is not None:
            yield "its code: the work tree held changes that are in no commit", not code.dirty
            yield "all of those changes", "code.diff" not in lacks
        yield "the frameworks it was made with", bool(facts.frameworks)
        if facts.frameworks:
            yield "the versions of those frameworks", "frameworks" not in lacks
        yield "how long training took", "training.seconds" not in lacks
        yield "the machine it was trained on", "training.hardware" not in lacks
        yield "the packages it was made with", facts.environment is not None
        yield "the machine it was pushed from", facts.hardware is not None
        yield "its parameters of training", bool(facts.params)
        yield "how well it does", bool(facts.metrics) or EvidenceKind.EVALUATION in kinds
        yield "whether it is fair", bool(facts.fairness) or EvidenceKind.FAIRNESS in kinds
        yield "how robust it is", EvidenceKind.ROBUSTNESS in kinds
        yield "what goes in and what comes out", facts.schema is not None


def newest_card(evidence: Sequence[Evidence]) -> Evidence | None:
    """The last piece that brings words for the card, if any."""
    return next((each for each in reversed(evidence) if each.kind is EvidenceKind.CARD), None)


def words_of(evidence: Evidence, content: bytes) -> Words:
    """What its file says; what is no text is shown as such."""
    return Words(evidence.author, evidence.at_ms, content.decode("utf-8", "replace"))
