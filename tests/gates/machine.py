"""Random people at a real registry, step by step beside a reference (reference.py) that says what each may do.

After every step no guarded stage or alias may point at a version that the reference does not let through; and where
the registry refuses a promotion or a move for its gates, the reference must refuse it as well. A seed and a number of
steps are one exact history. By hand: ``python -m tests.gates.machine --steps 1000000 --processes 2``.

A registry lives for ``LIFE`` steps, then another one begins where all begin: in a copy of one template.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import budwood
from budwood.catalog.sql.sqlite import SqliteCatalog
from budwood.client.near import Near
from budwood.client.registry import Registry
from budwood.domain.access import Caller
from budwood.domain.asks_gates import AddEvidence
from budwood.domain.asks_people import ChangePerson
from budwood.domain.canon import Json
from budwood.domain.people import PrincipalKind
from budwood.domain.policy.case import Said
from budwood.domain.policy.evidence import EvidenceKind, Outcome
from budwood.domain.policy.policy import Tier
from budwood.errors import BudwoodError, GateClosed
from budwood.store.backends.memory import MemoryObjects
from budwood.verbs import grants, groups, people, policies, promotions
from budwood.verbs.alias import alias, remove_alias
from budwood.verbs.backup import backup
from budwood.verbs.delete import delete
from budwood.verbs.desk import Home
from budwood.verbs.evidence import add_evidence
from budwood.verbs.house import House
from budwood.verbs.import_bundle import import_bundle
from budwood.verbs.push import PushRequest, push
from budwood.verbs.restore import restore
from budwood.verbs.retire import retire
from budwood.verbs.roll_back import roll_back
from budwood.verbs.stage import stage
from tests.gates import reference as told

LIFE = 1_000
START_MS = 1_790_000_000_000
ROOM = "default"
PEOPLE = ("root", "ann", "bob", "cyd", "dan")
PROGRAMS = {"ci": "ann", "lone": ""}
ACTORS = (*PEOPLE, *PROGRAMS)
AUTHORS = {"fraud": ("ann", "bob", "ci", "lone", "cyd"), "churn": ("ann", "ci", "dan")}
ALIASES = ("champion", "live-eu", "candidate")
STAGES = ("staging", "production", "archived", "development")
POINTERS = ("stage:production", "stage:production", "champion", "stage:staging", "stage:archived", "live-eu")
ROLES = ("reviewer", "owner", "responder", "writer")
REVIEW = {"role": "reviewer", "count": 1}
SPECS: tuple[told.Spec, ...] = (
    {"stages": ["production"], "reviews": [REVIEW]},
    {"stages": ["production"], "aliases": ["champion"], "reviews": [{**REVIEW, "count": 2, "exclude": ["author"]}]},
    {"stages": ["production", "staging"], "tiers": ["high"], "requires": {"evidence": ["fairness"]}},
    {"aliases": ["live-*", "champion"], "thresholds": [{"metric": "acc", "operator": ">=", "value": 0.9}]},
    {
        "stages": ["production"],
        "models": ["fraud*"],
        "thresholds": [
            {"metric": "acc", "operator": ">=", "champion": {"tolerance": 0.02, "first": 0.5}, "maxAge": "1d"},
            {"metric": "ms", "operator": "<=", "value": 20, "minSamples": 100, "evaluatorRole": "reviewer"},
        ],
    },
    {
        "stages": ["production", "archived"],
        "aliases": ["champion"],
        "reviews": [{**REVIEW, "validFor": "1h"}, {"role": "owner", "exclude": ["requester"]}],
        "validations": [{"expression": "true", "message": "never"}],
    },
    {
        "stages": ["staging"],
        "aliases": ["live-*"],
        "thresholds": [{"metric": "acc", "operator": ">=", "value": 0.85}],
        "validations": [{"expression": "true", "message": "never"}],
    },
    {"stages": ["staging"], "aliases": ["*"], "validations": [{"expression": "false", "message": "always"}]},
)


class Broken(AssertionError):
    """The registry and the reference do not agree."""


@dataclass(frozen=True)
class Template:
    """What every registry begins as: the rows of a catalog, the objects beside it, a bundle and a file to push."""

    folder: Path
    rows: tuple[tuple[str, tuple[tuple[object, ...], ...]], ...]
    counters: Mapping[str, int]
    packs: Mapping[str, bytes]
    reference: Callable[[], told.Reference]


def make_template(folder: Path) -> Template:
    """Push a few tiny versions, once."""
    with budwood.in_memory(author="root", clock=lambda: START_MS) as registry:
        house = registry.house
        _people(house)
        versions: dict[tuple[str, int], told.Version] = {}
        for model, authors in AUTHORS.items():
            for number, author in enumerate(authors, 1):
                file = folder / "config.json"
                file.write_text(json.dumps({"of": model, "layers": number}))
                theirs = Registry(Near(replace(house, author=author), "memory", made=False, grace_s=0))
                pushed = theirs.push(file, model, label=f"{number}.0.0").version
                versions[model, number] = told.Version(model, pushed.number, pushed.digest, frozenset({author}))
        registry.export(["fraud@v2", "churn@v1"], folder / "bundle")
        with house.catalog.read() as view:
            rows = tuple(
                (shape.name, tuple(tuple(row) for page in view.dump(shape.name) for row in page))
                for shape in view.shapes()
            )
            counters = dict(view.counters())
        packs = {each.key: house.objects.read(each.key, 0, each.size) for each in house.objects.list()}
        return Template(folder, rows, counters, packs, partial(_reference, versions))


def _people(house: House) -> None:
    root = Caller("root", is_admin=True)
    for name in PEOPLE:
        people.add_person(house, name)
    people.change_person(house, "root", ChangePerson(is_admin=True))
    for name, owner in PROGRAMS.items():
        people.add_person(house, name, kind=PrincipalKind.SERVICE, owner=owner)
    groups.add_group(house, "crew", ["cyd"])
    for name, role in (("bob", "reviewer"), ("dan", "owner"), ("ann", "responder"), ("dan", "reviewer")):
        grants.grant(house, root, ROOM, name, role)
    grants.grant(house, root, ROOM, "crew", "reviewer", to_group=True)


def _reference(versions: Mapping[tuple[str, int], told.Version]) -> told.Reference:
    given = {("bob", False, "reviewer"), ("dan", False, "owner"), ("ann", False, "responder")}
    given |= {("dan", False, "reviewer"), ("crew", True, "reviewer")}
    return told.Reference(
        now=START_MS,
        kinds=dict.fromkeys(PROGRAMS, "service"),
        owners={name: {owner} - {""} for name, owner in PROGRAMS.items()},
        groups={"crew": {"cyd": (START_MS, "root")}},
        grants=dict.fromkeys(given, (START_MS, "root")),
        versions={key: replace(version) for key, version in versions.items()},
    )


class Evaluator:
    """Says true to ``true``. While it is asked, somebody else may do something: between looking and deciding."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self._meanwhile = meanwhile

    def evaluate(self, expressions: Sequence[str], variables: Mapping[str, Json]) -> Mapping[str, Said]:
        self._meanwhile()
        return {each: Said(each == "true") for each in expressions}

    def check(self, expression: str) -> str:
        return ""

    def close(self) -> None:
        """Nothing was started."""


