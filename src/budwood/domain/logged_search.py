"""Which logged models a search finds, and in which order: decided on values, in memory.

A metric may have been measured on several data sets, and by several runs; a search that names data sets looks at what
was measured on those alone.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from budwood.domain.artifacts import Described, LoggedModel, ModelSaid
from budwood.domain.tracking.fields import METRIC, PARAM, TAG
from budwood.domain.tracking.filters import ATTRIBUTE, Comparison, Family, Grammar, Kind, Operator, Place
from budwood.domain.tracking.records import RunMetric
from budwood.errors import BadFilter

LOGGED_MODELS: Final = Grammar(
    "logged model",
    begins="Invalid filter string: ",
    wrong="Invalid comparison operator",
    attributes={
        **dict.fromkeys(("name", "model_id", "model_type", "status", "source_run_id"), Kind.CHOICE),
        "creation_timestamp": Kind.NUMBER,
        "last_updated_timestamp": Kind.NUMBER,
    },
    families={
        **dict.fromkeys(("metric", "metrics"), Family(METRIC, Kind.NUMBER)),
        **dict.fromkeys(("param", "params", "parameter", "parameters"), Family(PARAM, may_be_absent=True)),
        **dict.fromkeys(("tag", "tags"), Family(TAG, may_be_absent=True)),
    },
    aliases={"creation_time": "creation_timestamp", "last_updated_time": "last_updated_timestamp"},
    attribute_words=frozenset({"attribute", "attributes", "attr"}),
)
_ATTRIBUTES: Final[dict[str, Callable[[LoggedModel], str | int]]] = {
    "name": lambda model: model.name,
    "model_id": lambda model: model.model,
    "model_type": lambda model: model.kind,
    "status": lambda model: model.status.name,
    "source_run_id": lambda model: model.run,
    "creation_timestamp": lambda model: model.created_ms,
    "last_updated_timestamp": lambda model: model.updated_ms,
}
_NUMERIC: Final[dict[Operator, Callable[[float, float], bool]]] = {
    Operator.EQ: lambda a, b: a == b,
    Operator.NE: lambda a, b: a != b,
    Operator.LT: lambda a, b: a < b,
    Operator.LE: lambda a, b: a <= b,
    Operator.GT: lambda a, b: a > b,
    Operator.GE: lambda a, b: a >= b,
}


@dataclass(frozen=True, slots=True)
class OnDataset:
    """A data set by name, by digest, or by both; what is empty may be anything."""

    name: str
    digest: str = ""

    def has(self, each: RunMetric) -> bool:
        """Whether it was measured there."""
        name, digest = each.metric.dataset
        return self.name in ("", name) and self.digest in ("", digest)


@dataclass(frozen=True, slots=True)
class ModelOrder:
    """One word of an order: an attribute, or a metric, perhaps on one data set."""

    place: Place
    descends: bool = False
    dataset: OnDataset | None = None


def model_order(field: str, dataset: OnDataset | None, *, ascends: bool) -> ModelOrder:
    """Raises BadFilter."""
    head, dot, key = field.partition(".")
    if dot and head in ("metric", "metrics") and key:
        return ModelOrder(Place(METRIC, key.strip('`"')), not ascends, dataset)
    name = key if dot and head in LOGGED_MODELS.attribute_words else field
    name = LOGGED_MODELS.aliases.get(name, name)
    if name not in _ATTRIBUTES:
        raise BadFilter(f"Invalid order by field name: {field[:100]}", position=0)
    if dataset is not None:
        raise BadFilter("`dataset_name` and `dataset_digest` can only be specified for metrics.", position=0)
    return ModelOrder(Place(ATTRIBUTE, name), not ascends)


def looks_inside(comparisons: Iterable[Comparison], orders: Iterable[ModelOrder]) -> bool:
    """Whether it asks for what was said of models, or for the models alone."""
    places = [*(each.place for each in comparisons), *(each.place for each in orders)]
    return any(place.family != ATTRIBUTE for place in places)


def matches(each: Described, comparisons: Sequence[Comparison], datasets: Sequence[OnDataset]) -> bool:
    """Whether all of the comparisons hold, and something was measured on the datasets where any are named."""
    if datasets and not any(on.has(metric) for on in datasets for metric in each.said.metrics):
        return False
    return all(_holds(each, comparison, datasets) for comparison in comparisons)


def in_order(found: Iterable[Described], orders: Sequence[ModelOrder]) -> list[Described]:
    """By what is asked for, what has none of it last; then the newest first."""
    ordered = sorted(found, key=lambda each: (-each.model.created_ms, each.model.model))
    for order in reversed(orders):
        ordered = _ordered(ordered, order)
    return ordered


def like(text: str, pattern: str, *, any_case: bool = False) -> bool:
    """``%`` stands for any characters, ``_`` for one. Takes time in proportion to both lengths, never more."""
    if any_case:
        text, pattern = text.lower(), pattern.lower()
    at = place = 0
    star, matched = -1, 0
    while at < len(text):
        if place < len(pattern) and pattern[place] == "%":
            star, matched = place, at
            place += 1
        elif place < len(pattern) and pattern[place] in ("_", text[at]):
            at, place = at + 1, place + 1
        elif star >= 0:
            matched += 1
            at, place = matched, star + 1
        else:
            return False
    return all(character == "%" for character in pattern[place:])


def _holds(each: Described, comparison: Comparison, datasets: Sequence[OnDataset]) -> bool:
    family, key = comparison.place.family, comparison.place.key
    if family == METRIC:
        assert isinstance(comparison.value, float)
        test, wanted = _NUMERIC[comparison.operator], comparison.value
        return any(test(one.metric.value, wanted) for one in _measured(each.said, key, datasets))
    if family == ATTRIBUTE:
        there = _ATTRIBUTES[key](each.model)
        if isinstance(there, int):
            assert isinstance(comparison.value, float)
            return _NUMERIC[comparison.operator](there, comparison.value)
        return _compares(there, comparison)
    return _compares((each.said.params if family == PARAM else each.said.tags).get(key), comparison)


def _compares(there: str | None, comparison: Comparison) -> bool:
    operator, wanted = comparison.operator, comparison.value
    if operator is Operator.IS_NULL or there is None:
        return there is None and operator is Operator.IS_NULL
    match operator, wanted:
        case Operator.IS_NOT_NULL, _:
            return True
        case Operator.EQ, _:
            return there == wanted
        case Operator.NE, _:
            return there != wanted
        case ((Operator.LIKE | Operator.ILIKE), str()):
            return like(there, wanted, any_case=operator is Operator.ILIKE)
        case Operator.IN, tuple():
            return there in wanted
        case Operator.NOT_IN, tuple():
            return there not in wanted
    raise AssertionError(operator)


def _measured(said: ModelSaid, key: str, datasets: Sequence[OnDataset]) -> list[RunMetric]:
    found = [each for each in said.metrics if each.metric.key == key]
    return [each for each in found if any(one.has(each) for one in datasets)] if datasets else found


def _ordered(found: list[Described], order: ModelOrder) -> list[Described]:
    """A stable sort, so that what was sorted by before decides among equals."""
    keyed = [(_sort_key(each, order), each) for each in found]
    there = [(key, each) for key, each in keyed if key is not None]
    absent = [each for key, each in keyed if key is None]
    numbers: list[tuple[float | str, Described]] = [
        pair for pair in there if isinstance(pair[0], str) or not math.isnan(pair[0])
    ]
    none = [each for key, each in there if not isinstance(key, str) and math.isnan(key)]
    numbers.sort(key=lambda pair: pair[0], reverse=order.descends)
    return [*(each for _, each in numbers), *none, *absent]


def _sort_key(each: Described, order: ModelOrder) -> float | str | None:
    """Of several measurements the newest counts."""
    if order.place.family == ATTRIBUTE:
        return _ATTRIBUTES[order.place.key](each.model)
    found = _measured(each.said, order.place.key, [order.dataset] if order.dataset else [])
    return max(found, key=lambda one: (one.metric.at_ms, one.metric.step)).metric.value if found else None
