"""A pickle machine that does nothing: it follows the opcodes and builds a picture of what they describe.

Nothing is imported, called or looked up. A global becomes a ``Ref`` that only knows its name, a call
becomes a ``Made`` that remembers what would have been called with what, and long byte strings stay in
the file as a ``Blob``. The machine never hashes, compares or recurses into what it built, so shared and
cyclic structures cost what their opcodes cost. It stops at PICKLE_BYTES, PICKLE_OPCODES and
PICKLE_OBJECTS; a pickle it could not follow to the end is not to be trusted.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from budwood.domain.limits import (
    PATH_DEPTH,
    PICKLE_BYTES,
    PICKLE_GLOBALS,
    PICKLE_LINE_BYTES,
    PICKLE_OBJECTS,
    PICKLE_OPCODES,
    TENSOR_NAME_CHARS,
)
from budwood.store.formats.bounded import Cursor, Malformed, plain_text

KEPT_TEXT_BYTES: Final = 4_096
KEPT_ATOMS: Final = 256
"""Plain values kept per list or dict: enough for any array's state, far less than a vocabulary."""


class Ambiguous(Malformed):
    """Loaders would read different things here."""


@dataclass(slots=True, eq=False)
class Ref:
    """A global the pickle names; it was not looked up."""

    name: str


@dataclass(slots=True, eq=False)
class Blob:
    """A byte string left in the file."""

    offset: int
    length: int


@dataclass(slots=True, eq=False)
class Held:
    """A list, set or dict; ``pairs`` alternates keys and values. Most of a hostile million stay empty: no lists."""

    items: list[object] | None = None
    pairs: list[object] | None = None


@dataclass(slots=True, eq=False)
class Made:
    """What calling ``name`` would have given, and what was put into it afterwards."""

    name: str
    args: object = ()
    state: object = None
    held: Held | None = None


@dataclass(slots=True, eq=False)
class Persistent:
    """A reference out of the pickle: for torch, to a storage."""

    id: object


@dataclass(slots=True)
class Spent:
    """What following has cost so far; pickles that belong together share one."""

    opcodes: int = 0
    objects: int = 0
    bytes: int = 0
    calls: int = 0


