"""Zip archives: torch's, NumPy's, Keras's and any other. Every member is looked at, whatever its headers claim."""

import re
import zlib
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from budwood.domain.limits import CONFIG_BYTES, SCAN_ENTRIES, SCAN_MEMBER_BYTES
from budwood.scan import graphs, pickles
from budwood.scan.notes import Exhausted, Notes, Part
from budwood.scan.streams import Pieces
from budwood.store.api import Source
from budwood.store.formats.bounded import Malformed, Memory, Window
from budwood.store.formats.hdf5 import is_keras
from budwood.store.formats.numpy_files import looks_like_npy
from budwood.store.formats.zipped import DEFLATED, STORED, Archive, Member, read_archive

_BZIP2: Final = 12
_TAIL_BYTES: Final = 22 + 65_535
_CODE: Final = re.compile(r"[^/]+/code/((?:[^/]+/)*[^/]+)\.py")
_REACHES_OUT: Final = re.compile(
    rb"\b(?:from_file|torch\.(?:load|save|ops\.load_library)|ops\.(?!aten\b|prim\b|quantized\b|profiler\b|torchvision\b)\w+)"
)


def is_zip(head: bytes, source: Source) -> bool:
    """By its first header, or by a directory at its end, which is what Python goes by."""
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        return True
    tail = source.read(max(0, source.size - _TAIL_BYTES), min(source.size, _TAIL_BYTES))
    at = tail.rfind(b"PK\x05\x06")
    return 0 <= at <= len(tail) - 22 and at + 22 + int.from_bytes(tail[at + 20 : at + 22], "little") == len(tail)


def look_zip(part: Part, notes: Notes) -> None:
    """Raises Malformed."""
    try:
        archive = read_archive(part.source)
    except Malformed as error:
        notes.tell("archive-ambiguous", part.inner, f"loaders may read it differently: {error}")
        _front(part, notes)
        return
    for problem in archive.problems:
        notes.tell("archive-ambiguous", part.inner, problem)
    if len(archive.members) > SCAN_ENTRIES:
        raise Exhausted("SCAN_ENTRIES")
    _tell_gaps(part, archive, notes)
    _tell_layout(part, archive, notes)
    defined = frozenset(_defined(part, archive, notes))
    raw = _raw_numbers(archive)
    for member in archive.members:
        if member.is_encrypted:
            notes.tell("archive-encrypted", _inner(part, member), "its headers say that it is encrypted", member.offset)
        if not member.name.endswith("/") and (member.name not in raw or _is_array(part.source, member)):
            _member(part, member, defined, notes)


def _member(part: Part, member: Member, defined: frozenset[str], notes: Notes) -> None:
    inner = _inner(part, member)
    source = _open(part.source, member, inner, notes)
    if source is None:
        return
    is_small = isinstance(source, Memory) or source.size <= CONFIG_BYTES
    if is_small and zlib.crc32(source.read(0, source.size)) != member.crc and not member.is_encrypted:
        notes.tell("archive-ambiguous", inner, "its checksum is another than its headers say", member.offset)
    if source.size != member.raw_size:
        notes.tell("archive-ambiguous", inner, "its size is another than its headers say", member.offset)
    if defined and member.name.endswith(("/data.pkl", "/constants.pkl", ".debug_pkl")):
        pickles.scan_pickles(source, inner, notes, defined=defined)
        return
    if defined and _CODE.fullmatch(member.name):
        return
    if member.name == "config.json" and not part.depth and part.source.path.lower().endswith(".keras"):
        graphs.look_keras_config(source, inner, notes)
    part.further(source, member.name, notes)


def _open(source: Source, member: Member, inner: str, notes: Notes) -> Source | None:
    """A member as a source; what was unpacked before it broke is kept, because a loader would have run that."""
    packed = Window(source, member.offset, member.size, member.name)
    if member.method == STORED:
        return packed
    if member.method not in (DEFLATED, _BZIP2):
        notes.tell("container-unknown", inner, f"it is compressed by method {member.method}, which is not read")
        return None
    pieces = Pieces(packed, "deflate" if member.method == DEFLATED else "bzip2", SCAN_MEMBER_BYTES)
    content = b"".join(pieces)
    notes.unpack(member.size, len(content))
    if pieces.problem:
        notes.tell("archive-broken", inner, f"its compressed bytes are broken: {pieces.problem}", member.offset)
    return Memory(content, member.name)


