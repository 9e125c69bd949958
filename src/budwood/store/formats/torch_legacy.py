"""PyTorch's format from before 1.6: five pickles in a row, then each storage as a count and its bytes.

The pickles say: a magic number, a protocol version, the machine, the object, and the storages' keys in
the order in which their bytes follow.
"""

from collections.abc import Mapping
from typing import Final

from budwood.domain.facts import FileFacts
from budwood.domain.limits import TENSORS_PER_FILE
from budwood.store.api import Hint, Reading, Source
from budwood.store.formats.allowed import frameworks_of
from budwood.store.formats.bounded import Cursor, Malformed, malformed
from budwood.store.formats.dtypes import BITS
from budwood.store.formats.inert import Held, Machine, Spent
from budwood.store.formats.pickles import Look, unsafe_flags
from budwood.store.formats.torch_zip import Tensor, match, tensors_under
from budwood.store.formats.zipped import STORED, Member

FORMAT: Final = "torch-legacy"
_MAGIC: Final = (0x1950A86A20F9469CFC6C).to_bytes(10, "little")


def looks_like_torch_legacy(head: bytes) -> bool:
    """A pickle of the magic number and nothing else."""
    return head[:2] == b"\x80\x02" and head[2:4] == b"\x8a\x0a" and head[4:14] == _MAGIC


def read_torch_legacy(source: Source) -> Reading:
    """Never Malformed: what cannot be followed is flagged."""
    look = Look()
    hints: list[Hint] = []
    problems: list[str] = []
    cursor = Cursor(source)
    spent = Spent()
    try:
        roots = [_root(cursor, spent, look) for _ in range(5)]
        tensors = tensors_under(roots[3])
        storages = _storages(cursor, roots[4], {tensor.storage: tensor for tensor in tensors})
        hints, problems = match(tensors, storages)
    except Malformed as error:
        look.problem = str(error)
    flags = unsafe_flags(source.path, look) + tuple(malformed(source.path, problem) for problem in problems[:5])
    frameworks = {"torch": "", **frameworks_of(look.globals)}
    return Reading(FORMAT, tuple(hints), FileFacts(frameworks=frameworks, flags=flags))


def _root(cursor: Cursor, spent: Spent, look: Look) -> object:
    machine = Machine(cursor, spent)
    try:
        return machine.run()
    finally:
        look.globals.update(machine.globals)


def _storages(cursor: Cursor, keys: object, owners: Mapping[str, Tensor]) -> dict[str, Member]:
    """Where each storage lies. A storage's own width is not written, only that of the tensors in it."""
    listed = (keys.items or []) if isinstance(keys, Held) else None
    if listed is None or len(listed) > TENSORS_PER_FILE:
        raise Malformed("the list of storages is none")
    found: dict[str, Member] = {}
    for key in listed:
        owner = owners.get(key) if isinstance(key, str) else None
        if not isinstance(key, str) or owner is None or owner.dtype not in BITS:
            raise Malformed("a storage of unknown width")
        length = cursor.u64() * BITS[owner.dtype] // 8
        found[key] = Member(key, cursor.at, length, length, STORED)
        cursor.skip(length)
    return found
