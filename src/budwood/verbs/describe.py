"""Facts of a version: what its author declared, checked; what its files say, merged."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from budwood.domain import canon
from budwood.domain.canon import Json
from budwood.domain.details import NO_DETAILS, Details
from budwood.domain.facts import Facts, FileFacts, Flag, Hardware, Schema, Training, relation_named
from budwood.domain.limits import (
    DATASETS_PER_VERSION,
    DETAILS_BYTES,
    DIFF_BYTES,
    FACT_DEPTH,
    MESSAGE_BYTES,
    METRICS_PER_VERSION,
    PARAMS_PER_VERSION,
    SETTINGS_BYTES,
    VALUE_BYTES,
)
from budwood.domain.manifest import FileEntry
from budwood.domain.names import Kind, TagKey
from budwood.errors import BadValue, LimitExceeded
from budwood.verbs.tag import check_text

SETTINGS_FILES: Final = (".json", ".yaml", ".yml")
_END_OF_TIME_MS: Final = 253_402_300_800_000
"""Dates have years of four digits."""
_MANY: Final = 1 << 63


@dataclass(frozen=True, slots=True)
class Declared:
    """What the person who pushes says. ``kind`` None lets the files say whether it is an adapter."""

    kind: Kind | None = None
    message: str = ""
    datasets: tuple[str, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    base_model: str = ""
    details: Details = NO_DETAILS

    @property
    def says_something(self) -> bool:
        """Whether a version with the same files would still be another version."""
        said = bool(self.message or self.datasets or self.metrics or self.params or self.base_model)
        return said or self.details.say_something


def check_declared(declared: Declared) -> None:
    """Raises BadName, BadValue, LimitExceeded."""
    check_text(declared.message, "The message", MESSAGE_BYTES, "MESSAGE_BYTES")
    _check_count(declared.metrics, METRICS_PER_VERSION, "METRICS_PER_VERSION")
    _check_count(declared.params, PARAMS_PER_VERSION, "PARAMS_PER_VERSION")
    _check_count(declared.datasets, DATASETS_PER_VERSION, "DATASETS_PER_VERSION")
    for dataset in declared.datasets:
        check_text(dataset, "A dataset", VALUE_BYTES, "VALUE_BYTES")
    for key, value in declared.params.items():
        TagKey(key)
        check_text(value, f"The parameter {key!r}", VALUE_BYTES, "VALUE_BYTES")
    for key, number in declared.metrics.items():
        TagKey(key)
        if not math.isfinite(number):
            raise BadValue(f"The metric {key!r} is {number}, not a finite number.", metric=key)
    details = declared.details
    _check_details(details.statistics, details.search, details.fairness, details.resources)
    _check_training(details.training)
    for name, version in details.frameworks.items():
        check_text(name, "A framework", VALUE_BYTES, "VALUE_BYTES")
        check_text(version, f"The version of {name}", VALUE_BYTES, "VALUE_BYTES")


def check_facts(facts: Facts) -> None:
    """What somebody else wrote into a manifest, as if it had been declared here.

    Raises BadName, BadValue, LimitExceeded.
    """
    check_declared(
        Declared(
            facts.kind,
            facts.message,
            datasets=facts.datasets,
            metrics=facts.metrics,
            params=facts.params,
            base_model=facts.base_model,
            details=Details(
                training=facts.training,
                statistics=facts.statistics,
                search=facts.search,
                fairness=facts.fairness,
                resources=facts.resources,
            ),
        )
    )
    for parent in facts.parents:
        relation_named(parent.relation)
    if facts.hardware is not None:
        _check_hardware(facts.hardware)
    if facts.code is not None and len(facts.code.diff.encode("utf-8", "surrogatepass")) > DIFF_BYTES:
        raise LimitExceeded(f"Uncommitted changes are kept up to {DIFF_BYTES} bytes.", limit="DIFF_BYTES")


def facts_of(
    facts: Facts, entries: Sequence[FileEntry], said: Sequence[FileFacts], kind: Kind | None, model: FileFacts
) -> Facts:
    """``facts`` (author, time, declared, surroundings) completed with what the files say, one ``said`` an entry.

    ``model`` is what a model in memory said before it was written; it wins over its files.
    """
    merged = merge((model, *said))
    tensors = {span.name: span for entry in entries for span in entry.tensors}
    weights = [span for name, span in tensors.items() if not name.startswith("optimizer.")]
    dtypes: dict[str, int] = {}
    for span in weights:
        dtypes[span.dtype or "unknown"] = dtypes.get(span.dtype or "unknown", 0) + math.prod(span.shape or ())
    return replace(
        facts,
        kind=kind or (Kind.ADAPTER if merged.adapter else Kind.MODEL),
        formats=tuple(sorted({entry.format for entry in entries if entry.format})),
        frameworks=merged.frameworks,
        architecture=merged.architecture,
        parameters=sum(dtypes.values()),
        dtypes=dtypes,
        schema=merged.schema,
        base_model=facts.base_model or merged.base_model,
        adapter=merged.adapter,
        settings=_settings(entries, said),
        flags=merged.flags,
    )


def _settings(entries: Sequence[FileEntry], said: Sequence[FileFacts]) -> dict[str, Json]:
    """By path, what files say that can be read nowhere else: a JSON or YAML file says it itself."""
    settings: dict[str, Json] = {}
    room = SETTINGS_BYTES
    for entry, facts in zip(entries, said, strict=True):
        if facts.config and not entry.path.endswith(SETTINGS_FILES):
            room -= len(canon.dumps(facts.config))
            if room < 0:
                break
            settings[entry.path] = facts.config
    return settings


def merge(said: Iterable[FileFacts]) -> FileFacts:
    """The facts of several files as one: the first that says a thing wins, in path order."""
    frameworks: dict[str, str] = {}
    flags: list[Flag] = []
    schema: Schema | None = None
    first = FileFacts()
    for facts in said:
        for name, version in facts.frameworks.items():
            frameworks[name] = frameworks.get(name) or version
        flags.extend(facts.flags)
        schema = schema or facts.schema
        first = replace(
            first,
            architecture=first.architecture or facts.architecture,
            base_model=first.base_model or facts.base_model,
            adapter=first.adapter or facts.adapter,
        )
    return replace(first, frameworks=frameworks, schema=schema, flags=tuple(flags))


def _check_details(*details: Mapping[str, Json]) -> None:
    """Raises BadValue, LimitExceeded."""
    try:
        size = sum(len(canon.dumps(each)) for each in details)
    except (ValueError, TypeError, RecursionError) as error:
        hint = "Use texts, finite numbers, lists and mappings by text."
        raise BadValue("Statistics, search, fairness or resources hold what JSON does not.", hint=hint) from error
    if size > DETAILS_BYTES:
        said = f"Statistics, search, fairness and resources have {size} bytes; at most {DETAILS_BYTES} are allowed."
        raise LimitExceeded(said, hint="Push the rest as a file beside the model.", limit="DETAILS_BYTES")
    for name in (name for each in details for name in each):
        check_text(name, "A name in the facts", VALUE_BYTES, "VALUE_BYTES")
    if any(_is_deeper(each, FACT_DEPTH) for each in details):
        raise LimitExceeded(f"Facts are nested deeper than {FACT_DEPTH}.", limit="FACT_DEPTH")
    for name, amount in details[-1].items():
        if isinstance(amount, bool) or not isinstance(amount, int | float) or amount < 0:
            raise BadValue(f"The resource {name!r} is {amount!r}, not a number from 0 on.", resource=name)


def _is_deeper(value: Json, depth: int) -> bool:
    each = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return depth < 0 or any(_is_deeper(one, depth - 1) for one in each)


def _check_training(training: Training | None) -> None:
    """Raises BadValue, LimitExceeded."""
    if training is None:
        return
    if training.seconds is not None and not (math.isfinite(training.seconds) and training.seconds >= 0):
        raise BadValue(f"Training took {training.seconds} seconds.", hint="Give a number from 0 on.", field="seconds")
    if training.began_ms is not None and not 0 <= training.began_ms < _END_OF_TIME_MS:
        raise BadValue("Training began at a moment that has no date.", hint="Give milliseconds.", field="began_ms")
    check_text(training.command, "The command", VALUE_BYTES, "VALUE_BYTES")
    if training.hardware is not None:
        _check_hardware(training.hardware)


def _check_hardware(hardware: Hardware) -> None:
    """Raises BadValue, LimitExceeded."""
    _check_count(hardware.accelerators, METRICS_PER_VERSION, "METRICS_PER_VERSION")
    for text in (hardware.machine, hardware.processor, *hardware.accelerators):
        check_text(text, "The hardware", VALUE_BYTES, "VALUE_BYTES")
    if not (0 <= hardware.cores < _MANY and 0 <= hardware.memory_bytes < _MANY):
        raise BadValue("A machine with so many cores, or so much memory, is none.", hint="Give numbers from 0 on.")


def _check_count(values: Mapping[str, object] | Sequence[str], most: int, limit: str) -> None:
    if len(values) > most:
        raise LimitExceeded(f"{len(values)} values; at most {most} are allowed.", limit=limit)