@dataclass
class Machine:
    """One registry and its reference. ``tally`` counts what was done and what came of it."""

    template: Template
    chance: random.Random
    tally: Counter[str] = field(default_factory=Counter)
    trace: deque[str] = field(default_factory=lambda: deque(maxlen=40))

    def __post_init__(self) -> None:
        self.reference = self.template.reference()
        self.granted: dict[tuple[str, str], tuple[int, str]] = {}
        self.model_ids: dict[str, int] = {}
        self.depth = 0
        self.focus: told.Version | None = None
        catalog, objects = SqliteCatalog.in_memory(), MemoryObjects()
        catalog.write(lambda transaction: transaction.fill(self.template.rows, self.template.counters))
        for key, pack in self.template.packs.items():
            with objects.create(key) as writer:
                writer.append([pack])
                writer.publish()
        self._move_in(catalog, objects)

    def _move_in(self, catalog: SqliteCatalog, objects: MemoryObjects) -> None:
        self.house = House(
            catalog=catalog,
            objects=objects,
            clock=lambda: self.reference.now,
            ids=lambda: f"{self.chance.getrandbits(128):032x}",
            author="root",
            threads=1,
            expressions=Evaluator(self._meanwhile),
        )
        self.houses = {name: replace(self.house, author=name) for name in ACTORS}
        with catalog.read() as view:
            found = {model: view.model(ROOM, model) for model in AUTHORS}
        self.model_ids = {model: record.id for model, record in found.items() if record is not None}

    def close(self) -> None:
        self.house.catalog.close()

    def step(self) -> None:
        """Somebody does something; then the registry is looked at."""
        self.reference.now += self.chance.randrange(2_000)
        name = self.chance.choices(NAMES, WEIGHTS)[0] if not self.depth else self.chance.choice(MEANWHILE)
        self._do(name, self.chance.choice(ACTORS))

    def _do(self, name: str, actor: str) -> None:
        self.tally["steps"] += 1
        self.granted.clear()
        try:
            DEEDS[name](self, actor)
            self.tally[name] += 1
            outcome = ""
        except BudwoodError as error:
            outcome = error.code
            self.tally[f"{name}: {error.code}"] += 1
            if isinstance(error, GateClosed):
                self.tally["closed"] += 1
        self.trace.append(f"{self.reference.now} {actor} {name} {self.said} {outcome}")
        self._look()

    said: object = ""

    def _meanwhile(self) -> None:
        if self.depth == 0 and self.chance.random() < 0.5:
            self.depth, granted, said = 1, dict(self.granted), self.said
            try:
                self.step()
            finally:
                self.depth, self.granted, self.said = 0, granted, said

    # What is looked at after each step

    def _look(self) -> None:
        reference, points = self.reference, {}
        stages: dict[tuple[str, int], str] = {}
        with self.house.catalog.read() as view:
            for model, model_id in self.model_ids.items():
                for move in view.pointers(model_id):
                    points[model, move.pointer] = move.version_number
                for record in view.versions(model_id):
                    stages[model, record.number] = str(record.stage)
        for key, number in points.items():
            if reference.points.get(key) != number:
                self._judge(*key, number)
        for (model, number), name in stages.items():
            version = reference.versions[model, number]
            before, version.stage = version.stage, name
            # Who is retired is archived, whatever guards the archive: a bad version never waits for a review to go.
            leaves = version.retired and name == "archived"
            if name != before and not leaves and not self._lets(model, f"stage:{name}", number):
                self._broken(f"{model}@v{number} is in {name}")
        reference.points = points

    def _judge(self, model: str, pointer: str, number: int) -> None:
        """A pointer is somewhere else than before."""
        reference = self.reference
        version = reference.versions[model, number]
        if version.gone or version.retired or not self._lets(model, pointer, number):
            self._broken(f"{pointer} of {model} points at v{number}")
        if reference.guards(model, pointer):
            self.tally["moved, guarded"] += 1
        if self.granted.get((model, pointer)) != (number, "glass"):
            reference.legit.setdefault((model, pointer), set()).add(number)

    def _lets(self, model: str, pointer: str, number: int) -> bool:
        """Whether nothing guards it, or this step was let through, or it may return."""
        if not self.reference.guards(model, pointer) or self.granted.get((model, pointer), (0, ""))[0] == number:
            return True
        return number in self.reference.legit.get((model, pointer), ())

    def _broken(self, what: str) -> None:
        raise Broken(f"{what}, and the reference does not allow it.\n" + "\n".join(self.trace))

    # What is chosen

    def _version(self) -> told.Version:
        if self.depth and self.focus is not None and not self.focus.gone and self.chance.random() < 0.5:
            return self.focus
        known = [each for each in self.reference.versions.values() if not each.gone]
        return self.chance.choice(known)

    def _asked(self, *, open_only: bool = True) -> told.Asked | None:
        found = [each for each in self.reference.promotions.values() if each.open or not open_only]
        return self.chance.choice(found[-8:]) if found else None

    def _guarded(self) -> tuple[told.Version, str]:
        """A version and a pointer of its model that is guarded, if there is one."""
        for _ in range(4):
            version, pointer = self._version(), self.chance.choice(POINTERS)
            if self.reference.guards(version.model, pointer):
                break
        return version, pointer

    # What people do

    def request(self, actor: str) -> None:
        version, pointer = self._guarded()
        self.said = (version.model, version.number, pointer)
        made = promotions.request(
            self.houses[actor], Caller(actor), f"{version.model}@v{version.number}", pointer.removeprefix("stage:")
        )
        asked = told.Asked(made.id, version.model, version.number, pointer, actor, self.reference.now)
        self.reference.promotions[made.id] = asked

    def review(self, actor: str) -> None:
        if (asked := self._asked()) is not None:
            self._review(actor, asked, approves=self.chance.random() < 0.93)

    def _review(self, actor: str, asked: told.Asked, *, approves: bool) -> None:
        self.said = (asked.number, approves)
        promotions.review(self.houses[actor], Caller(actor), ROOM, asked.number, approves=approves)
        if not self.reference.may_speak(actor):
            self._broken(f"{actor} reviewed")
        seen = self.reference.seen(asked.model, asked.version, asked.pointer)
        asked.reviews.append((actor, approves, self.reference.now, seen))
        asked.open = approves

    def apply(self, actor: str) -> None:
        if (asked := self._asked()) is not None:
            self._apply(actor, asked)

    def _apply(self, actor: str, asked: told.Asked) -> None:
        self.said = asked.number
        self.focus = self.reference.versions[asked.model, asked.version]
        try:
            promotions.apply(self.houses[actor], Caller(actor), ROOM, asked.number)
        except GateClosed:
            if self.reference.allows(asked):
                self._broken(f"promotion {asked.number} was refused")
            raise
        if not self.reference.allows(asked):
            self._broken(f"promotion {asked.number} was applied")
        self.granted[asked.model, asked.pointer] = (asked.version, "gates")
        self.reference.legit.setdefault((asked.model, asked.pointer), set()).add(asked.version)
        asked.open = False

    def pursue(self, actor: str) -> None:
        """Everybody does their part for a promotion; whether that is enough is another question."""
        if (asked := self._asked()) is None:
            return
        version = self.reference.versions[asked.model, asked.version]
        if self.chance.random() < 0.5 and not version.gone:
            self._tell(self.chance.choice(PEOPLE), version, good=True)
        for person in self.chance.sample(PEOPLE, 3):
            if asked.open:
                self._review(person, asked, approves=True)
        if asked.open:
            self._apply(actor, asked)

    def withdraw(self, actor: str) -> None:
        if (asked := self._asked()) is not None:
            self.said = asked.number
            promotions.withdraw(self.houses[actor], Caller(actor), ROOM, asked.number)
            asked.open = False

    def tell(self, actor: str) -> None:
        self._tell(actor, self._version(), good=self.chance.random() < 0.6)

    def _tell(self, actor: str, version: told.Version, *, good: bool) -> None:
        chance = self.chance
        kind = chance.choice(("evaluation", "evaluation", "fairness"))
        metrics = {"acc": chance.uniform(0.9, 1.0) if good else chance.uniform(0, 1)}
        if chance.random() < 0.8:
            metrics["ms"] = chance.uniform(0, 25)
        outcome = "passed" if good else chance.choice(("", "failed", "passed"))
        samples = chance.choice((50, 100, 500))
        wish = AddEvidence(EvidenceKind(kind), Outcome(outcome), metrics, samples=samples)
        self.said = (version.model, version.number, kind, outcome, metrics)
        given = add_evidence(self.houses[actor], Caller(actor), f"{version.model}@v{version.number}", wish)
        roles = frozenset(self.reference.roles(actor))
        said = told.Said(given.id, kind, actor, self.reference.now, outcome, metrics, samples, roles)
        self.reference.evidence.setdefault(version.digest, []).append(said)

    def alias(self, actor: str) -> None:
        version, name = self._version(), self.chance.choice(ALIASES)
        self._try(version, name, partial(alias, self.houses[actor], f"{version.model}@v{version.number}", name))

    def stage(self, actor: str) -> None:
        version, name = self._version(), self.chance.choice(STAGES)
        exact = f"{version.model}@v{version.number}"
        self._try(version, f"stage:{name}", partial(stage, self.houses[actor], exact, name))

    def _try(self, version: told.Version, pointer: str, move: Callable[[], object]) -> None:
        self.said = (version.model, version.number, pointer)
        try:
            move()
        except GateClosed:
            if self.reference.may_return(version.model, pointer, version.number):
                self._broken(f"{pointer} of {version.model} may not go to v{version.number}")
            raise
        self._put(version.model, pointer, version.number)

    def _put(self, model: str, pointer: str, number: int) -> None:
        """It was put there, perhaps where it was already: past the gates before, and now by right."""
        if not self.reference.guards(model, pointer):
            self.reference.legit.setdefault((model, pointer), set()).add(number)

    def push(self, actor: str) -> None:
        model, name = self.chance.choice(list(AUTHORS)), self.chance.choice(ALIASES)
        self.said = (model, name)
        request = PushRequest((self.template.folder / "config.json",), model, aliases=(name,))
        pushed = push(Home(self.houses[actor]), request).version
        key = (model, pushed.number)
        self.reference.versions.setdefault(key, told.Version(model, pushed.number, pushed.digest, frozenset({actor})))
        self._put(model, name, pushed.number)

    def back(self, actor: str) -> None:
        model, pointer = self.chance.choice(list(AUTHORS)), self.chance.choice(POINTERS)
        self.said = (model, pointer)
        roll_back(self.houses[actor], model, pointer.removeprefix("stage:"))

    def unalias(self, actor: str) -> None:
        model, name = self.chance.choice(list(AUTHORS)), self.chance.choice(ALIASES)
        remove_alias(self.houses[actor], model, name)

    def glass(self, actor: str) -> None:
        (version, pointer), reason = self._guarded(), self.chance.choice(("short", "payments are refused"))
        self.said = (version.model, version.number, pointer, reason)
        reference, exact = self.reference, f"{version.model}@v{version.number}"
        broken = promotions.break_glass(
            self.houses[actor], Caller(actor), exact, pointer.removeprefix("stage:"), reason
        )
        may = reference.may_speak(actor) and reference.holds(actor, "responder") and len(reason) >= 10
        if not may or reference.unseen or not reference.guards(version.model, pointer):
            self._broken(f"{actor} broke the glass")
        reference.unseen.add(broken.id)
        asked = told.Asked(broken.id, version.model, version.number, pointer, actor, reference.now, open=False)
        reference.promotions[broken.id] = asked
        self.granted[version.model, pointer] = (version.number, "glass")

    def look(self, actor: str) -> None:
        for number in sorted(self.reference.unseen):
            promotions.look_at(self.houses[actor], Caller(actor), ROOM, number)
            if actor == self.reference.promotions[number].requester or not self.reference.may_speak(actor):
                self._broken(f"{actor} looked at what they did themselves")
            self.reference.unseen.discard(number)

    def retire(self, actor: str) -> None:
        version = self._version()
        self.said = (version.model, version.number)
        retire(self.houses[actor], f"{version.model}@v{version.number}", "a bug")
        version.retired = True

    def delete(self, actor: str) -> None:
        version = self._version()
        self.said = (version.model, version.number)
        delete(self.houses[actor], f"{version.model}@v{version.number}")
        version.gone = True

    def import_(self, actor: str) -> None:
        for made in import_bundle(self.houses[actor], self.template.folder / "bundle").versions:
            # Who brings it made it, as far as reviews go; so did whom the bundle names.
            authors = frozenset({actor, AUTHORS[made.model][1 if made.model == "fraud" else 0]})
            version = told.Version(made.model, made.number, made.digest, authors)
            self.reference.versions[made.model, made.number] = version

    def restore(self, actor: str) -> None:
        """The whole registry, from a backup of it, in another place."""
        objects, catalog = MemoryObjects(self.house.clock), SqliteCatalog.in_memory()
        with tempfile.TemporaryDirectory(dir=self.template.folder) as folder:
            backup(self.house, Path(folder))
            restore(replace(self.house, catalog=catalog, objects=objects), Path(folder))
        self.house.catalog.close()
        self._move_in(catalog, objects)

    def put(self, actor: str) -> None:
        at = self.chance.randrange(len(SPECS))
        name, spec = f"p{at % 4}", SPECS[at]
        self.said = (name, spec)
        kind = {"apiVersion": "budwood.dev/v1", "kind": "Policy", "metadata": {"name": name}, "spec": spec}
        policies.put_policy(self.houses[actor], ROOM, json.dumps(kind))
        self.reference.policies[name] = spec

    def lift(self, actor: str) -> None:
        name = f"p{self.chance.randrange(4)}"
        self.said = name
        policies.remove_policy(self.houses[actor], ROOM, name)
        del self.reference.policies[name]

    def tier(self, actor: str) -> None:
        model, tier = self.chance.choice(list(AUTHORS)), self.chance.choice(("low", "high", "high"))
        self.said = (model, tier)
        policies.set_tier(self.houses[actor], model, Tier(tier))
        self.reference.tiers[model] = tier

    def grant(self, actor: str) -> None:
        to, is_group = self.chance.choice([*((name, False) for name in ACTORS), ("crew", True)])
        role = self.chance.choice(ROLES)
        self.said = (to, role)
        grants.grant(self.houses[actor], Caller(actor), ROOM, to, role, to_group=is_group)
        self.reference.grants[to, is_group, role] = (self.reference.now, actor)

    def ungrant(self, actor: str) -> None:
        to, is_group, role = self.chance.choice(sorted(self.reference.grants) or [("crew", True, "reviewer")])
        self.said = (to, role)
        grants.ungrant(self.houses[actor], Caller(actor), ROOM, to, role, to_group=is_group)
        self.reference.grants.pop((to, is_group, role))

    def join(self, actor: str) -> None:
        members = self.chance.sample(PEOPLE, self.chance.randrange(4))
        self.said = members
        groups.set_members(self.houses[actor], "crew", members)
        before = self.reference.groups["crew"]
        self.reference.groups["crew"] = {name: before.get(name, (self.reference.now, actor)) for name in members}

    def change(self, _: str) -> None:
        name = self.chance.choice((*ACTORS, *PROGRAMS))
        if name in PROGRAMS and self.chance.random() < 0.8:
            owner = self.chance.choice(PEOPLE)
            self.said = (name, owner)
            people.change_person(self.house, name, ChangePerson(owner=owner))
            self.reference.owners.setdefault(name, set()).add(owner)
            return
        disabled = name != "root" and self.chance.random() < 0.3
        self.said = (name, disabled)
        people.change_person(self.house, name, ChangePerson(disabled=disabled))
        (self.reference.disabled.add if disabled else self.reference.disabled.discard)(name)

    def wait(self, _: str) -> None:
        self.said = wait_ms = self.chance.choice((3_600_000, 90_000, 2 * 86_400_000, -600_000, -5_000))
        self.reference.now += wait_ms


