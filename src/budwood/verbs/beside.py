"""Where tensors lie in a file that says nothing of itself, as the file beside it tells: ONNX models with their weights
in a file of their own.

Both files come by themselves and in any order. Whichever comes later finds the other, in its own folder and nowhere
else. What a model says of its weights are hints: they move cuts, never bytes.
"""

import posixpath
from collections.abc import Mapping
from typing import Final

from budwood.domain.artifacts import StoredFile
from budwood.domain.limits import BESIDE_BYTES, BESIDE_GRAPH_BYTES
from budwood.errors import LimitExceeded
from budwood.store.api import Hint, Reading
from budwood.store.formats import external_hints
from budwood.store.formats.bounded import Memory
from budwood.store.plan import check_span_count
from budwood.verbs.artifacts import read_pieces
from budwood.verbs.house import House

MODEL: Final = ".onnx"
WEIGHTS: Final = frozenset({".data", ".onnx_data", ".bin", ".weights"})
"""What such files are called: ``onnx`` writes the first, exporters the others. No other file is looked for a model."""
FORMAT: Final = "onnx-data"
_LOOKED_AT: Final = 100


def told_beside(house: House, namespace: str, path: str, size: int) -> Reading | None:
    """What a model in its folder says of the file; None where none does."""
    if posixpath.splitext(path)[1] not in WEIGHTS:
        return None
    folder, name = posixpath.split(path)
    with house.catalog.read() as view:
        listed = [each.path for each in view.listed_files(namespace, folder, limit=_LOOKED_AT)]
        named = [each for each in listed if each.endswith(MODEL) and posixpath.dirname(each) == folder]
        models = [there for each in named if (there := view.stored_file(namespace, each)) is not None]
    told = (_fitting(_external(house, each).get(name, ()), name, size) for each in models)
    return next((each for each in told if each is not None), None)


def untold_beside(house: House, model: StoredFile) -> Mapping[str, Reading]:
    """Of a model, by path: what it says of files that came before it, and whose tensors nobody knew."""
    if not model.path.endswith(MODEL):
        return {}
    found: dict[str, Reading] = {}
    folder = posixpath.dirname(model.path)
    for name, hints in _external(house, model).items():
        path = f"{folder}/{name}"
        with house.catalog.read() as view:
            there = view.stored_file(model.namespace, path) if "/" not in name else None
        if there is None or there.structure or there.entry.size > BESIDE_BYTES:
            continue
        if reading := _fitting(hints, name, there.entry.size):
            found[path] = reading
    return found


def _external(house: House, model: StoredFile) -> Mapping[str, tuple[Hint, ...]]:
    """By location; none of a model that is too large to be a graph alone. Raises BlockDamaged, PackDamaged."""
    if "external" not in model.facts.config or model.entry.size > BESIDE_GRAPH_BYTES:
        return {}
    content = b"".join(read_pieces(house, model.entry))
    return external_hints(Memory(content, posixpath.basename(model.path)))


def _fitting(hints: tuple[Hint, ...], name: str, size: int) -> Reading | None:
    """Those within the file; None where they tell of nothing, or cut it into more spans than a file may have."""
    within = tuple(each for each in hints if each.offset + each.length <= size)
    if not any(each.dtype for each in within):
        return None
    try:
        check_span_count(name, size, within)
    except LimitExceeded:
        return None
    return Reading(FORMAT, within)
