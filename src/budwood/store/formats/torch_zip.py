"""PyTorch's zip format: a pickle that describes the tensors, and their storages as stored members.

A storage is the unit: several tensors may share one, and it becomes one hint under the first tensor's
name. Names are the key path inside the pickle, which for a plain state dict is the tensor's own name,
so that the same tensor has the same name in a .pt and in a safetensors file. The archive's own folder
name differs between checkpoints and is never part of a name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from budwood.domain.facts import FileFacts, Flag
from budwood.domain.limits import PICKLE_BYTES, TENSORS_PER_FILE
from budwood.store.api import Hint, Reading, Source
from budwood.store.formats.allowed import frameworks_of
from budwood.store.formats.bounded import Cursor, Malformed, elements, malformed
from budwood.store.formats.dtypes import byte_length
from budwood.store.formats.inert import Machine, Made, Persistent, Ref, Spent, named
from budwood.store.formats.pickles import Look, unsafe_flags
from budwood.store.formats.zipped import STORED, Archive, Member, member_source

PICKLES: Final = ("data.pkl", "constants.pkl")


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor as the pickle describes it: a storage by key, and how the tensor lies in it."""

    name: str
    storage: str
    dtype: str
    shape: tuple[int, ...]
    fills_from_start: bool


def is_torch(archive: Archive) -> bool:
    """A data.pkl one folder down, however the archive is called."""
    return any(name.count("/") <= 1 and name.rsplit("/", 1)[-1] == "data.pkl" for name in archive.names)


def read_torch(source: Source, archive: Archive) -> Reading:
    """Stored storages become hints; every pickle inside is followed."""
    is_script = any(name.endswith("/constants.pkl") for name in archive.names)
    hints: list[Hint] = []
    flags: list[Flag] = []
    frameworks: dict[str, str] = {"torch": ""}
    spent = Spent()
    storages = _storages(archive)
    is_big_endian = _is_big_endian(source, archive)
    for member in archive.members:
        folder, _, base = member.name.rpartition("/")
        if base not in PICKLES:
            continue
        look, tensors = _follow(source, member, spent)
        if is_script:
            look.globals = {name: None for name in look.globals if not name.startswith("__torch__.")}
        flags += unsafe_flags(source.path, look)
        frameworks |= frameworks_of(look.globals)
        prefix = f"{folder}/{base.removesuffix('.pkl')}/" if folder else f"{base.removesuffix('.pkl')}/"
        found, problems = match(
            tensors, {key.removeprefix(prefix): m for key, m in storages.items() if key.startswith(prefix)}
        )
        hints += (_without_dtype(hint) for hint in found) if is_big_endian else found
        flags += (malformed(source.path, problem) for problem in problems[:5])
    if archive.problems:
        flags.append(
            Flag("unsafe-pickle", source.path, "the archive is malformed, so its pickles cannot be vouched for")
        )
    form = "torchscript" if is_script else "torch"
    return Reading(form, tuple(hints), FileFacts(frameworks=frameworks, flags=tuple(flags)))


def tensors_under(root: object) -> list[Tensor]:
    """The tensors of a pictured pickle, in its order."""
    found: list[Tensor] = []
    for path, value in named(root):
        if len(found) >= TENSORS_PER_FILE:
            break
        if isinstance(value, Made) and value.name.startswith("torch._utils._rebuild_"):
            tensor = _tensor(str(path) if path else "tensor", value)
            if tensor is not None:
                found.append(tensor)
    return found


def match(tensors: list[Tensor], storages: Mapping[str, Member]) -> tuple[list[Hint], list[str]]:
    """A hint for each storage, named by its first tensor; storages nobody names are named by their key."""
    named_by: dict[str, Tensor] = {}
    problems: list[str] = []
    for tensor in tensors:
        if tensor.storage not in storages:
            problems.append(
                f"tensor {tensor.name[:100]!r} refers to storage {tensor.storage[:40]!r}, which is not there"
            )
        else:
            named_by.setdefault(tensor.storage, tensor)
    hints: list[Hint] = []
    for key, member in storages.items():
        owner = named_by.get(key)
        if owner is None:
            hints.append(Hint(member.offset, member.size, f"storage.{key}"))
            continue
        expected = byte_length(owner.dtype, elements(owner.shape))
        if expected is not None and expected > member.size:
            problems.append(f"tensor {owner.name[:100]!r} is longer than its storage")
        fits = expected == member.size and owner.fills_from_start
        hints.append(Hint(member.offset, member.size, owner.name, owner.dtype, owner.shape if fits else None))
    return hints, problems


