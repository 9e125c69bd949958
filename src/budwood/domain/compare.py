"""What changed from one version to another: two manifests, and what was measured and read for them, into a Change.

    pairs = pair_tensors(old, new)          which tensors someone must read (pairs.to_measure)
    change = compare("m@1.0.0", "m@1.1.0", old, new, measures={pair.key: Measure(…)}, configs={path: (before, after)})

Nothing here reads a file. Without measures the numbers are None; without configs a settings file has just changed.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from budwood.domain.bump import suggest
from budwood.domain.canon import Json
from budwood.domain.change import (
    Change,
    CodeChange,
    ConfigChange,
    EnvironmentChange,
    FileChanges,
    FileMove,
    NamesChange,
    NumberChange,
    SchemaChange,
    TensorChange,
    TensorChanges,
    TensorReshaped,
    TensorRetyped,
    TextChange,
    What,
)
from budwood.domain.facts import Code, Environment, Facts, Field
from budwood.domain.manifest import FileEntry, Manifest, files_by_path
from budwood.domain.pairing import TensorPair, TensorPairs, pair_tensors
from budwood.domain.structural import structural
from budwood.domain.summary import summarise

T = TypeVar("T")

__all__ = ["Measure", "TensorPair", "TensorPairs", "compare", "pair_tensors", "structural"]

_SETTINGS: Final = (".json", ".yaml", ".yml", ".toml", ".ini", ".cfg")
_NOTES: Final = (".md", ".txt", ".rst", ".py", ".html", ".pdf", ".png", ".jpg", ".svg", ".jinja", ".log")
_NOTE_NAMES: Final = frozenset({"license", "notice", "readme", "mlmodel", ".gitattributes", ".gitignore"})
_VOCABULARIES: Final = frozenset(
    {"tokenizer.json", "vocab.json", "vocab.txt", "merges.txt", "added_tokens.json"}
    | {"tokenizer.model", "spiece.model", "sentencepiece.bpe.model"}
)
_VOCABULARY_KEYS: Final = ("model", "added_tokens")
_ALL_TENSORS: Final = frozenset({"safetensors", "gguf", "npy", "npz"})
"""Formats that hold tensors and notes about them, nothing else that was learned."""


@dataclass(frozen=True, slots=True)
class Measure:
    """How much one tensor differs. The sums of squares, of the difference and of what was before, add up over
    tensors; they give the relative L2 of all together."""

    changed_share: float | None = None
    difference_squares: float | None = None
    before_squares: float | None = None

    @property
    def relative_l2(self) -> float | None:
        """None when not measured, not finite, or when there was nothing but zeros before."""
        return _relative(self.difference_squares, self.before_squares)


def compare(
    old_ref: str,
    new_ref: str,
    old: Manifest,
    new: Manifest,
    *,
    measures: Mapping[str, Measure],
    configs: Mapping[str, tuple[Json | None, Json | None]],
) -> Change:
    """``measures`` by pair key; ``configs`` by path, each before and after, None where the file was not there."""
    before, after = old.facts, new.facts
    config = _config_changes(configs)
    change = Change(
        before=old_ref,
        after=new_ref,
        files=_file_changes(old, new, _keys_by_file(configs, config)),
        tensors=_tensor_changes(pair_tensors(old, new), measures),
        identity=_identity(before, after),
        schema=tuple(_schema_changes(before, after)),
        config=config,
        adapter=structural(before.adapter, after.adapter),
        environment=_environment_change(before.environment, after.environment),
        datasets=_names_change(before.datasets, after.datasets),
        code=_code_change(before.code, after.code),
        metrics=_metric_changes(before.metrics, after.metrics),
        params=_text_changes(before.params, after.params),
    )
    judged = replace(change, bump=suggest(change))
    return replace(judged, summary=summarise(judged))


def _keys_by_file(configs: Mapping[str, object], config: Sequence[ConfigChange]) -> Mapping[str, Sequence[str]]:
    """The keys that differ in every settings file that was read, also where none does."""
    keys: dict[str, list[str]] = {path: [] for path in configs}
    for change in config:
        keys[change.file].append(change.key)
    return keys


def _file_changes(old: Manifest, new: Manifest, keys: Mapping[str, Sequence[str]]) -> FileChanges:
    before, after = files_by_path(old), files_by_path(new)
    both = [path for path in before if path in after]
    equal = {path for path in both if _is_same_file(before[path], after[path])}
    changed = [path for path in both if path not in equal]
    moved = _moves([e for p, e in before.items() if p not in after], [e for p, e in after.items() if p not in before])
    gone, came = {move.before for move in moved}, {move.after for move in moved}
    added = [path for path in after if path not in before and path not in came]
    removed = [path for path in before if path not in after and path not in gone]
    return FileChanges(
        equal=len(equal),
        changed=tuple(changed),
        added=tuple(added),
        removed=tuple(removed),
        moved=moved,
        learned=tuple(_learned(before, after, changed, [*added, *removed], keys)),
    )


def _is_same_file(old: FileEntry, new: FileEntry) -> bool:
    return old.sha256 == new.sha256 and old.executable == new.executable


def _moves(removed: list[FileEntry], added: list[FileEntry]) -> tuple[FileMove, ...]:
    """Each removed file is paired with at most one added file of the same content, in path order."""
    waiting: dict[tuple[str, int], list[str]] = {}
    for entry in reversed(added):
        waiting.setdefault((entry.sha256, entry.size), []).append(entry.path)
    found = ((entry.path, waiting.get((entry.sha256, entry.size))) for entry in removed)
    return tuple(FileMove(path, others.pop()) for path, others in found if others)


def _learned(
    before: Mapping[str, FileEntry],
    after: Mapping[str, FileEntry],
    changed: Sequence[str],
    others: Sequence[str],
    keys: Mapping[str, Sequence[str]],
) -> Iterator[str]:
    """Of the files that changed, those that hold something learned which no tensor shows."""
    for path in [*changed, *others]:
        entry = after.get(path) or before[path]
        if _is_vocabulary(path):
            known = keys.get(path) if path.lower().endswith("tokenizer.json") else None
            if known is None or any(key.startswith(_VOCABULARY_KEYS) or not key for key in known):
                yield path
        elif not _is_note(path) and not _is_mostly_tensors(entry):
            yield path


def _is_vocabulary(path: str) -> bool:
    return path.rpartition("/")[2].lower() in _VOCABULARIES


def _is_note(path: str) -> bool:
    name = path.rpartition("/")[2].lower()
    return name.endswith(_SETTINGS + _NOTES) or name.partition(".")[0] in _NOTE_NAMES or name in _NOTE_NAMES


def _is_mostly_tensors(entry: FileEntry) -> bool:
    tensors = entry.tensors
    if entry.format in _ALL_TENSORS or not entry.size:
        return bool(tensors) or not entry.size
    return 2 * sum(span.length for span in tensors) >= entry.size


def _tensor_changes(pairs: TensorPairs, measures: Mapping[str, Measure]) -> TensorChanges:
    equal = [pair for pair in pairs.pairs if pair.is_equal]
    others = [pair for pair in pairs.pairs if not pair.is_equal]
    retyped = [pair for pair in others if _is_retyped(pair)]
    reshaped = [pair for pair in others if not _is_retyped(pair) and _is_reshaped(pair)]
    changed = [pair for pair in others if not _is_retyped(pair) and not _is_reshaped(pair)]
    appended = _proven_rows(reshaped)
    return TensorChanges(
        before=pairs.before,
        after=pairs.after,
        equal=len(equal),
        changed=tuple(_tensor_change(pair, measures.get(pair.key, Measure())) for pair in changed),
        added=pairs.added,
        removed=pairs.removed,
        renamed=pairs.renamed,
        reshaped=tuple(_reshaped(pair, appended) for pair in reshaped),
        retyped=tuple(TensorRetyped(p.key, p.before.dtype, p.after.dtype) for p in retyped),
        relative_l2=_overall([measures[pair.key] for pair in changed if pair.key in measures]),
    )


def _is_retyped(pair: TensorPair) -> bool:
    old, new = pair.before.dtype, pair.after.dtype
    return bool(old) and bool(new) and old != new


def _is_reshaped(pair: TensorPair) -> bool:
    old, new = pair.before, pair.after
    if old.shape is None or new.shape is None:
        return old.length != new.length
    return old.shape != new.shape


def _tensor_change(pair: TensorPair, measure: Measure) -> TensorChange:
    span = pair.after
    return TensorChange(pair.key, span.dtype, span.shape, measure.relative_l2, _finite(measure.changed_share))


def _proven_rows(reshaped: Sequence[TensorPair]) -> frozenset[int]:
    """By how many rows some tensor grew of which whole blocks show that its beginning is as before."""
    return frozenset(pair.more_rows for pair in reshaped if pair.more_rows and pair.shared_blocks)


def _reshaped(pair: TensorPair, proven: frozenset[int]) -> TensorReshaped:
    old, new, rows = pair.before, pair.after, pair.more_rows
    # A tensor below one block cannot show that its beginning is as before; it is believed when a larger one
    # grew by as many rows, as the bias beside a grown vocabulary does.
    if not rows or pair.shared_blocks is None or rows not in proven:
        note = f"{rows} more rows, and others changed or not compared" if rows else ""
        if old.blocks == new.blocks:
            note = "the same values in another shape"
        return TensorReshaped(pair.key, new.dtype or old.dtype, old.shape, new.shape, note=note)
    note = f"{rows} row{'' if rows == 1 else 's'} appended"
    return TensorReshaped(pair.key, new.dtype, old.shape, new.shape, rows, note)


def _overall(measures: Sequence[Measure]) -> float | None:
    known = [(m.difference_squares, m.before_squares) for m in measures]
    difference = sum(d for d, b in known if d is not None and b is not None)
    before = sum(b for d, b in known if d is not None and b is not None)
    return _relative(difference, before)


def _relative(difference_squares: float | None, before_squares: float | None) -> float | None:
    if difference_squares is None or not before_squares or not before_squares > 0:
        return None
    return _finite(math.sqrt(difference_squares / before_squares)) if difference_squares >= 0 else None


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _identity(before: Facts, after: Facts) -> tuple[TextChange, ...]:
    return _text_changes(
        {"kind": before.kind.value, "base_model": before.base_model, "architecture": before.architecture},
        {"kind": after.kind.value, "base_model": after.base_model, "architecture": after.architecture},
    )


def _schema_changes(before: Facts, after: Facts) -> Iterator[SchemaChange]:
    if before.schema is None or after.schema is None:
        return
    for side, old, new, accepts in (
        ("input", before.schema.inputs, after.schema.inputs, _is_within),
        ("output", before.schema.outputs, after.schema.outputs, lambda a, b: _is_within(b, a)),
    ):
        yield from _side_changes(side, {f.name: f for f in old}, {f.name: f for f in new}, accepts)


def _side_changes(
    side: str, old: Mapping[str, Field], new: Mapping[str, Field], accepts: Callable[[Field, Field], bool]
) -> Iterator[SchemaChange]:
    """A caller must be able to send what it sent and use what it gets: a new input breaks, a new output does not."""
    for name in dict.fromkeys([*old, *new]):
        if name not in new:
            yield SchemaChange(side, name, What.REMOVED, before=old[name], breaks=True)
        elif name not in old:
            yield SchemaChange(side, name, What.ADDED, after=new[name], breaks=side == "input")
        elif old[name] != new[name]:
            breaks = not accepts(old[name], new[name])
            yield SchemaChange(side, name, What.CHANGED, old[name], new[name], breaks)


def _is_within(narrow: Field, wide: Field) -> bool:
    """Whether every value of ``narrow`` is one of ``wide``; what a file does not state is taken to fit."""
    if narrow.dtype and wide.dtype and narrow.dtype != wide.dtype:
        return False
    if narrow.shape is None or wide.shape is None:
        return True
    sizes = zip(narrow.shape, wide.shape, strict=False)
    return len(narrow.shape) == len(wide.shape) and all(w in (-1, n) for n, w in sizes)


def _config_changes(configs: Mapping[str, tuple[Json | None, Json | None]]) -> tuple[ConfigChange, ...]:
    found: list[ConfigChange] = []
    for path, (before, after) in sorted(configs.items()):
        if before is None and after is not None:
            found.append(ConfigChange(path, "", What.ADDED))
        elif after is None and before is not None:
            found.append(ConfigChange(path, "", What.REMOVED))
        else:
            found += structural(before, after, file=path)
    return tuple(found)


def _environment_change(before: Environment | None, after: Environment | None) -> EnvironmentChange:
    if before is None or after is None:
        return EnvironmentChange()
    surroundings = _text_changes(
        {"python": before.python, "platform": before.platform, "lock": before.lock_sha256},
        {"python": after.python, "platform": after.platform, "lock": after.lock_sha256},
    )
    return EnvironmentChange(surroundings, _text_changes(before.packages, after.packages))


def _names_change(before: Sequence[str], after: Sequence[str]) -> NamesChange:
    return NamesChange(tuple(n for n in after if n not in set(before)), tuple(n for n in before if n not in set(after)))


def _code_change(before: Code | None, after: Code | None) -> CodeChange | None:
    old, new = before.commit if before else "", after.commit if after else ""
    dirty = after.dirty if after else False
    return CodeChange(old, new, dirty) if old != new or (dirty and not (before and before.dirty)) else None


def _metric_changes(before: Mapping[str, float], after: Mapping[str, float]) -> tuple[NumberChange, ...]:
    found: list[NumberChange] = []
    for name, old, new in _different(before, after):
        difference = new - old if old is not None and new is not None else None
        found.append(NumberChange(name, old, new, _finite(difference)))
    return tuple(found)


def _text_changes(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[TextChange, ...]:
    return tuple(TextChange(name, old or "", new or "") for name, old, new in _different(before, after))


def _different(before: Mapping[str, T], after: Mapping[str, T]) -> Iterator[tuple[str, T | None, T | None]]:
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            yield name, before.get(name), after.get(name)
