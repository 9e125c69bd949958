"""Looks at one file: tells by its content what it is, and has each thing it may be looked into.

Names are not believed, but they count: what is called ``.pkl`` will be unpickled. A file may be several things at
once, a pickle at its front and a zip at its end; every loader picks its own, so all of them are looked at.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from budwood.domain.limits import SNIFF_BYTES
from budwood.scan import arrays, graphs, pickles, programs, settings, streams, tars, zips
from budwood.scan.notes import Exhausted, Notes, Part
from budwood.store.api import Source
from budwood.store.formats.bounded import Malformed
from budwood.store.formats.pickles import EXTENSIONS, may_be_old_pickle
from budwood.store.formats.safetensors import looks_like_safetensors
from budwood.store.formats.torch_legacy import looks_like_torch_legacy

LOADED: Final = (*EXTENSIONS, ".dill", ".cloudpickle", ".pk", ".p")
"""Endings of files that are unpickled whatever is in them."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One thing a file can be. ``claims`` is given its first bytes."""

    format: str
    claims: Callable[[bytes, Source], bool]
    look: Callable[[Part, Notes], None]


def look(source: Source, notes: Notes) -> None:
    """All that can be said of a file, told to ``notes``. Raises only what reading the source raises, or bugs."""
    try:
        _look(source, "", 0, notes)
    except Exhausted as error:
        notes.tell(_rule_of(str(error)), "", f"it takes more than the limit {error} to look through it")


def _look(source: Source, inner: str, depth: int, notes: Notes) -> None:
    notes.enter(depth)
    if not source.size:
        return
    head = source.read(0, min(SNIFF_BYTES, source.size))
    part = Part(source, inner, depth, _look)
    kinds = [kind for kind in KINDS if kind.claims(head, source)]
    if depth == 0 and kinds:
        notes.format = kinds[0].format
    for kind in kinds:
        try:
            kind.look(part, notes)
        except Malformed as error:
            notes.tell("malformed", inner, f"it is no {kind.format} that could be read: {error}")
    programs.tell(head, source.path, inner, notes)
    if not any(kind.look in (_pickle, _legacy_torch) for kind in kinds):
        _unmarked(part, head, bool(kinds), notes)


def _unmarked(part: Part, head: bytes, is_claimed: bool, notes: Notes) -> None:
    """Old pickles have no mark, and hide in front of anything. Other text and numbers do no harm to a loader."""
    is_loaded = part.source.path.lower().endswith(LOADED)
    must_be = is_loaded and not is_claimed
    if may_be_old_pickle(head) and (must_be or pickles.would_run(part.source, is_loaded=is_loaded)):
        notes.format = notes.format or "pickle"
        pickles.scan_pickles(part.source, part.inner, notes)
    elif must_be:
        notes.tell("unrecognised", part.inner, "its content is no format that could be looked into")


def _rule_of(limit: str) -> str:
    return "too-deep" if limit == "SCAN_DEPTH" else "too-large"


def _pickle(part: Part, notes: Notes) -> None:
    pickles.scan_pickles(part.source, part.inner, notes)


def _legacy_torch(part: Part, notes: Notes) -> None:
    pickles.scan_legacy_torch(part.source, part.inner, notes)


def _is_pickle(head: bytes, source: Source) -> bool:
    # Protocols 0 and 1 never write the mark, yet loaders take it.
    is_marked = len(head) > 2 and head[0] == 0x80 and head[1] <= 5
    if not is_marked or looks_like_torch_legacy(head):
        return False
    # The length of a safetensors header may look like the mark.
    return not looks_like_safetensors(head, source.size) or pickles.would_run(source)


KINDS: Final[tuple[Kind, ...]] = (
    Kind("safetensors", arrays.is_safetensors, arrays.look_safetensors),
    Kind("zip", zips.is_zip, zips.look_zip),
    Kind("tar", tars.is_tar, tars.look_tar),
    Kind("gguf", settings.is_gguf, settings.look_gguf),
    Kind("npy", arrays.is_npy, arrays.look_npy),
    Kind("hdf5", graphs.is_hdf5, graphs.look_hdf5),
    Kind("torch-legacy", lambda head, _: looks_like_torch_legacy(head), _legacy_torch),
    Kind("pickle", _is_pickle, _pickle),
    Kind("onnx", graphs.is_onnx, graphs.look_onnx),
    Kind("savedmodel", graphs.is_saved_model, graphs.look_saved_model),
    Kind("settings", settings.is_settings, settings.look_settings),
    Kind("compressed", streams.is_stream, streams.look_stream),
    Kind("sealed", streams.is_sealed, streams.look_sealed),
)