DEEDS: Mapping[str, Callable[[Machine, str], None]] = {
    "request": Machine.request,
    "review": Machine.review,
    "apply": Machine.apply,
    "pursue": Machine.pursue,
    "withdraw": Machine.withdraw,
    "tell": Machine.tell,
    "alias": Machine.alias,
    "stage": Machine.stage,
    "push": Machine.push,
    "roll back": Machine.back,
    "unalias": Machine.unalias,
    "break glass": Machine.glass,
    "look": Machine.look,
    "retire": Machine.retire,
    "delete": Machine.delete,
    "import": Machine.import_,
    "restore": Machine.restore,
    "put": Machine.put,
    "lift": Machine.lift,
    "tier": Machine.tier,
    "grant": Machine.grant,
    "ungrant": Machine.ungrant,
    "join": Machine.join,
    "change": Machine.change,
    "wait": Machine.wait,
}
_WEIGHED: dict[str, float] = {
    "request": 140,
    "review": 120,
    "apply": 120,
    "pursue": 120,
    "tell": 90,
    "alias": 80,
    "stage": 80,
}
_WEIGHED |= {
    "roll back": 60,
    "break glass": 30,
    "look": 30,
    "put": 30,
    "wait": 30,
    "join": 30,
    "grant": 30,
    "change": 30,
}
_WEIGHED |= {
    "ungrant": 15,
    "unalias": 15,
    "withdraw": 15,
    "lift": 12,
    "tier": 12,
    "retire": 2,
    "delete": 6,
    "import": 3,
}
_WEIGHED |= {"push": 1, "restore": 0.3}
MEANWHILE = ("tell", "tell", "put", "lift", "ungrant", "join", "change", "review", "stage", "alias", "wait")
NAMES = tuple(DEEDS)
WEIGHTS = tuple(_WEIGHED[name] for name in NAMES)


