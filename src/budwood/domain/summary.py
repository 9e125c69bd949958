"""A change in one paragraph of plain English, its numbers included: what stands on top of a diff."""

from collections.abc import Iterator, Sequence
from typing import Final

from budwood.domain.canon import Json
from budwood.domain.change import Change, ConfigChange, NumberChange, SchemaChange, TensorChanges, What
from budwood.domain.label import Level

_SHOWN: Final = 3
_VALUE_CHARS: Final = 60


def summarise(change: Change) -> str:
    """Most telling first: tensors, what the model is, what goes in and out, files, settings, surroundings, label."""
    if change.bump.level is Level.NONE:
        return f"{change.after} holds the same as {change.before}."
    said = (_tensors, _identity, _schema, _files, _settings, _numbers, _surroundings)
    sentences = [sentence for say in said for sentence in say(change)]
    reason = f": {change.bump.reasons[0]}" if change.bump.reasons else ""
    return " ".join([*sentences, f"This is a {change.bump.level} change{reason}."])


def percent(share: float) -> str:
    """0.0031 is 0.31 %."""
    if share == 0:
        return "0 %"
    if share < 1e-5:
        return "under 0.001 %"
    return f"{share * 100:.0f} %" if share >= 0.0995 else f"{share * 100:.2g} %"


def _tensors(change: Change) -> Iterator[str]:
    tensors = change.tensors
    if tensors.after and not tensors.before:
        yield f"{change.after} has {_count(tensors.after, 'tensor')} where {change.before} shows none."
    elif tensors.before and tensors.equal == tensors.before == tensors.after:
        yield f"All {_count(tensors.before, 'tensor')} of {change.after} equal those of {change.before}."
    elif tensors.before:
        yield f"{change.after} {_joined(list(_acts(tensors)))}; {tensors.equal} {_are(tensors.equal)} equal."
        grown = [f"{t.name} ({t.note})" for t in tensors.reshaped if t.note]
        if grown:
            yield f"Of another shape: {_listed(grown)}."


def _acts(tensors: TensorChanges) -> Iterator[str]:
    """The first act carries the noun: changes 34 of 101 tensors, adds 2."""
    measured = f" ({percent(tensors.relative_l2)} relative L2 overall)" if tensors.relative_l2 is not None else ""
    if tensors.changed:
        yield f"changes {len(tensors.changed)} of {_count(tensors.before, 'tensor')}{measured}"
    is_first = not tensors.changed
    for act, count in (
        ("reshapes {}", len(tensors.reshaped)),
        ("gives {} another dtype", len(tensors.retyped)),
        ("renames {}", len(tensors.renamed)),
        ("removes {}", len(tensors.removed)),
        ("adds {}", len(tensors.added)),
    ):
        if count:
            yield act.format(_count(count, "tensor") if is_first else count)
            is_first = False


def _identity(change: Change) -> Iterator[str]:
    for text in change.identity:
        name = text.name.replace("_", " ")
        if text.before and text.after:
            yield f"The {name} is {text.after} instead of {text.before}."
        elif text.after:
            yield f"The {name} is {text.after}; before it was not stated."
        else:
            yield f"The {name} is no longer stated; before it was {text.before}."


def _schema(change: Change) -> Iterator[str]:
    if change.schema:
        yield f"{_capital(_listed([_field(field) for field in change.schema]))}."


def _field(field: SchemaChange) -> str:
    breaks = ", which breaks callers" if field.breaks else ""
    return f"{field.side} {field.name} was {field.what}{breaks}"


def _files(change: Change) -> Iterator[str]:
    files = change.files
    counts = (
        (len(files.changed), "changed"),
        (len(files.added), "added"),
        (len(files.removed), "removed"),
        (len(files.moved), "moved"),
    )
    said = [f"{count} {_was(count)} {verb}" for count, verb in counts if count]
    if said:
        total = files.equal + sum(count for count, _ in counts)
        yield f"Of {_count(total, 'file')} {_joined(said)}."


def _settings(change: Change) -> Iterator[str]:
    by_file: dict[str, list[ConfigChange]] = {}
    for place in (*change.config, *change.adapter):
        if place.key:
            by_file.setdefault(place.file or "the adapter settings", []).append(place)
    for file in list(by_file)[:_SHOWN]:
        yield f"In {file} {_listed([_setting(place) for place in by_file[file]])}."
    if len(by_file) > _SHOWN:
        yield f"Settings differ in {_count(len(by_file) - _SHOWN, 'more file')}."


def _setting(place: ConfigChange) -> str:
    match place.what:
        case What.ADDED:
            return f"{place.key} is new ({_value(place.after)})"
        case What.REMOVED:
            return f"{place.key} is gone ({_value(place.before)})"
        case _:
            return f"{place.key} goes from {_value(place.before)} to {_value(place.after)}"


def _numbers(change: Change) -> Iterator[str]:
    if change.metrics:
        yield f"{_capital(_listed([_metric(number) for number in change.metrics]))}."
    if change.params:
        yield f"{_capital(_count(len(change.params), 'parameter'))} {_was(len(change.params))} recorded differently."


def _metric(number: NumberChange) -> str:
    if number.before is None:
        return f"{number.name} is {number.after:.6g}, not recorded before"
    if number.after is None:
        return f"{number.name} is no longer recorded"
    difference = f" ({number.difference:+.3g})" if number.difference is not None else ""
    return f"{number.name} goes from {number.before:.6g} to {number.after:.6g}{difference}"


def _surroundings(change: Change) -> Iterator[str]:
    if change.datasets.added:
        yield f"New data: {_listed(change.datasets.added)}."
    if change.datasets.removed:
        yield f"Data left out: {_listed(change.datasets.removed)}."
    if change.code and change.code.before != change.code.after:
        came = f" from {change.code.before[:12]}" if change.code.before else ""
        yield f"The code moved{came} to {change.code.after[:12] or 'an unknown commit'}."
    if change.code and change.code.dirty:
        yield "The code held changes that are in no commit."
    for text in change.environment.surroundings:
        if text.name == "python":
            yield f"Python is {text.after or 'unknown'} instead of {text.before or 'unknown'}."
    if packages := change.environment.packages:
        yield f"{_capital(_count(len(packages), 'package'))} of the environment {_are(len(packages))} different."


def _value(value: Json) -> str:
    text = repr(value) if isinstance(value, str) else str(value).replace("True", "true").replace("False", "false")
    return text if len(text) <= _VALUE_CHARS else text[:_VALUE_CHARS] + "…"


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _was(count: int) -> str:
    return "was" if count == 1 else "were"


def _listed(parts: Sequence[str]) -> str:
    if len(parts) > _SHOWN:
        return ", ".join(parts[:_SHOWN]) + f" and {len(parts) - _SHOWN} more"
    return _joined(parts)


def _joined(parts: Sequence[str]) -> str:
    return " and ".join(part for part in (", ".join(parts[:-1]), parts[-1]) if part)


def _capital(text: str) -> str:
    """Names keep their case: only a sentence that begins with a word of ours is given a capital."""
    return text[0].upper() + text[1:] if text.startswith(("input ", "output ")) else text
