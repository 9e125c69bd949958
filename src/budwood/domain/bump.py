"""How far a label should move: the meaning of a change as a semantic version, with its reasons.

    major   who uses the old version may fail with the new one: another kind, base model or architecture;
            tensors gone, renamed, retyped or reshaped; inputs or outputs gone or no longer compatible
    minor   it works as before and has learned or can do something else: retraining, new data, new tensors or
            outputs, appended vocabulary
    patch   nothing was learned: settings, notes, container, environment, code
    none    nothing changed

What cannot be told apart is judged as the larger change: a wrong major costs a look, a wrong patch an outage.
"""

from collections.abc import Iterator, Sequence

from budwood.domain.change import Change, Suggestion, TensorChanges, What
from budwood.domain.label import FIRST, Label, Level

__all__ = ["Suggestion", "is_training_state", "next_label", "suggest"]

_NAMES_SHOWN = 3


def suggest(change: Change | None) -> Suggestion:
    """The first level that has a reason; None is a version without a parent."""
    if change is None:
        return Suggestion(Level.MAJOR, ("first version",))
    for level, reasons in ((Level.MAJOR, _major), (Level.MINOR, _minor), (Level.PATCH, _patch)):
        if found := tuple(reasons(change)):
            return Suggestion(level, found)
    return Suggestion(Level.NONE, ("nothing changed",))


def next_label(latest: Label | None, level: Level) -> Label:
    """1.0.0 where there is none yet; NONE still needs a label, the next patch. Raises BadLabel."""
    return latest.bump(level) if latest else FIRST


def is_training_state(tensor: str) -> bool:
    """Whether a tensor belongs to the optimizer: it comes and goes without the model being another."""
    return tensor.startswith("optimizer.")


def _major(change: Change) -> Iterator[str]:
    for text in change.identity:
        if text.before and text.after:
            yield f"another {text.name.replace('_', ' ')}: {text.before} became {text.after}"
    yield from _broken_tensors(change.tensors)
    if gone := [path for path in change.files.learned if path in change.files.removed]:
        yield f"removed {_listed(gone)}"
    for field in change.schema:
        if field.breaks and field.what is What.CHANGED:
            yield f"{field.side} {field.name} is no longer compatible"
        elif field.breaks:
            yield f"{field.side} {field.name} was {field.what}"


def _broken_tensors(tensors: TensorChanges) -> Iterator[str]:
    reshaped = [t.name for t in tensors.reshaped if not t.appended_rows]
    for verb, names in (
        ("removed", [t.name for t in tensors.removed]),
        ("renamed", [t.before for t in tensors.renamed]),
        ("reshaped", reshaped),
        ("given another dtype", [t.name for t in tensors.retyped]),
    ):
        if lasting := [name for name in names if not is_training_state(name)]:
            yield f"{_counted(lasting, 'tensor')} {verb} ({_listed(lasting)})"


def _minor(change: Change) -> Iterator[str]:
    tensors = change.tensors
    if tensors.changed:
        yield f"{_counted(tensors.changed, 'tensor')} changed values (retraining)"
    if tensors.added:
        names = [t.name for t in tensors.added]
        yield f"{_counted(names, 'tensor')} added ({_listed(names)})"
    for grown in tensors.reshaped:
        if grown.appended_rows:
            yield f"{grown.appended_rows} rows appended to {grown.name}"
    if any(map(is_training_state, _broken_names(tensors))):
        yield "another training state"
    for field in change.schema:
        if not field.breaks:
            yield f"{field.side} {field.name} was {field.what}"
    if change.files.learned:
        yield f"learned content changed in {_listed(change.files.learned)}"
    if change.datasets.added:
        yield f"new data: {_listed(change.datasets.added)}"
    if change.datasets.removed:
        yield f"data left out: {_listed(change.datasets.removed)}"


def _broken_names(tensors: TensorChanges) -> Iterator[str]:
    yield from (t.name for t in tensors.removed)
    yield from (t.name for t in tensors.reshaped if not t.appended_rows)
    yield from (t.name for t in tensors.retyped)
    yield from (t.before for t in tensors.renamed)


def _patch(change: Change) -> Iterator[str]:
    files = change.files
    touched = (*files.changed, *files.added, *files.removed)
    if change.config:
        yield f"settings changed in {_listed(tuple(dict.fromkeys(c.file for c in change.config)))}"
    if others := [path for path in touched if path not in {c.file for c in change.config}]:
        yield f"nothing learned changed in {_listed(others)}"
    if files.moved:
        yield f"{_counted(files.moved, 'file')} moved"
    if change.adapter:
        yield "adapter settings changed"
    for text in change.identity:
        yield f"{text.name.replace('_', ' ')} is {text.after or 'no longer stated'}"
    if change.environment.packages or change.environment.surroundings:
        yield "another environment"
    if change.code:
        yield "another code commit" if change.code.before != change.code.after else "uncommitted code"
    if change.metrics or change.params:
        yield "other metrics or parameters recorded"


def _counted(things: Sequence[object], noun: str) -> str:
    return f"1 {noun}" if len(things) == 1 else f"{len(things)} {noun}s"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_NAMES_SHOWN])
    return f"{shown} and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else shown
