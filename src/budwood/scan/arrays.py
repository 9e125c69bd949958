"""Weights that are only numbers: safetensors, and NumPy's arrays unless they hold Python objects."""

from budwood.scan import pickles
from budwood.scan.notes import Notes, Part
from budwood.store.api import Source
from budwood.store.formats.bounded import Window
from budwood.store.formats.numpy_files import looks_like_npy, read_header
from budwood.store.formats.safetensors import looks_like_safetensors, read_safetensors


def is_safetensors(head: bytes, source: Source) -> bool:
    return looks_like_safetensors(head, source.size) or source.path.lower().endswith(".safetensors")


def look_safetensors(part: Part, notes: Notes) -> None:
    """Raises Malformed."""
    for flag in read_safetensors(part.source).facts.flags:
        notes.tell("malformed", part.inner, flag.detail)


def is_npy(head: bytes, _: Source) -> bool:
    return looks_like_npy(head)


def look_npy(part: Part, notes: Notes) -> None:
    """Raises Malformed."""
    header = read_header(part.source)
    size = part.source.size
    if header.has_objects:
        notes.tell("object-array", part.inner, "it is an array of Python objects, which is a pickle")
        start = min(header.start, size)
        pickles.scan_pickles(Window(part.source, start, size - start), part.inner, notes)
    elif header.start + header.length > size:
        notes.tell("malformed", part.inner, f"the array ends at {header.start + header.length}, the file at {size}")
    elif header.start + header.length < size:
        # np.save may be called again on the same open file; anything else has no business there.
        end = header.start + header.length
        part.further(Window(part.source, end, size - end, part.source.path), f"(from {end})", notes)
