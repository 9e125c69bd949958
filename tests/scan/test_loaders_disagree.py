"""Where loaders read the same bytes differently, no reading of them may pass that one of them would run."""

import io
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budwood.domain.limits import PICKLE_OPCODES
from budwood.scan import pickles
from budwood.scan.allowed import is_allowed
from budwood.scan.look import look
from budwood.scan.notes import Notes
from budwood.scan.report import FileReport, Verdict
from budwood.store.formats.bounded import Memory
from tests.scan import corpus

ENDINGS = (".pkl", ".pt", ".npy", ".keras", ".gguf", ".onnx", ".json", ".tar", "")


def looked_at(content: bytes, name: str = "a.pkl") -> FileReport:
    notes = Notes(name)
    look(Memory(content, name), notes)
    return notes.report()


class Second(pickle._Unpickler):
    """The standard library's reading: names are written down, and every one stands for ``list``."""

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content))
        self.names: list[str] = []

    def find_class(self, module: str, name: str) -> type[list[object]]:
        self.names.append(f"{module}.{name}")
        return list


OPCODES: tuple[st.SearchStrategy[bytes], ...] = (
    st.sampled_from(
        [b"(", b"0", b"1", b"2", b"N", b"]", b"}", b")", b"t", b"\x85", b"\x86", b"\x94", b"R", b"b", b"o"]
    ),
    st.sampled_from(
        [b"o", b"\x81", b"\x93", b"a", b"e", b"s", b"u", b"l", b"d", b"\x88", b"Q", b"\x8f", b"\x90", b"\x91"]
    ),
    st.sampled_from(["posix", "system", "collections", "OrderedDict", "os.path"]).map(corpus.short),
    st.sampled_from([("posix", "system"), ("collections", "OrderedDict"), ("builtins", "set")]).map(
        lambda name: corpus.name(*name)
    ),
    st.integers(0, 3).map(lambda index: b"h" + bytes([index])),
    st.integers(0, 3).map(lambda index: b"q" + bytes([index])),
    st.integers(0, 3).map(lambda index: b"g%d\n" % index),
    st.integers(0, 3).map(lambda index: b"g%030d\n" % index),
    st.sampled_from([b"I010\n", b"I01\n", b"I8\n", b"L8L\n", b"K\x08", b"S'a'\n", b"S'\\x6f\\x73'\n", b"Vos\n"]),
)


@settings(max_examples=2_000, deadline=None)
@given(st.lists(st.one_of(*OPCODES), max_size=30).map(lambda parts: b"\x80\x04" + b"".join(parts) + b"."))
def test_what_passes_names_nothing_unknown_when_pickle_reads_it(content: bytes) -> None:
    report, second = looked_at(content), Second(content)
    try:
        second.load()
    except Exception:
        # What was named before it broke was imported all the same.
        assert report.verdict is not Verdict.CLEAN or all(map(is_allowed, second.names))
        return
    assert report.verdict is not Verdict.CLEAN or all(map(is_allowed, second.names))


@settings(max_examples=500, deadline=None)
@given(
    st.binary(max_size=400), st.sampled_from([".pkl", ".pt", ".npy", ".keras", ".gguf", ".onnx", ".json", ".tar", ""])
)
def test_no_bytes_break_the_scanner(content: bytes, ending: str) -> None:
    looked_at(content, f"a{ending}")


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(corpus.LOADERS)), st.data())
def test_a_changed_byte_in_a_hostile_file_breaks_nothing(name: str, data: st.DataObject) -> None:
    content = bytearray(FILES[name])
    at = data.draw(st.integers(0, min(len(content) - 1, 5_000)))
    content[at] = data.draw(st.integers(0, 255))
    looked_at(bytes(content), name)


FILES = corpus.hostile(Path("marker"))


def test_every_opcode_is_known() -> None:
    import pickletools

    unknown = [
        opcode.name
        for opcode in pickletools.opcodes
        if "no pickle opcode" in str([each.what for each in looked_at(opcode.code.encode("latin-1")).findings])
    ]
    assert unknown == []


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
@pytest.mark.parametrize("kind", ["f8", "i4", "U5", "S3", "M8[ns]", "?", "O", "f4,i8"])
def test_what_joblib_writes_is_followed_to_its_end(shape: tuple[int, ...], kind: str) -> None:
    import joblib
    import numpy as np

    target = io.BytesIO()
    joblib.dump({"first": np.zeros(shape, kind), "second": np.ones(5), "third": np.zeros(shape, kind)}, target)
    assert looked_at(target.getvalue(), "a.joblib").findings == ()


def as_text(content: bytes) -> bytes:
    return b"# a comment\n" + content


@pytest.mark.parametrize(
    "content",
    [
        b"certifi\nnumpy\n", b"cat\ndog\nfish\n", b"(a, b)\n", b"import os\nos.system('true')\n", b"Keep this. ",
        b"[PAD]\n[UNK]\n", b"}\n", b"I am text.\n", b"h\xc3\xa9llo w\xc3\xb6rld",
    ],
)  # fmt: skip
@pytest.mark.parametrize("change", [bytes, as_text])
def test_text_is_no_pickle(content: bytes, change: Callable[[bytes], bytes]) -> None:
    assert looked_at(change(content), "notes.txt").verdict is Verdict.CLEAN


def test_a_pickle_without_a_mark_is_found_in_a_text_of_any_length() -> None:
    assert looked_at(b"N0" * 20_000 + b"cos\nsystem\n(S'true'\ntR.", "notes.txt").verdict is Verdict.BLOCKED
    assert looked_at(b"N0" * (PICKLE_OPCODES // 2 + 1), "notes.txt").verdict is not Verdict.CLEAN


def test_names_must_be_whole() -> None:
    listed = "collections.OrderedDict"
    for name in ("collections.OrderedDict.fromkeys", "collections", "Collections.OrderedDict", "OrderedDict"):
        module, _, attribute = name.rpartition(".")
        assert looked_at(corpus.call(module, attribute)).verdict is Verdict.BLOCKED
    assert looked_at(corpus.call(*listed.split("."))).verdict is Verdict.CLEAN


def test_would_run_asks_for_names_that_can_be_imported() -> None:
    assert not pickles.would_run(Memory(b"c one two\nthree four\n)R."))
    assert pickles.would_run(Memory(b"cone\nthree\n)R."))