class Machine:
    """Runs one pickle from a cursor. ``globals`` names everything it refers to, in order of appearance.

    ``on_build`` sees an object right after its state was set, which is when joblib's arrays follow.
    """

    def __init__(self, cursor: Cursor, spent: Spent, on_build: Callable[[Made], None] | None = None) -> None:
        self.cursor = cursor
        self.spent = spent
        self.globals: dict[str, None] = {}
        self._on_build = on_build
        self._skipped = 0
        self._objects = 0
        self._stack: list[object] = []
        self._marks: list[int] = []
        self._memo: dict[int, object] = {}

    def run(self) -> object:
        """The picture of the pickled object. Raises Malformed; ``globals`` then holds those seen so far."""
        start = self.cursor.at
        try:
            return self._follow(start)
        finally:
            self.spent.bytes += self.cursor.at - start - self._skipped
            self.spent.objects += self._objects

    def _follow(self, start: int) -> object:
        byte = self.cursor.byte
        spent = self.spent
        while (opcode := byte()) != _STOP:
            handler = _HANDLERS.get(opcode)
            if handler is None:
                raise Malformed(f"no pickle opcode {opcode} at {self.cursor.at - 1}")
            handler(self)
            spent.opcodes += 1
            if spent.opcodes > PICKLE_OPCODES or spent.objects + self._objects > PICKLE_OBJECTS:
                raise Malformed("the pickle is longer than the limits PICKLE_OPCODES or PICKLE_OBJECTS")
            if spent.bytes + self.cursor.at - start - self._skipped > PICKLE_BYTES:
                raise Malformed("the pickle is longer than the limit PICKLE_BYTES")
        return self._pop()

    def skip(self, length: int) -> Blob:
        """Step over raw bytes; they do not count as pickle. Raises Malformed past the end."""
        blob = Blob(self.cursor.at, length)
        self.cursor.skip(length)
        self._skipped += length
        return blob

    def _push(self, value: object) -> None:
        self._objects += 1
        self._stack.append(value)

    def _pop(self) -> object:
        if len(self._stack) <= (self._marks[-1] if self._marks else 0):
            raise Malformed(f"the pickle takes from an empty stack at {self.cursor.at}")
        return self._stack.pop()

    def _top(self) -> object:
        if len(self._stack) <= (self._marks[-1] if self._marks else 0):
            raise Malformed(f"the pickle looks at an empty stack at {self.cursor.at}")
        return self._stack[-1]

    def _since_mark(self) -> list[object]:
        if not self._marks:
            raise Malformed(f"the pickle goes back to a mark it never set at {self.cursor.at}")
        mark = self._marks.pop()
        values = self._stack[mark:]
        del self._stack[mark:]
        return values

    def _mark(self) -> None:
        self._objects += 1
        self._marks.append(len(self._stack))

    def _constant(self, value: object) -> None:
        self._push(value)

    def _int(self, length: int, signed: bool) -> None:
        self._push(int.from_bytes(self.cursor.take(length), "little", signed=signed))

    def _long(self, width: int) -> None:
        length = int.from_bytes(self.cursor.take(width), "little")
        if length > 16:
            self._push(self.skip(length))
        else:
            self._push(int.from_bytes(self.cursor.take(length), "little", signed=True))

    def _line(self) -> bytes:
        line = self.cursor.line(PICKLE_LINE_BYTES, PICKLE_LINE_BYTES)
        assert line is not None
        return line

    def _long_line(self) -> bytes | None:
        return self.cursor.line(KEPT_TEXT_BYTES, PICKLE_BYTES)

    def _int_line(self) -> None:
        line = self._line().rstrip(b"L")
        if line in (b"00", b"01"):
            self._push(line == b"01")
        elif _OTHER_BASE.match(line):
            # C's pickle reads 010 as eight, Python's refuses it: nobody writes it for an honest reason.
            raise Ambiguous(f"a number with a leading zero before {self.cursor.at}")
        elif len(line) > 40:
            self._push(None)
        else:
            self._push(_number(line, int))

    def _float_line(self) -> None:
        self._push(_number(self._line(), float))

    def _text_line(self) -> None:
        line = self._long_line()
        self._push(None if line is None else line.decode("raw-unicode-escape", "replace"))

    def _quoted_line(self) -> None:
        line = self._long_line()
        if line is not None:
            line = line.strip()
            if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
                raise Malformed(f"a pickled string without quotes before {self.cursor.at}")
        self._push(None if line is None else line[1:-1].decode("latin-1"))

    def _text(self, width: int, encoding: str = "utf-8") -> None:
        """Long text is no name and no key worth keeping: it leaves a None behind."""
        length = int.from_bytes(self.cursor.take(width), "little")
        if length > KEPT_TEXT_BYTES:
            self.skip(length)
            self._push(None)
        else:
            self._push(self.cursor.take(length).decode(encoding, "replace"))

    def _bytes(self, width: int) -> None:
        self._push(self.skip(int.from_bytes(self.cursor.take(width), "little")))

    def _float(self) -> None:
        self._push(self.cursor.f64_big())

    def _held(self) -> None:
        self._push(Held())

    def _held_from_mark(self, is_dict: bool) -> None:
        values = self._since_mark()
        held = Held()
        self._fill(held, values, is_dict)
        self._push(held)

    def _tuple(self, count: int | None) -> None:
        if count is None:
            self._push(tuple(self._since_mark()))
        else:
            values = [self._pop() for _ in range(count)]
            self._push(tuple(reversed(values)))

    def _append(self, is_dict: bool) -> None:
        values = [self._pop() for _ in range(2 if is_dict else 1)]
        self._fill(self._top(), values[::-1], is_dict)

    def _extend(self, is_dict: bool) -> None:
        values = self._since_mark()
        self._fill(self._top(), values, is_dict)

    def _fill(self, target: object, values: list[object], is_dict: bool) -> None:
        if isinstance(target, Made):
            target.held = target.held or Held()
            target = target.held
        if not isinstance(target, Held):
            raise Malformed(f"the pickle fills what holds nothing before {self.cursor.at}")
        if not is_dict:
            target.items = _kept(target.items or [], values)
        elif len(values) % 2:
            raise Malformed(f"the pickle has a key without a value before {self.cursor.at}")
        else:
            target.pairs = _kept_pairs(target.pairs or [], values)

    def _get(self, index: int) -> None:
        if index not in self._memo:
            raise Malformed(f"the pickle remembers what it never saw before {self.cursor.at}")
        self._push(self._memo[index])

    def _put(self, index: int) -> None:
        self._objects += 1
        self._memo[index] = self._top()

    def _line_index(self) -> int:
        line = self._line()
        if len(line) > 20:
            raise Ambiguous(f"an index of {len(line)} digits before {self.cursor.at}")
        index = _number(line, int)
        assert isinstance(index, int)
        return index

    def _memoize(self) -> None:
        self._put(len(self._memo))

    def _duplicate(self) -> None:
        self._push(self._top())

    def _drop(self) -> None:
        if self._marks and self._marks[-1] == len(self._stack):
            self._marks.pop()
        else:
            self._pop()

    def _refer(self, name: str) -> None:
        name = plain_text(name, 256)
        if name not in self.globals:
            if len(self.globals) >= PICKLE_GLOBALS:
                raise Malformed("the pickle refers to more than PICKLE_GLOBALS names")
            self.globals[name] = None
        self._push(Ref(name))

    def _global_line(self) -> None:
        module, name = (self._line().decode("utf-8", "replace") for _ in range(2))
        self._refer(f"{module}.{name}")

    def _stack_global(self) -> None:
        name, module = self._pop(), self._pop()
        if isinstance(name, str) and isinstance(module, str):
            self._refer(f"{module}.{name}")
        else:
            self._refer_to_computed(module, name)

    def _refer_to_computed(self, module: object, name: object) -> None:
        """One of the two is no text that was kept."""
        self._refer("<a name computed at load>")

    def _extension(self, width: int) -> None:
        code = int.from_bytes(self.cursor.take(width), "little")
        self._refer(f"<copyreg extension {code}>")

    def _make(self, function: object, args: object) -> None:
        name = function.name if isinstance(function, Ref) else "<called at load>"
        if not isinstance(function, Ref):
            self.globals.setdefault(name)
        self.spent.calls += 1
        self._push(Made(name, args))

    def _reduce(self) -> None:
        args = self._pop()
        self._make(self._pop(), args)

    def _new_with_keywords(self) -> None:
        keywords, args = self._pop(), self._pop()
        self._make(self._pop(), (args, keywords))

    def _instance_line(self) -> None:
        values = self._since_mark()
        self._global_line()
        self._make(self._pop(), tuple(values))

    def _object(self) -> None:
        values = self._since_mark()
        if not values:
            raise Malformed(f"the pickle makes an object of nothing before {self.cursor.at}")
        self._make(values[0], tuple(values[1:]))

    def _build(self) -> None:
        state = self._pop()
        made = self._top()
        if isinstance(made, Ref):
            self.globals.setdefault(f"<state set on {made.name}>")
        if isinstance(made, Made):
            made.state = state
            if self._on_build is not None:
                self._on_build(made)

    def _persistent_line(self) -> None:
        self._push(Persistent(self._line().decode("utf-8", "replace")))

    def _persistent(self) -> None:
        self._push(Persistent(self._pop()))


