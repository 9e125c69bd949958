"""What is emitted: the versions that answer a name, how much each gets, and what moves that.

A release is either one version by itself, or an endpoint as it stands at this moment, with the rollout that runs.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from budwood.domain.facts import Facts
from budwood.domain.rollout.plan import Plan
from budwood.domain.serving.manifest import Serving
from budwood.domain.traffic.endpoint import Rule, Shadow
from budwood.errors import BadServing, NotOffered

Document = dict[str, Any]
"""An object of a cluster: plain values, made key by key and given away at once."""

ALL: Final = 10_000
_NAME_CHARS: Final = 40
"""Of a name: systems add words of their own, and 63 is the end."""


@dataclass(frozen=True, slots=True)
class Part:
    """One version with its part of the traffic, in basis points."""

    arm: str
    namespace: str
    model: str
    number: int
    digest: str
    points: int
    serving: Serving
    facts: Facts
    message: str = ""

    @property
    def reference(self) -> str:
        """Exact, and never meaning another version."""
        return f"{self.namespace}/{self.model}@v{self.number}"

    @property
    def revision(self) -> str:
        """As labels and paths name it."""
        return f"v{self.number}"

    @property
    def storage(self) -> str:
        """Where its own files are. Raises BadServing."""
        if not self.serving.storage:
            raise BadServing(
                f"Nobody says where a cluster finds the files of {self.reference}: spec.storage is missing.",
                hint="Write spec.storage: s3://models/{model}/{version}, and pull the version to there.",
                field="spec.storage",
            )
        own = {
            "namespace": self.namespace,
            "model": self.model,
            "version": self.revision,
            "digest": self.digest.removeprefix("sha256:"),
        }
        return re.sub(r"\{([a-z]+)\}", lambda hole: own[hole[1]], self.serving.storage)


@dataclass(frozen=True, slots=True)
class Release:
    """``title`` is what clients call it. ``plan`` and ``step`` are those of the rollout that runs."""

    title: str
    parts: tuple[Part, ...]
    baseline: str
    generation: int = 0
    reason: str = ""
    sticky: str = ""
    rules: tuple[Rule, ...] = ()
    shadow: Shadow | None = None
    plan: Plan | None = None
    step: int = 0
    candidate: str = ""
    timeout_s: int = 30
    retries: int = 0

    @property
    def name(self) -> str:
        """As a DNS label."""
        return label(self.title)

    def part(self, arm: str) -> Part:
        """One of them, by its arm."""
        return next(part for part in self.parts if part.arm == arm)

    def named(self, part: Part) -> str:
        """What a part's own objects are called."""
        return label(f"{self.title}-{part.arm}")

    @property
    def stable(self) -> Part:
        """The one that answers when nothing else may."""
        return self.part(self.baseline)

    @property
    def answering(self) -> tuple[Part, ...]:
        """Those with a part of the traffic."""
        return tuple(part for part in self.parts if part.points)

    @property
    def other(self) -> Part | None:
        """The version beside the baseline: the rollout's candidate, or the one other that answers."""
        if self.candidate:
            return self.part(self.candidate)
        return next((part for part in self.answering if part.arm != self.baseline), None)


@dataclass(frozen=True, slots=True)
class File:
    """One file. ``head`` says in sentences what it is and what its target cannot do. ``body`` is documents in YAML, one
    document in JSON (which can hold no remarks), or text whose comments begin with ``#``."""

    path: str
    head: tuple[str, ...]
    body: tuple[Document, ...] | str


def label(text: str) -> str:
    """A DNS label: the text itself where it is one, else a likeness with a few digits of its hash."""
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if plain == text and plain[:1].isalpha() and len(plain) <= _NAME_CHARS:
        return text
    short = plain[: _NAME_CHARS - 8].strip("-")
    begins = short if short[:1].isalpha() else f"m-{short}".rstrip("-")
    return f"{begins}-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:6]}"


def percent(points: int, target: str) -> int:
    """Whole percent. Raises NotOffered where it is none: rounding would send traffic that nobody asked for."""
    if points % 100:
        cannot(target, f"takes whole percent, and the split has {points / 100:g} %", "Emit istio or gateway-api.")
    return points // 100


def weights(parts: tuple[Part, ...]) -> dict[str, int]:
    """By arm: percent where that is exact, else basis points. For targets that take any proportion."""
    unit = 100 if all(part.points % 100 == 0 for part in parts) else 1
    return {part.arm: part.points // unit for part in parts}


def at_most_two(release: Release, target: str) -> None:
    """Raises NotOffered where more versions answer than the target can hold apart."""
    if len(release.answering) > 2 or (release.other is None and len(release.answering) > 1):
        cannot(target, "knows two versions, and more of them answer", "Emit istio, gateway-api or seldon.")


def cannot(target: str, what: str, instead: str) -> NoReturn:
    """Raises NotOffered."""
    raise NotOffered(f"{target} {what}.", hint=instead, target=target)


def not_sticky(release: Release) -> str:
    """What has to be said wherever splits are drawn for each request."""
    kept = (
        f" This endpoint keeps users by the header {release.sticky}; a Budwood gateway does." if release.sticky else ""
    )
    return f"The split is drawn anew for each request: a user meets both versions.{kept}"


NOT_TESTED: Final = (
    "Nothing here counts or tests: the split stays as it is until somebody writes another. Rollbacks on evidence are "
    "the registry's."
)
NO_RULES: Final = "Rules that send requests to an arm by their headers are not in it."
NO_SHADOW: Final = "Requests are not copied to a shadow: istio, gateway-api and seldon can."
