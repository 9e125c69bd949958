"""Labels: semantic versions, read strictly (semver.org 2.0.0), ordered by precedence, and bumped.

``1.2.0``, ``2.0.0-rc.1``, ``1.0.0+cuda12``. No leading ``v``, no leading zeros, no missing part. What
follows ``+`` is kept when written but does not tell labels apart: 1.0.0+a equals 1.0.0+b.
"""

import functools
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Self

from budwood.domain.limits import LABEL_CHARS
from budwood.errors import BadLabel

_NUMBER: Final = r"(?:0|[1-9][0-9]*)"
_IDENTIFIER: Final = rf"(?:{_NUMBER}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_LABEL: Final = re.compile(
    rf"({_NUMBER})\.({_NUMBER})\.({_NUMBER})"
    rf"(?:-({_IDENTIFIER}(?:\.{_IDENTIFIER})*))?"
    r"(?:\+([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?"
)


class Level(StrEnum):
    """How much a new version differs from what came before."""

    MAJOR = "major"
    MINOR = "minor"
    PATCH = "patch"
    NONE = "none"


@functools.total_ordering
@dataclass(frozen=True, slots=True)
class Label:
    """One semantic version. Made by ``Label.parse``; ``<`` is precedence, so 2.0.0-rc.1 < 2.0.0."""

    major: int
    minor: int
    patch: int
    prerelease: tuple[str, ...] = ()
    build: str = field(default="", compare=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises BadLabel."""
        found = _LABEL.fullmatch(text) if len(text) <= LABEL_CHARS else None
        if found is None:
            raise BadLabel(f"{text[:200]!r} is not a label.", hint=label_hint(text), label=text[:200])
        major, minor, patch, prerelease, build = found.groups()
        identifiers = tuple(prerelease.split(".")) if prerelease else ()
        return cls(int(major), int(minor), int(patch), identifiers, build or "")

    @property
    def identity(self) -> str:
        """The text without ``+build``: two labels are the same label when these are equal."""
        core = f"{self.major}.{self.minor}.{self.patch}"
        return f"{core}-{'.'.join(self.prerelease)}" if self.prerelease else core

    def bump(self, level: Level) -> "Label":
        """The next label; a pre-release becomes the release it announced. NONE counts as PATCH.

        A label is set once, so even a version in which nothing changed needs a new one. Raises BadLabel
        when the next label would be too long.
        """
        pre, major, minor = bool(self.prerelease), self.major, self.minor
        match level:
            case Level.MAJOR:
                announced = pre and minor == self.patch == 0
                next_one = Label(major if announced else major + 1, 0, 0)
            case Level.MINOR:
                announced = pre and self.patch == 0
                next_one = Label(major, minor if announced else minor + 1, 0)
            case _:
                next_one = Label(major, minor, self.patch if pre else self.patch + 1)
        return Label.parse(str(next_one))

    def __str__(self) -> str:
        return f"{self.identity}+{self.build}" if self.build else self.identity

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Label):
            return NotImplemented
        return self._precedence() < other._precedence()

    def _precedence(self) -> tuple[object, ...]:
        # A release ranks above its pre-releases; numeric identifiers rank below words, and by value.
        words = tuple((0, int(w), "") if w.isdigit() else (1, 0, w) for w in self.prerelease)
        return (self.major, self.minor, self.patch, not self.prerelease, words)


FIRST: Final = Label(1, 0, 0)


def label_hint(text: str) -> str:
    """What to write instead; empty when nothing better than the general hint is known."""
    if len(text) > LABEL_CHARS:
        return f"A label has at most {LABEL_CHARS} characters."
    if text[:1] in ("v", "V") and _LABEL.fullmatch(text[1:]):
        return f"Write {text[1:]}, without the v."
    if re.fullmatch(r"[vV]?[0-9]+(\.[0-9]+)?", text):
        parts = [str(int(part)) for part in text.lstrip("vV").split(".")]
        filled = ".".join([*parts, "0", "0"][:3])
        have = "one part" if len(parts) == 1 else "two parts"
        return f"{text} looks like a label but has {have}; write {filled}."
    if re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+", text):
        return f"A label has no leading zeros; write {'.'.join(str(int(part)) for part in text.split('.'))}."
    if re.fullmatch(r"[0-9]+(\.[0-9]+){3,}", text):
        return "A label has three parts, MAJOR.MINOR.PATCH; put what follows behind '+', as in 1.2.0+build4."
    return ""