def _front(part: Part, notes: Notes) -> None:
    """What can be had of a zip without a directory: the member at its front, for the finding's sake."""
    head = part.source.read(0, 30)
    if len(head) < 30 or not head.startswith(b"PK\x03\x04"):
        return
    start = 30 + int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
    if int.from_bytes(head[8:10], "little") == STORED and start < part.source.size:
        part.further(Window(part.source, start, part.source.size - start, ""), "(first member)", notes)


def _tell_gaps(part: Part, archive: Archive, notes: Notes) -> None:
    """Bytes that belong to no member: other loaders may find archives of their own there."""
    members = archive.members
    first = min((member.offset for member in members), default=0)
    if members and not part.source.read(0, 4).startswith(b"PK\x03\x04"):
        notes.tell("archive-ambiguous", part.inner, f"something lies before the zip, up to {first}", 0)
    for before, after in pairwise(members):
        start, length = before.offset + before.size, after.offset - before.offset - before.size
        # A local header, with names, padding to 64 bytes and a data descriptor, is shorter than this.
        if length > 8_192:
            notes.tell("archive-ambiguous", part.inner, f"{length} bytes belong to no member", start)


def _tell_layout(part: Part, archive: Archive, notes: Notes) -> None:
    names = archive.names
    if any(name.endswith(".data/extern_modules") for name in names):
        notes.tell("torch-package", part.inner, "it is a torch.package, which brings Python source and imports it")
    if is_keras(archive) and not any(name.rpartition("/")[2] == "config.json" for name in names):
        notes.tell("malformed", part.inner, "a Keras model without config.json")
    for member in archive.members:
        if is_keras(archive) and member.name == "config.json":
            source = _open(part.source, member, _inner(part, member), notes)
            if source is not None:
                graphs.look_keras_config(source, _inner(part, member), notes)


def _raw_numbers(archive: Archive) -> frozenset[str]:
    """Members that torch reads as numbers and nothing else: those below data/ beside a data.pkl."""
    roots = [
        name.removesuffix(".pkl") for name in archive.names if re.fullmatch(r"(?:[^/]+/)?(?:data|constants)\.pkl", name)
    ]
    return frozenset(
        member.name
        for member in archive.members
        if member.method == STORED and any(re.fullmatch(re.escape(root) + r"/\d+", member.name) for root in roots)
    )


def _is_array(source: Source, member: Member) -> bool:
    """NumPy goes by a member's first bytes, whatever torch thinks of it."""
    return looks_like_npy(source.read(member.offset, min(8, member.size)))


def _defined(part: Part, archive: Archive, notes: Notes) -> Iterator[str]:
    """The TorchScript classes an archive defines itself: its pickles may name those, and no others."""
    if not any(name.rpartition("/")[2] == "constants.pkl" for name in archive.names):
        return
    for member in archive.members:
        found = _CODE.fullmatch(member.name)
        if not found:
            continue
        source = _open(part.source, member, _inner(part, member), notes)
        if source is None or source.size > CONFIG_BYTES:
            continue
        text = source.read(0, source.size)
        module = found.group(1).replace("/", ".")
        notes.tell("torchscript", _inner(part, member), "it is TorchScript code")
        for reached in sorted(set(_REACHES_OUT.findall(text)))[:10]:
            notes.tell("torchscript-reaches-out", _inner(part, member), f"it calls {reached.decode('latin-1')}")
        if module == "__torch__" or module.startswith("__torch__."):
            yield from (f"{module}.{name.decode()}" for name in re.findall(rb"^class (\w+)\(", text, re.MULTILINE))
    yield from _SCRIPT_NAMES


# What TorchScript's own reader builds its lists with.
_SCRIPT_NAMES: Final = tuple(
    f"torch.jit._pickle.{name}"
    for name in ("build_intlist", "build_tensorlist", "build_doublelist", "build_boollist", "build_tensor_from_id",
                 "restore_type_tag")
)  # fmt: skip


def _inner(part: Part, member: Member) -> str:
    return f"{part.inner}/{member.name}" if part.inner else member.name