def play(seed: int, steps: int, template: Template, *, life: int = LIFE) -> Counter[str]:
    """So many steps from a seed; what was done. Raises Broken."""
    tally: Counter[str] = Counter()
    while tally["steps"] < steps:
        chance = random.Random(f"{seed}-{tally['steps']}")
        machine = Machine(template, chance, tally)
        until = min(steps, tally["steps"] + life)
        try:
            while tally["steps"] < until:
                machine.step()
        except Broken as broken:
            raise Broken(f"seed {seed}, step {tally['steps']}: {broken}") from broken
        finally:
            machine.close()
    return tally


def play_alone(seed: int, steps: int) -> Counter[str]:
    """With a template of its own: for a process."""
    with tempfile.TemporaryDirectory() as folder:
        return play(seed, steps, make_template(Path(folder)))


def main(words: Sequence[str] | None = None) -> int:
    """Play, and print what was done."""
    parser = argparse.ArgumentParser(description="Promotions beside a reference.")
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1)
    given: Any = parser.parse_args(words)
    share, began = -(-given.steps // given.processes), time.monotonic()
    with ProcessPoolExecutor(given.processes) as pool:
        seeds = range(given.seed, given.seed + given.processes)
        tally = sum(pool.map(play_alone, seeds, [share] * given.processes), Counter())
    for name, count in sorted(tally.items()):
        sys.stdout.write(f"{count:>9} {name}\n")
    took_s = time.monotonic() - began
    sys.stdout.write(f"seeds {list(seeds)}, {tally['steps']} steps in {took_s:.0f} s: 0 unauthorised promotions\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