def _storages(archive: Archive) -> dict[str, Member]:
    found: dict[str, Member] = {}
    for member in archive.members:
        folder = member.name.rpartition("/")[0]
        if member.method == STORED and folder.rpartition("/")[2] in ("data", "constants"):
            found.setdefault(member.name, member)
    return found


def _follow(source: Source, member: Member, spent: Spent) -> tuple[Look, list[Tensor]]:
    look = Look()
    tensors: list[Tensor] = []
    try:
        machine = Machine(Cursor(member_source(source, member, PICKLE_BYTES)), spent)
        try:
            tensors = tensors_under(machine.run())
        finally:
            look.globals.update(machine.globals)
    except Malformed as error:
        look.problem = f"{member.name[:100]}: {error}"
    return look, tensors


def _is_big_endian(source: Source, archive: Archive) -> bool:
    for member in archive.members:
        if member.name.rsplit("/", 1)[-1] == "byteorder" and member.size == 3 and member.method == STORED:
            return source.read(member.offset, 3) == b"big"
    return False


def _without_dtype(hint: Hint) -> Hint:
    return Hint(hint.offset, hint.length, hint.name, f"{hint.dtype}be" if hint.dtype else "", hint.shape)


def _tensor(name: str, made: Made) -> Tensor | None:
    """_rebuild_tensor(storage, offset, shape, stride, …); version 3 names the dtype after the hooks."""
    args = made.args
    if not isinstance(args, tuple) or len(args) < 4 or not isinstance(args[0], Persistent):
        return None
    pid, offset, shape, stride = args[0].id, args[1], args[2], args[3]
    if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage" or not isinstance(pid[2], str):
        return None
    kind = pid[1].name if isinstance(pid[1], Ref) else ""
    dtype = _STORAGES.get(kind.rpartition(".")[2], "")
    if made.name.endswith("_v3") and len(args) > 6 and isinstance(args[6], Ref):
        dtype = _DTYPES.get(args[6].name.rpartition(".")[2], "")
    sizes = _sizes(shape)
    if sizes is None:
        return None
    return Tensor(name, pid[2], dtype, sizes, offset == 0 and _is_dense(sizes, _sizes(stride)))


def _sizes(value: object) -> tuple[int, ...] | None:
    if (
        isinstance(value, Made)
        and value.name == "torch.Size"
        and isinstance(value.args, tuple)
        and len(value.args) == 1
    ):
        value = value.args[0]
    if not isinstance(value, tuple) or len(value) > 64:
        return None
    sizes = tuple(size for size in value if type(size) is int and size >= 0)
    try:
        elements(sizes)
    except Malformed:
        return None
    return sizes if len(sizes) == len(value) else None


def _is_dense(shape: tuple[int, ...], stride: tuple[int, ...] | None) -> bool:
    if stride is None or len(stride) != len(shape):
        return False
    step = 1
    for size, written in zip(reversed(shape), reversed(stride), strict=True):
        if size != 1 and written != step:
            return False
        step *= max(size, 1)
    return True


_STORAGES: Final[Mapping[str, str]] = {
    "DoubleStorage": "f64",
    "FloatStorage": "f32",
    "HalfStorage": "f16",
    "BFloat16Storage": "bf16",
    "LongStorage": "i64",
    "IntStorage": "i32",
    "ShortStorage": "i16",
    "CharStorage": "i8",
    "ByteStorage": "u8",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "c64",
    "ComplexDoubleStorage": "c128",
}
_DTYPES: Final[Mapping[str, str]] = {
    "float64": "f64",
    "float32": "f32",
    "float16": "f16",
    "bfloat16": "bf16",
    "float8_e4m3fn": "f8_e4m3",
    "float8_e5m2": "f8_e5m2",
    "float8_e4m3fnuz": "f8_e4m3fnuz",
    "float8_e5m2fnuz": "f8_e5m2fnuz",
    "float8_e8m0fnu": "f8_e8m0",
    "int64": "i64",
    "int32": "i32",
    "int16": "i16",
    "int8": "i8",
    "uint64": "u64",
    "uint32": "u32",
    "uint16": "u16",
    "uint8": "u8",
    "bool": "bool",
    "complex64": "c64",
    "complex128": "c128",
}
