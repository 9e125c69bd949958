"""The fields of a version's facts, by name: whether a version has one, and how one is given.

A metadata standard asks for fields by these names, and what is missing is listed by them. Where a field holds several
things, one of them is named behind a dot: ``metrics.accuracy``, ``parents.trained-on``, ``card.license``.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final

from budwood.domain.canon import Json
from budwood.domain.facts import Facts, Relation
from budwood.domain.limits import CARD_FIELDS
from budwood.domain.names import Kind


@dataclass(frozen=True, slots=True)
class Fact:
    """``words`` say what it is, ``how`` how it is given, ``known`` whether these facts have it."""

    words: str
    how: str
    known: Callable[[Facts], bool]


def card_says(facts: Facts, key: str) -> Json:
    """What the version's own model cards say under a key of their front matter; None where none says it."""
    return next((said[key] for said in _cards(facts) if said.get(key)), None)


def _cards(facts: Facts) -> Iterator[Mapping[str, Json]]:
    for path in sorted(facts.settings):
        said = facts.settings[path]
        if path.rpartition("/")[2] == "README.md" and isinstance(said, Mapping):
            yield said


def _card_keys(facts: Facts) -> frozenset[str]:
    # Whoever pushed wrote the card: only so many keys of it are remembered, and only those that are words.
    keys = (key for said in _cards(facts) for key, value in said.items() if value and _CARD_KEY.fullmatch(key))
    return frozenset(islice(keys, 2 * CARD_FIELDS))


def _says_which_data(facts: Facts) -> bool:
    named = any("@" in dataset.strip("@") for dataset in facts.datasets)
    return named or any(parent.relation == Relation.TRAINED_ON for parent in facts.parents)


def _keeps_changes(facts: Facts) -> bool:
    return facts.code is not None and (not facts.code.dirty or (bool(facts.code.diff) and not facts.code.diff_lacks))


_CARD_KEY: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_RUN: Final = "Train it in 'with budwood.training_run() as run:' and push with run.push"
_FILE: Final = "or write it in a file for 'budwood push --facts FILE'"

FIELDS: Final[Mapping[str, Fact]] = {
    "data": Fact(
        "which version of its data it was trained on",
        "Name the data with its version or hash: --dataset reviews@v3, --dataset reviews@sha256:…, "
        "or a parent: --parent trained-on=reviews@v3",
        _says_which_data,
    ),
    "datasets": Fact("the data it was trained on", "Name the data: --dataset NAME@VERSION", lambda f: bool(f.datasets)),
    "code": Fact("the commit of its code", "Push from a git work tree with a commit", lambda f: f.code is not None),
    "code.clean": Fact(
        "code without changes that are in no commit",
        "Commit your changes, then push",
        lambda f: f.code is not None and not f.code.dirty,
    ),
    "code.diff": Fact(
        "the whole of its uncommitted changes", "Commit your changes, or push without --no-diff", _keeps_changes
    ),
    "frameworks": Fact(
        "its framework and that framework's version",
        f"{_RUN}, {_FILE}: frameworks: {{torch: 2.9.1}}",
        lambda f: any(f.frameworks.values()),
    ),
    "environment": Fact("the packages it was made with", "Push it with Budwood", lambda f: f.environment is not None),
    "environment.lock": Fact(
        "a lock file of its packages",
        "Keep a lock file (uv.lock, requirements.txt) beside what you push",
        lambda f: f.environment is not None and bool(f.environment.lock),
    ),
    "hardware": Fact("the machine it was pushed from", "Push it with Budwood", lambda f: f.hardware is not None),
    "training.seconds": Fact(
        "how long training took",
        f"{_RUN}, {_FILE}: training: {{seconds: 5400}}",
        lambda f: f.training is not None and f.training.seconds is not None,
    ),
    "training.hardware": Fact(
        "the machine it was trained on",
        f"{_RUN}, {_FILE}: training: {{hardware: {{accelerators: [H100]}}}}",
        lambda f: f.training is not None and f.training.hardware is not None,
    ),
    "training.run_by": Fact(
        "who trained it, where that is not its author",
        f"Say it: budwood.training_run(run_by=NAME), {_FILE}: training: {{run_by: NAME}}",
        lambda f: f.training is not None and bool(f.training.run_by),
    ),
    "training.command": Fact(
        "the command that trained it",
        f"{_RUN}, {_FILE}: training: {{command: python train.py}}",
        lambda f: f.training is not None and bool(f.training.command),
    ),
    "metrics": Fact("how well it does", "Give what you measured: --metric accuracy=0.91", lambda f: bool(f.metrics)),
    "params": Fact("its parameters of training", "Give them: --param lr=0.001", lambda f: bool(f.params)),
    "parents": Fact(
        "the versions it came from", "Name them: --parent fine-tuned-from=base@v1", lambda f: bool(f.parents)
    ),
    "message": Fact("what is new in it", "Say it: --message TEXT", lambda f: bool(f.message)),
    "base_model": Fact("the public model it was made from", "Name it: --base-model NAME", lambda f: bool(f.base_model)),
    "card": Fact(
        "a model card with front matter",
        "Push a README.md that begins with it beside the model",
        lambda f: bool(_card_keys(f)),
    ),
    "architecture": Fact("its architecture", "Push the config file beside the weights", lambda f: bool(f.architecture)),
    "schema": Fact(
        "what goes in and what comes out", "Push a file that says it, such as ONNX", lambda f: f.schema is not None
    ),
    "statistics": Fact(
        "statistics of its data", f"run.statistics(...), {_FILE}: statistics: {{…}}", lambda f: bool(f.statistics)
    ),
    "search": Fact(
        "how its parameters were found", f"run.search(...), {_FILE}: search: {{…}}", lambda f: bool(f.search)
    ),
    "fairness": Fact("whether it is fair", f"run.fairness(...), {_FILE}: fairness: {{…}}", lambda f: bool(f.fairness)),
    "resources": Fact(
        "what it took", f"{_RUN}, {_FILE}: resources: {{cpu_seconds: 1200}}", lambda f: bool(f.resources)
    ),
}
OPEN: Final[Mapping[str, Callable[[Facts], Collection[str]]]] = {
    "metrics": lambda facts: facts.metrics.keys(),
    "params": lambda facts: {name for name, value in facts.params.items() if value},
    "parents": lambda facts: {parent.relation for parent in facts.parents},
    "frameworks": lambda facts: {name for name, version in facts.frameworks.items() if version},
    "statistics": lambda facts: facts.statistics.keys(),
    "search": lambda facts: facts.search.keys(),
    "fairness": lambda facts: facts.fairness.keys(),
    "resources": lambda facts: facts.resources.keys(),
    "card": _card_keys,
}
"""Fields that hold several things, and the names of those there are."""