@dataclass(slots=True, eq=False)
class KeyPath:
    """How something is reached from the root, kept as a chain so that a million siblings share it."""

    parent: "KeyPath | None"
    key: object
    depth: int

    def __str__(self) -> str:
        keys: list[str] = []
        at: KeyPath | None = self
        while at is not None:
            keys.append(str(at.key)[:TENSOR_NAME_CHARS])
            at = at.parent
        return ".".join(reversed(keys))[:TENSOR_NAME_CHARS]


def named(root: object) -> Iterator[tuple[KeyPath | None, Made | Blob]]:
    """Everything made and every byte string under ``root``, by its key path, each once, in pickle order."""
    seen: set[int] = set()
    todo: list[tuple[KeyPath | None, object]] = [(None, root)]
    while todo:
        path, value = todo.pop()
        if _is_atom(value) or id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Made | Blob):
            yield path, value
        todo.extend(reversed(_parts(path, value)))


def pairs_of(value: object) -> dict[str, object]:
    """The text-keyed pairs of a pictured dict; the last of equal keys, as loading would have it."""
    if isinstance(value, Made):
        value = value.held
    if not isinstance(value, Held):
        return {}
    return {key: member for key, member in _keyed(value) if isinstance(key, str)}


# What nn.Module keeps its tensors in; state_dict leaves these out of its names, and so do we.
_UNSPOKEN: Final = frozenset({"_modules", "_parameters", "_buffers"})


def _parts(path: KeyPath | None, value: object) -> list[tuple[KeyPath | None, object]]:
    if isinstance(value, tuple):
        return [(_under(path, at), member) for at, member in enumerate(value) if not _is_atom(member)]
    if isinstance(value, Held):
        parts = [(_under(path, at), member) for at, member in enumerate(value.items or ()) if not _is_atom(member)]
        return parts + [(_under(path, key), member) for key, member in _keyed(value) if not _is_atom(member)]
    if isinstance(value, Made):
        args = value.args if isinstance(value.args, tuple) else (value.args,)
        parts = [(path if at == 0 else _under(path, at), member) for at, member in enumerate(args)]
        return [*parts, (path, value.held), (path, value.state)]
    return []


def _under(path: KeyPath | None, key: object) -> KeyPath | None:
    is_spoken = key not in _UNSPOKEN if isinstance(key, str) else isinstance(key, int)
    depth = path.depth + 1 if path else 1
    return KeyPath(path, key, depth) if is_spoken and depth <= PATH_DEPTH else path


