"""What an evaluation said, line by line: JSON objects, each an example or some metrics of all of them.

    {"id": "x17", "correct": true, "loss": 0.31}
    {"metrics": {"auc": 0.93}, "samples": 2000, "intervals": {"auc": [0.91, 0.95]}}
    {"counts": {"accuracy": [186, 200]}}

Of an example every number is a metric, whose value is the mean; true and false count as a share. Text is for people
and is left out, ``id`` names the example. All examples say the same metrics: one that is missing somewhere is a
mistake, and so is what is no number. Counts are so many of so many.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NoReturn

from budwood.domain.canon import Json, dumps, loads
from budwood.domain.limits import EVIDENCE_METRICS, KEY_CHARS, VALUE_BYTES
from budwood.errors import EvaluationFailed

_OF_ALL: Final = frozenset({"metrics", "samples", "intervals", "counts"})
_HINT: Final = 'Print one JSON object a line: {"id": "x1", "correct": true}, or {"metrics": {"auc": 0.93}}.'
_MOST: Final = 10**15


@dataclass(frozen=True, slots=True)
class Count:
    """So many of so many."""

    hits: int
    of: int


@dataclass(frozen=True, slots=True)
class Results:
    """``columns`` hold what each example says, in one order; ``ids`` is empty when they have none. ``shares`` are the
    columns of true and false. ``metrics`` and ``counts`` are of all examples together, ``bounds`` what was said of how
    sure a metric is."""

    columns: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    ids: tuple[str, ...] = ()
    shares: frozenset[str] = frozenset()
    metrics: Mapping[str, float] = field(default_factory=dict)
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    counts: Mapping[str, Count] = field(default_factory=dict)
    said_samples: int = 0

    @property
    def examples(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    @property
    def samples(self) -> int:
        """On how many it was measured, as far as anybody said."""
        most = max((count.of for count in self.counts.values()), default=0)
        return self.said_samples or self.examples or most


def read_results(text: str) -> Results:
    """Raises EvaluationFailed, naming the line."""
    reading = _Reading()
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            reading.take(_object(line, number), number)
    found = reading.results()
    if not (found.columns or found.metrics or found.counts):
        raise EvaluationFailed("The evaluation said no metric.", hint=_HINT)
    twice = sorted((found.metrics.keys() & found.columns.keys()) | (found.counts.keys() & reading.named))
    if twice:
        raise EvaluationFailed(f"The metric {twice[0]!r} is said in two ways.", hint="Say each in one.")
    return found


def example_lines(results: Results) -> Iterator[bytes]:
    """The examples, as ``read_results`` takes them again."""
    names = list(results.columns)
    for at, values in enumerate(zip(*results.columns.values(), strict=True)):
        line: dict[str, Json] = {"id": results.ids[at]} if results.ids else {}
        for name, value in zip(names, values, strict=True):
            line[name] = bool(value) if name in results.shares else value
        yield dumps(line) + b"\n"


class _Reading:
    """Grows as lines come. ``named`` are the metrics that were said without a count."""

    def __init__(self) -> None:
        self._columns: dict[str, list[float]] | None = None
        self._shares: frozenset[str] = frozenset()
        self._ids: dict[str, None] = {}
        self._metrics: dict[str, float] = {}
        self._bounds: dict[str, tuple[float, float]] = {}
        self._counts: dict[str, Count] = {}
        self._samples = 0

    @property
    def named(self) -> frozenset[str]:
        return frozenset(self._metrics) | frozenset(self._columns or ())

    def take(self, line: Mapping[str, Json], number: int) -> None:
        if line.keys() & {"metrics", "counts"}:
            if stray := sorted(line.keys() - _OF_ALL):
                _bad(number, f"says {stray[0][:80]!r} beside metrics")
            self._take_metrics(line, number)
        else:
            self._take_example(line, number)

    def results(self) -> Results:
        columns = {name: tuple(values) for name, values in (self._columns or {}).items()}
        ids = tuple(self._ids)
        return Results(columns, ids, self._shares, self._metrics, self._bounds, self._counts, self._samples)

    def _take_metrics(self, line: Mapping[str, Json], number: int) -> None:
        for name, value in _pairs(line, "metrics", number):
            if name in self._metrics:
                _bad(number, f"says {name!r} again")
            self._metrics[_name(name, number)] = _number(value, name, number)
        for name, value in _pairs(line, "intervals", number):
            low, high = _pair(value, name, number)
            if name not in self._metrics or low > high:
                _bad(number, f"has an interval of {name[:80]!r} that is none, or of no metric")
            self._bounds[name] = (low, high)
        for name, value in _pairs(line, "counts", number):
            hits, of = _pair(value, name, number)
            if not (hits.is_integer() and of.is_integer() and 0 <= hits <= of <= _MOST and of > 0):
                _bad(number, f"says {name[:80]!r} is {hits:g} of {of:g}")
            if name in self._counts:
                _bad(number, f"says {name!r} again")
            self._counts[_name(name, number)] = Count(int(hits), int(of))
        samples = line.get("samples", 0)
        if isinstance(samples, bool) or not isinstance(samples, int) or not 0 <= samples <= _MOST:
            _bad(number, "gives 'samples' that is no number of them")
        self._samples = max(self._samples, samples)
        if len(self._metrics) + len(self._counts) > EVIDENCE_METRICS:
            raise EvaluationFailed(f"At most {EVIDENCE_METRICS} metrics are kept.", limit="EVIDENCE_METRICS")

    def _take_example(self, line: Mapping[str, Json], number: int) -> None:
        values = {
            name: _number(value, name, number)
            for name, value in line.items()
            if name != "id" and not isinstance(value, str)
        }
        shares = frozenset(name for name in values if isinstance(line[name], bool))
        if self._columns is None:
            self._begin(values, shares, number)
        assert self._columns is not None
        if values.keys() != self._columns.keys():
            odd = sorted(values.keys() ^ self._columns.keys())
            _bad(number, f"does not say the same metrics as those before: {odd[0][:80]!r}")
        if shares != self._shares:
            odd = sorted(shares ^ self._shares)
            _bad(number, f"says {odd[0][:80]!r} as true or false, and others as a number")
        self._take_id(line.get("id"), number)
        for name, value in values.items():
            self._columns[name].append(value)

    def _begin(self, values: Mapping[str, float], shares: frozenset[str], number: int) -> None:
        if not values:
            _bad(number, "says no number")
        if len(values) > EVIDENCE_METRICS:
            raise EvaluationFailed(f"At most {EVIDENCE_METRICS} metrics are kept.", limit="EVIDENCE_METRICS")
        self._columns = {_name(name, number): [] for name in values}
        self._shares = shares

    def _take_id(self, given: Json, number: int) -> None:
        assert self._columns is not None
        before = len(next(iter(self._columns.values())))
        if given is None:
            if self._ids:
                _bad(number, "has no 'id', and others do")
            return
        if isinstance(given, bool) or not isinstance(given, str | int):
            _bad(number, "has an 'id' that is neither text nor a whole number")
        named = str(given)
        if len(self._ids) != before:
            _bad(number, "has an 'id', and others do not")
        if not _is_text(named):
            _bad(number, "has an 'id' that is too long, or no Unicode")
        if named in self._ids:
            _bad(number, f"has the 'id' {named[:80]!r} of another")
        self._ids[named] = None


def _object(line: str, number: int) -> Mapping[str, Json]:
    try:
        said = loads(line)
    except (ValueError, RecursionError) as error:
        word = "holds NaN or infinity, which no metric is" if "is not JSON" in str(error) else "is no JSON"
        raise EvaluationFailed(
            f"Line {number} of the results {word}: {_shown(line)}", hint=_HINT, line=number
        ) from error
    if not isinstance(said, Mapping):
        _bad(number, f"is no JSON object: {_shown(line)}")
    return said


def _pairs(line: Mapping[str, Json], name: str, number: int) -> Iterable[tuple[str, Json]]:
    found = line.get(name, {})
    if not isinstance(found, Mapping):
        _bad(number, f"has {name!r} that names nothing")
    return found.items()


def _pair(value: Json, name: str, number: int) -> tuple[float, float]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        _bad(number, f"says of {name[:80]!r} something else than two numbers")
    return _number(value[0], name, number), _number(value[1], name, number)


def _number(value: Json, name: str, number: int) -> float:
    if not isinstance(value, bool | int | float):
        _bad(number, f"says {name[:80]!r} is {_shown(str(value))}, which is no number")
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        _bad(number, f"says {name[:80]!r} is {found}, which is no number")
    return found


def _name(name: str, number: int) -> str:
    if not 1 <= len(name) <= KEY_CHARS or not name.isprintable():
        _bad(number, f"names a metric {name[:80]!r}")
    return name


def _is_text(text: str) -> bool:
    try:
        return len(text.encode()) <= VALUE_BYTES
    except UnicodeEncodeError:
        return False


def _shown(text: str) -> str:
    return repr(text[:80])


def _bad(number: int, what: str) -> NoReturn:
    raise EvaluationFailed(f"Line {number} of the results {what}.", hint=_HINT, line=number)
