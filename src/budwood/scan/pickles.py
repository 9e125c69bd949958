"""Follows pickles as every loader would: pickle itself, joblib, and torch's formats.

The store's inert machine does the walking; nothing is imported or called. What is added here is distrust. Loaders
disagree about some bytes: joblib steps over raw arrays between the opcodes, ``pickle.load`` runs them as opcodes.
Where they disagree both stories must be harmless, or the file is blocked as ambiguous.
"""

import re
from typing import Final

from budwood.domain.limits import PICKLE_OPCODES
from budwood.scan.allowed import is_allowed, is_known
from budwood.scan.notes import Notes
from budwood.store.api import Source
from budwood.store.formats.bounded import Cursor, Malformed, elements
from budwood.store.formats.inert import Ambiguous, Blob, Held, Machine, Made, Ref, Spent

_OPCODES_OF_TEXT: Final = 10_000  # No text goes on for so long without an opcode that is none.
_WRAPPER: Final = "joblib.numpy_pickle.NumpyArrayWrapper"
_WRAPPER_KEYS: Final = frozenset({"subclass", "shape", "order", "dtype", "allow_mmap", "numpy_array_alignment_bytes"})
_PLAIN_DTYPE: Final = re.compile(r"[biufcmM](\d{1,2})")
_RECORD_DTYPE: Final = re.compile(r"V(\d{1,9})")
# None is not among them: it stands for text that was too long to keep.
_NEVER_TEXT: Final = (int, float, tuple, Held, Blob, Ref)
_TEXTS: Final = frozenset({"builtins.str", "__builtin__.str", "__builtin__.unicode", "_codecs.encode"})
_OBJECT_FLAGS: Final = 63
_TEXT_DTYPE: Final = re.compile(r"([SU])(\d{1,9})")
# joblib aligns to 16 bytes; no opcode is that small, so read as a plain pickle the file ends at the padding.
_MOST_PADDING: Final = 16


def scan_pickles(source: Source, inner: str, notes: Notes, *, defined: frozenset[str] = frozenset()) -> None:
    """Every pickle of a source, one behind the other. ``defined``: names that the archive itself defines."""
    cursor = Cursor(source)
    try:
        while cursor.left:
            scan_one(cursor, inner, notes, defined=defined)
            if not _goes_on(cursor, inner, notes):
                break
    except Malformed:
        return


def scan_one(cursor: Cursor, inner: str, notes: Notes, *, defined: frozenset[str] = frozenset()) -> object:
    """One pickle. What is wrong with it is told; Malformed is raised when its end was not found."""
    machine = Follower(cursor, notes.spent)
    try:
        return machine.run_strictly()
    except Ambiguous as error:
        notes.tell("pickle-ambiguous", inner, str(error), cursor.at)
        raise
    except Malformed as error:
        notes.tell("pickle-broken", inner, f"it cannot be followed to its end: {error}", cursor.at)
        raise
    finally:
        _tell_globals(machine, inner, notes, defined)


def scan_legacy_torch(source: Source, inner: str, notes: Notes) -> None:
    """torch before 1.6: five pickles, then storages that torch reads as numbers only."""
    cursor = Cursor(source)
    try:
        for _ in range(5):
            scan_one(cursor, inner, notes)
    except Malformed:
        return


def would_run(source: Source, *, is_loaded: bool = False) -> bool:
    """Whether a file that is marked as no pickle is one all the same: it ends as one, or calls before it breaks.

    Where it is sure to be unpickled (``is_loaded``), it is enough that it imports something.
    """
    cursor, spent = Cursor(source), Spent(opcodes=PICKLE_OPCODES - _OPCODES_OF_TEXT)
    machine = Follower(cursor, spent)
    ends = False
    try:
        machine.run_strictly()
        ends = True
    except Malformed:
        pass
    is_long = spent.opcodes > PICKLE_OPCODES
    return is_long or (any(map(_is_shaped, machine.globals)) and (ends or is_loaded or spent.calls > 0))