def _keyed(held: Held) -> Iterator[tuple[object, object]]:
    pairs = held.pairs or ()
    return zip(pairs[::2], pairs[1::2], strict=True)


def _kept(items: list[object], values: list[object]) -> list[object]:
    room = KEPT_ATOMS - len(items)
    items += [value for at, value in enumerate(values) if at < room or not _is_atom(value)]
    return items


def _kept_pairs(pairs: list[object], values: list[object]) -> list[object]:
    for key, value in zip(values[::2], values[1::2], strict=True):
        if len(pairs) < 2 * KEPT_ATOMS or not _is_atom(value):
            pairs += (key, value)
    return pairs


def _is_atom(value: object) -> bool:
    return value is None or isinstance(value, str | int | float | Ref) or value == ()


_OTHER_BASE: Final = re.compile(rb"\s*[+-]?0\w")


def _number(text: bytes, kind: type[int] | type[float]) -> int | float:
    try:
        return kind(text[:400])
    except ValueError as error:
        raise Malformed(f"{text[:40]!r} is no number") from error


_STOP: Final = ord(".")
_Handler = Callable[[Machine], None]


def _frame(machine: Machine) -> None:
    machine.cursor.skip(8)


def _protocol(machine: Machine) -> None:
    if machine.cursor.byte() > 5:
        raise Malformed("a pickle protocol after 5")


# In the order of the standard library's pickletools.
_NAMED: Final[dict[str, _Handler]] = {
    "I": Machine._int_line,
    "J": lambda m: m._int(4, True),
    "K": lambda m: m._int(1, False),
    "M": lambda m: m._int(2, False),
    "L": Machine._int_line,
    "\x8a": lambda m: m._long(1),
    "\x8b": lambda m: m._long(4),
    "S": Machine._quoted_line,
    "T": lambda m: m._text(4, "latin-1"),
    "U": lambda m: m._text(1, "latin-1"),
    "B": lambda m: m._bytes(4),
    "C": lambda m: m._bytes(1),
    "\x8e": lambda m: m._bytes(8),
    "\x96": lambda m: m._bytes(8),
    "\x97": lambda m: m._constant(None),
    "\x98": lambda m: None,
    "N": lambda m: m._constant(None),
    "\x88": lambda m: m._constant(True),
    "\x89": lambda m: m._constant(False),
    "V": Machine._text_line,
    "\x8c": lambda m: m._text(1),
    "X": lambda m: m._text(4),
    "\x8d": lambda m: m._text(8),
    "F": Machine._float_line,
    "G": Machine._float,
    "]": Machine._held,
    "a": lambda m: m._append(False),
    "e": lambda m: m._extend(False),
    "l": lambda m: m._held_from_mark(False),
    ")": lambda m: m._constant(()),
    "t": lambda m: m._tuple(None),
    "\x85": lambda m: m._tuple(1),
    "\x86": lambda m: m._tuple(2),
    "\x87": lambda m: m._tuple(3),
    "}": Machine._held,
    "d": lambda m: m._held_from_mark(True),
    "s": lambda m: m._append(True),
    "u": lambda m: m._extend(True),
    "\x8f": Machine._held,
    "\x90": lambda m: m._extend(False),
    "\x91": lambda m: m._held_from_mark(False),
    "0": Machine._drop,
    "2": Machine._duplicate,
    "(": Machine._mark,
    "1": lambda m: _discard(m._since_mark()),
    "g": lambda m: m._get(m._line_index()),
    "h": lambda m: m._get(m.cursor.byte()),
    "j": lambda m: m._get(m.cursor.u32()),
    "p": lambda m: m._put(m._line_index()),
    "q": lambda m: m._put(m.cursor.byte()),
    "r": lambda m: m._put(m.cursor.u32()),
    "\x94": Machine._memoize,
    "\x82": lambda m: m._extension(1),
    "\x83": lambda m: m._extension(2),
    "\x84": lambda m: m._extension(4),
    "c": Machine._global_line,
    "\x93": Machine._stack_global,
    "R": Machine._reduce,
    "b": Machine._build,
    "i": Machine._instance_line,
    "o": Machine._object,
    "\x81": Machine._reduce,
    "\x92": Machine._new_with_keywords,
    "\x80": _protocol,
    "\x95": _frame,
    "P": Machine._persistent_line,
    "Q": Machine._persistent,
}


def _discard(_: object) -> None:
    """POP_MARK throws away what it took."""


_HANDLERS: Final[dict[int, _Handler]] = {ord(opcode): handler for opcode, handler in _NAMED.items()}
