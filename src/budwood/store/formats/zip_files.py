"""What kind of zip: torch, NumPy, Keras or just a zip, told by the names of its members."""

from dataclasses import replace

from budwood.domain.facts import FileFacts, Flag
from budwood.domain.limits import PICKLE_BYTES
from budwood.store.api import Reading, Source
from budwood.store.formats import hdf5, numpy_files, torch_zip
from budwood.store.formats.bounded import Malformed, malformed
from budwood.store.formats.pickles import EXTENSIONS, Look, follow, unsafe_flags
from budwood.store.formats.zipped import Archive, Member, member_source, read_archive


def read_zip(source: Source) -> Reading:
    """Raises Malformed when the archive has no usable directory."""
    archive = read_archive(source)
    reading = _read(source, archive)
    problems = tuple(malformed(source.path, problem) for problem in archive.problems[:10])
    return replace(reading, facts=replace(reading.facts, flags=problems + reading.facts.flags))


def _read(source: Source, archive: Archive) -> Reading:
    if torch_zip.is_torch(archive):
        return torch_zip.read_torch(source, archive)
    if numpy_files.is_npz(archive):
        return numpy_files.read_npz(source, archive)
    if hdf5.is_keras(archive):
        return hdf5.read_keras(source, archive)
    flags: list[Flag] = []
    for member in [member for member in archive.members if member.name.lower().endswith(EXTENSIONS)][:20]:
        flags += unsafe_flags(source.path, _look(source, member))
    return Reading("zip", (), FileFacts(flags=tuple(flags)))


def _look(source: Source, member: Member) -> Look:
    try:
        return follow(member_source(source, member, PICKLE_BYTES))
    except Malformed as error:
        return Look(problem=str(error))