class Follower(Machine):
    """The inert machine, which also remembers where names were and refuses what loaders read differently."""

    def __init__(self, cursor: Cursor, spent: Spent, *, is_plain: bool = False) -> None:
        super().__init__(cursor, spent, None if is_plain else self._after_build)
        self.where: dict[str, int] = {}
        self._is_plain = is_plain
        self._wrappers = 0

    def run_strictly(self) -> object:
        """As ``run``. Raises Ambiguous too."""
        root = self.run()
        if self._wrappers:
            raise Ambiguous("joblib's array wrapper is used for something else than an array")
        return root

    def _push(self, value: object) -> None:
        # Every wrapper class that is pushed must be used up by making one: handed on, it could be put anywhere.
        if type(value) is Ref and value.name == _WRAPPER:
            self._wrappers += 1
        super()._push(value)

    def _refer(self, name: str) -> None:
        super()._refer(name)
        self.where.setdefault(name, self.cursor.at)

    def _refer_to_computed(self, module: object, name: object) -> None:
        if self._is_plain and (isinstance(module, _NEVER_TEXT) or isinstance(name, _NEVER_TEXT)):
            raise Malformed("a name that is no text")
        super()._refer_to_computed(module, name)

    def _make(self, function: object, args: object) -> None:
        if type(function) is Ref and function.name == _WRAPPER:
            self._wrappers -= 1
        if not isinstance(function, Ref):
            self.where.setdefault("<called at load>", self.cursor.at)
        super()._make(function, args)

    def _after_build(self, made: Made) -> None:
        """joblib puts an array's bytes right behind the pickled description of it."""
        if made.name != _WRAPPER:
            return
        state = _wrapper_state(made.state)
        width = _width(state["dtype"])
        shape = state["shape"]
        if not isinstance(shape, tuple):
            raise Ambiguous("a joblib array without a plain shape")
        self._read_as_plain_pickle(state)
        if width == 0:
            self._nested_pickle()
            return
        if state.get("numpy_array_alignment_bytes") is not None:
            self.skip(self.cursor.byte())
        self.skip(elements(size for size in shape if _is_size(size)) * width)

    def _nested_pickle(self) -> None:
        """joblib writes an array of Python objects as a pickle of its own."""
        machine = Follower(self.cursor, self.spent, is_plain=True)
        try:
            machine.run_strictly()
        finally:
            self.globals.update(machine.globals)
            self.where = {**machine.where, **self.where}

    def _read_as_plain_pickle(self, state: dict[str, object]) -> None:
        """What ``pickle.load`` would do here, which knows nothing of arrays between opcodes."""
        start = self.cursor.at
        if self.cursor.left and state.get("numpy_array_alignment_bytes") is not None and _width(state["dtype"]):
            padding = self.cursor.byte()
            self.cursor.at = start
            if padding > _MOST_PADDING:
                raise Ambiguous(f"a joblib array is padded with {padding} bytes")
            return
        copy = Follower(self.cursor, self.spent, is_plain=True)
        copy._stack, copy._marks = self._stack.copy(), self._marks.copy()
        # No object that was made so far is the text of a name, but for those that say so.
        copy._memo = {
            key: Held() if isinstance(each, Made) and each.name not in _TEXTS else each
            for key, each in self._memo.items()
        }
        self.spent.objects += len(copy._stack) + len(copy._memo)
        try:
            copy.run()
        except Malformed:
            pass
        finally:
            self.cursor.at = start
        for name in copy.globals.keys() - {"<called at load>"}:
            # Here an honest file puts a wrong module before a right name, which loads nothing.
            if _is_shaped(name) and not is_known(name.rpartition(".")[2]):
                raise Ambiguous(f"read without joblib it refers to {name}")


def _tell_globals(machine: Follower, inner: str, notes: Notes, defined: frozenset[str]) -> None:
    for name in machine.globals:
        if not is_allowed(name) and name not in defined:
            what = f"refers to {name}" if _is_shaped(name) else f"refers to {name!r}"
            notes.tell("pickle-global", inner, what, machine.where.get(name, machine.cursor.at))


def _goes_on(cursor: Cursor, inner: str, notes: Notes) -> bool:
    """Whether another pickle follows. Loaders stop at the first; what else is there must be padding."""
    at = cursor.at
    if not cursor.left:
        return False
    if cursor.byte() == 0 and _is_zero(cursor):
        return False
    cursor.at = at
    mark = cursor.take(min(2, cursor.left))
    cursor.at = at
    if len(mark) == 2 and mark[0] == 0x80 and mark[1] <= 5:
        return True
    notes.tell("pickle-trailing", inner, f"{cursor.left} bytes follow the pickle", at)
    # They are followed all the same: somebody may load twice from one stream.
    return True


def _is_zero(cursor: Cursor) -> bool:
    while cursor.left:
        if cursor.take(min(1 << 16, cursor.left)).strip(b"\0"):
            return False
    return True


def _is_shaped(name: str) -> bool:
    """Could be imported: dotted identifiers. What is not cannot be the name of anything."""
    return name.startswith("<") or all(part.isidentifier() for part in name.split("."))


def _wrapper_state(value: object) -> dict[str, object]:
    """The wrapper's attributes, if they were written once each. Raises Ambiguous."""
    pairs = value.pairs if isinstance(value, Held) and value.items is None else None
    if pairs is None or len(pairs) > 2 * len(_WRAPPER_KEYS):
        raise Ambiguous("a joblib array is described in an unusual way")
    keys = pairs[::2]
    named = {key: member for key, member in zip(keys, pairs[1::2], strict=True) if isinstance(key, str)}
    if len(named) != len(keys) or not {"shape", "dtype", "order"} <= named.keys() <= _WRAPPER_KEYS:
        raise Ambiguous("a joblib array is described in an unusual way")
    return named


def _width(dtype: object) -> int:
    """Bytes per element, 0 for Python objects, of a dtype as NumPy pickles it. Raises Ambiguous for any other."""
    code, state = _dtype_parts(dtype)
    is_whole = len(state) in (8, 9) and state[2] is None
    fits = is_whole and state[3] is None and state[4] is None
    if code == "O8" and fits and state[7] == _OBJECT_FLAGS:
        return 0
    record = _RECORD_DTYPE.fullmatch(code)
    if record and is_whole and state[5] == int(record.group(1)) > 0 and isinstance(state[7], int) and not state[7] & 1:
        return int(record.group(1))
    plain, text = _PLAIN_DTYPE.fullmatch(code), _TEXT_DTYPE.fullmatch(code)
    width = int(plain.group(1)) if plain else int(text.group(2)) * (4 if text.group(1) == "U" else 1) if text else 0
    fits = fits and state[7] in (0, 8)
    if not fits or width <= 0 or state[5] not in (-1, width) or (text and state[5] != width):
        raise Ambiguous(f"a joblib array of the type {code[:40]!r}, described in an unusual way")
    return width


def _dtype_parts(dtype: object) -> tuple[str, tuple[object, ...]]:
    if not isinstance(dtype, Made) or dtype.name != "numpy.dtype" or dtype.held is not None:
        raise Ambiguous("a joblib array of an unknown type")
    args = dtype.args if isinstance(dtype.args, tuple) else ()
    state = dtype.state if isinstance(dtype.state, tuple) else ()
    if not args or not isinstance(args[0], str):
        raise Ambiguous("a joblib array of an unknown type")
    return args[0], state


def _is_size(value: object) -> bool:
    if type(value) is not int:
        raise Ambiguous("a joblib array of an unusual shape")
    return True
