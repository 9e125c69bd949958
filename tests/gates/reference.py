"""Who may point what at which version, said once more in sets and dicts: what the registry is compared with.

Nothing of ``budwood`` is imported. A policy is the plain ``spec`` of its document; everything is looked at anew each
time, in the most obvious way. Times are what the registry's clock said when something was done.
"""

import itertools
import json
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

MODELS = ("fraud", "churn")
AGES = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
OUT = ("author", "requester", "evidence")
Spec = dict[str, Any]


@dataclass
class Said:
    """A piece of evidence."""

    number: int
    kind: str
    author: str
    at: int
    outcome: str
    metrics: dict[str, float]
    samples: int
    roles: frozenset[str]


@dataclass
class Version:
    model: str
    number: int
    digest: str
    authors: frozenset[str]
    gone: bool = False
    retired: bool = False
    stage: str = "development"


@dataclass
class Asked:
    """A promotion, and what people said to it: (person, yes, when, what they looked at)."""

    number: int
    model: str
    version: int
    pointer: str
    requester: str
    at: int
    open: bool = True
    reviews: list[tuple[str, bool, int, object]] = field(default_factory=list)


@dataclass
class Reference:
    """``legit`` are the versions that a pointer may return to, ``points`` where it points."""

    now: int
    kinds: dict[str, str] = field(default_factory=dict)
    owners: dict[str, set[str]] = field(default_factory=dict)
    disabled: set[str] = field(default_factory=set)
    groups: dict[str, dict[str, tuple[int, str]]] = field(default_factory=dict)
    grants: dict[tuple[str, bool, str], tuple[int, str]] = field(default_factory=dict)
    policies: dict[str, Spec] = field(default_factory=dict)
    tiers: dict[str, str] = field(default_factory=dict)
    versions: dict[tuple[str, int], Version] = field(default_factory=dict)
    evidence: dict[str, list[Said]] = field(default_factory=dict)
    promotions: dict[int, Asked] = field(default_factory=dict)
    unseen: set[int] = field(default_factory=set)
    legit: dict[tuple[str, str], set[int]] = field(default_factory=dict)
    points: dict[tuple[str, str], int] = field(default_factory=dict)

    # Who

    def behind(self, name: str) -> set[str]:
        """The people behind a name; empty: nobody knows."""
        if self.kinds.get(name, "person") == "person":
            return {name}
        return self.owners.get(name, set())

    def may_speak(self, name: str) -> bool:
        return self.kinds.get(name, "person") == "person" and name not in self.disabled

    def roles(self, name: str) -> dict[str, int]:
        """What somebody else made them, and since when."""
        found: dict[str, list[int]] = {}
        if name in self.disabled:
            return {}
        for (to, is_group, role), (at, by) in self.grants.items():
            if name in self.behind(by):
                continue
            if not is_group and to == name:
                found.setdefault(role, []).append(at)
            if is_group and name in self.groups.get(to, {}):
                joined, let_in = self.groups[to][name]
                if name not in self.behind(let_in):
                    found.setdefault(role, []).append(max(at, joined))
        return {role: min(times) for role, times in found.items()}

    def holds(self, name: str, role: str) -> bool:
        """By anybody's word, their own too."""
        return any(
            held == role and (name in self.groups.get(to, {}) if is_group else to == name)
            for to, is_group, held in self.grants
        )

    # What is guarded, and by what

    def guards(self, model: str, pointer: str) -> list[Spec]:
        return [
            spec
            for spec in self.policies.values()
            if self._names(spec, pointer)
            and self.tiers.get(model, "high") in spec.get("tiers", ("low", "limited", "high"))
            and any(fnmatchcase(model, pattern) for pattern in spec.get("models", ("*",)))
        ]

    def _names(self, spec: Spec, pointer: str) -> bool:
        if pointer.startswith("stage:"):
            return pointer.removeprefix("stage:") in spec.get("stages", ())
        return any(fnmatchcase(pointer, pattern) for pattern in spec.get("aliases", ()))

    def seen(self, model: str, version: int, pointer: str) -> object:
        """What somebody looks at who looks at a request now."""
        digest = self.versions[model, version].digest
        guards = frozenset(json.dumps(spec, sort_keys=True) for spec in self.guards(model, pointer))
        return digest, pointer, guards, tuple(each.number for each in self.evidence.get(digest, ()))

    # Whether it may

    def may_return(self, model: str, pointer: str, version: int) -> bool:
        if self.versions[model, version].retired:
            return False
        return not self.guards(model, pointer) or version in self.legit.get((model, pointer), ())

    def allows(self, asked: Asked) -> bool:
        """Whether every policy that guards the pointer is content with the request at this moment."""
        version = self.versions[asked.model, asked.version]
        if not asked.open or version.gone or version.retired:
            return False
        return all(self._content(spec, asked, version) for spec in self.guards(asked.model, asked.pointer))

    def _content(self, spec: Spec, asked: Asked, version: Version) -> bool:
        said = self.evidence.get(version.digest, [])
        for kind in spec.get("requires", {}).get("evidence", ()):
            of_kind = [each for each in said if each.kind == kind]
            if not of_kind or of_kind[-1].outcome != "passed":
                return False
        if not all(self._reached(threshold, asked, said) for threshold in spec.get("thresholds", ())):
            return False
        if any(validation["expression"] != "true" for validation in spec.get("validations", ())):
            return False
        return self._reviewed(spec.get("reviews", ()), asked, version)

    def _reached(self, threshold: Spec, asked: Asked, said: list[Said]) -> bool:
        newest = self._newest(threshold, said)
        if newest is None or newest.samples < threshold.get("minSamples", 0):
            return False
        if "maxAge" in threshold and not 0 <= self.now - newest.at <= _age(threshold["maxAge"]):
            return False
        more = threshold["operator"] == ">="
        if "value" in threshold:
            bound = threshold["value"]
        else:
            current = self.points.get((asked.model, asked.pointer))
            if current is None or current == asked.version:
                if "first" not in threshold["champion"]:
                    return False
                bound = threshold["champion"]["first"]
            else:
                before = self._newest(threshold, self.evidence.get(self.versions[asked.model, current].digest, []))
                if before is None:
                    return False
                tolerance = threshold["champion"].get("tolerance", 0)
                bound = before.metrics[threshold["metric"]] + (-tolerance if more else tolerance)
        value = newest.metrics[threshold["metric"]]
        return bool(value >= bound if more else value <= bound)

    def _newest(self, threshold: Spec, said: list[Said]) -> Said | None:
        role = threshold.get("evaluatorRole")
        fits = [
            each
            for each in said
            if each.kind == "evaluation"
            and threshold["metric"] in each.metrics
            and (role is None or role in each.roles)
        ]
        return fits[-1] if fits else None

    def _reviewed(self, rules: Any, asked: Asked, version: Version) -> bool:
        if not rules:
            return True
        present = self.seen(asked.model, asked.version, asked.pointer)
        last = {person: (yes, at, looked_at) for person, yes, at, looked_at in asked.reviews}
        if any(not yes and looked_at == present for yes, _, looked_at in last.values()):
            return False
        doers = {
            "author": version.authors,
            "requester": {asked.requester},
            "evidence": {each.author for each in self.evidence.get(version.digest, ())},
        }
        places: list[set[str]] = []
        for rule in rules:
            names = [name for out in rule.get("exclude", OUT) for name in doers[out]]
            if any(not self.behind(name) for name in names):
                return False
            out = set().union(*(self.behind(name) for name in names))
            good = {
                person
                for person, (yes, at, looked_at) in last.items()
                if yes
                and looked_at == present
                and person not in out
                and self.may_speak(person)
                and self.roles(person).get(rule["role"], asked.at + 1) <= asked.at
                and ("validFor" not in rule or 0 <= self.now - at <= _age(rule["validFor"]))
            }
            places += [good] * rule.get("count", 1)
        people = sorted(set().union(*places))
        return any(
            all(person in place for person, place in zip(order, places, strict=True))
            for order in itertools.permutations(people, len(places))
        )


def _age(text: str) -> int:
    return int(text[:-1]) * AGES[text[-1]]