AT_BIRTH: Final = ("data", "code", "code.diff", "frameworks", "training.seconds", "training.hardware", "metrics")
"""What everybody will ask of a model one day, and nobody can find out later."""
TRAINED: Final = frozenset({Kind.MODEL, Kind.ADAPTER})


def known_fields(facts: Facts) -> tuple[str, ...]:
    """The names of all that these facts have."""
    return tuple(sorted({*_plain(facts), *_named(facts)}))


def missing_fields(facts: Facts) -> tuple[str, ...]:
    """Those of ``AT_BIRTH`` that a trained version does not have. Other kinds are not trained, and lack nothing."""
    if facts.kind not in TRAINED:
        return ()
    # Without a commit there are no changes to it.
    asked = (name for name in AT_BIRTH if name != "code.diff" or facts.code is not None)
    return tuple(name for name in asked if not FIELDS[name].known(facts))


def is_field(name: str) -> bool:
    """Whether a version could have a field of this name."""
    first, dot, rest = name.partition(".")
    if name in FIELDS or not dot or first not in OPEN or not rest:
        return name in FIELDS
    return first != "parents" or rest in frozenset(Relation)


def words_of(name: str) -> str:
    """What the field is, for people."""
    first, dot, rest = name.partition(".")
    return FIELDS[name].words if name in FIELDS else f"{rest} among {FIELDS[first].words}" if dot else name


def how_to_give(name: str) -> str:
    """What to do so that the next version has it."""
    first, _, rest = name.partition(".")
    if name in FIELDS:
        return FIELDS[name].how
    said = {
        "metrics": f"Give it: --metric {rest}=NUMBER",
        "params": f"Give it: --param {rest}=VALUE",
        "parents": f"Name it: --parent {rest}=REF",
        "card": f"Give it in the front matter of a README.md beside the model: {rest}: …",
    }
    return said.get(first) or FIELDS[first].how


def _plain(facts: Facts) -> Iterator[str]:
    return (name for name, fact in FIELDS.items() if fact.known(facts))


def _named(facts: Facts) -> Iterator[str]:
    return (f"{name}.{each}" for name, names in OPEN.items() for each in names(facts))
