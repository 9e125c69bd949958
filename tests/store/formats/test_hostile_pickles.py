"""Pickles are followed, flagged and stored; nothing in them is ever imported, called or built."""

import bz2
import gzip
import io
import lzma
import os
import pickle
import subprocess
import sys
import time
import tracemalloc
import zlib
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from budwood.store.api import Reading
from budwood.store.formats import allowed

Read = Callable[[bytes, str], Reading]


class Remover:
    """Loading this deletes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        import shutil

        return shutil.rmtree, (str(self.path),)


def details(reading: Reading) -> set[str]:
    return {flag.detail for flag in reading.facts.flags if flag.code == "unsafe-pickle"}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", ["model.pkl", "model.pt", "model.bin", "model", "model.safetensors"])
def test_a_pickle_that_would_delete_a_folder_is_flagged_and_never_run(
    read: Read, tmp_path: Path, protocol: int, name: str
) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    content = pickle.dumps({"weights": Remover(victim)}, protocol=protocol)
    assert "refers to shutil.rmtree" in details(read(content, name)) or (name.endswith("safetensors") and protocol < 2)
    assert victim.exists()


def test_inspecting_imports_nothing_the_pickle_names(tmp_path: Path) -> None:
    (tmp_path / "a_trap.py").write_text("raise SystemExit('imported')")
    (tmp_path / "model.pkl").write_bytes(b"ca_trap\nthing\n(tR.")
    program = (
        "import sys; from budwood.store.formats import read_format; from budwood.store.formats.bounded import Memory;"
        "r = read_format(Memory(open('model.pkl','rb').read(), 'model.pkl'));"
        "assert r.facts.flags and 'a_trap' not in sys.modules and 'torch' not in sys.modules"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, check=True)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85R.", "refers to os.system"),
        (b"(S'id'\nios\nsystem\n.", "refers to os.system"),
        (b"(cos\nsystem\nS'id'\no.", "refers to os.system"),
        (b"\x80\x02cos\nsystem\n)\x81.", "refers to os.system"),
        (b"\x80\x04\x8c\x10collections.abc.\x8c\x01x\x93.", "refers to collections.abc..x"),
        (b"\x80\x04)\x8c\x01x\x93.", "refers to <a name computed at load>"),
        (b"\x80\x02\x82\x01.", "refers to <copyreg extension 1>"),
        (b"\x80\x02ccollections\nOrderedDict\n)R)R.", "refers to <called at load>"),
        (b"\x80\x02ccollections\nOrderedDict\n}b.", "refers to <state set on collections.OrderedDict>"),
        (b"\x80\x04\x8c\x07sklearn\x8c\x0dexternals.run\x93.", "refers to sklearn.externals.run"),
        (b"\x80\x02cpkgutil\nresolve_name\nX\x09\x00\x00\x00os:system\x85R.", "refers to pkgutil.resolve_name"),
        (b"\x80\x02ctorch._utils\n_rebuild_evil\n)R.", "refers to torch._utils._rebuild_evil"),
    ],
)
def test_every_way_to_name_a_global_is_seen(read: Read, content: bytes, expected: str) -> None:
    assert expected in details(read(content, "model.pkl"))


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00id\x85R\xff",
        b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00id\x85R",
        b"\x80\x02h\x05.",
        b"\x80\x02R.",
        b"\x80\x02t.",
        b"\x80\x02.",
        b"\x80\x02X\xff\xff\xff\x7f.",
        b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xff.",
        b"\x80\x06N.",
        b"7z\xbc\xaf'\x1c" + bytes(100),
        b"Rar!" + bytes(100),
        b"\x28\xb5\x2f\xfd" + bytes(100),
        b"noise",
    ],
)
def test_what_cannot_be_followed_to_its_end_is_unsafe(read: Read, content: bytes) -> None:
    assert details(read(content, "model.pt"))


@pytest.mark.parametrize("squeeze", [gzip.compress, zlib.compress, bz2.compress, lzma.compress])
def test_compressed_pickles_are_looked_into(read: Read, squeeze: Callable[[bytes], bytes]) -> None:
    evil = squeeze(b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00id\x85R.")
    assert "refers to os.system" in details(read(evil, "model.joblib"))
    assert "refers to os.system" in details(read(evil, "model.bin"))
    assert read(squeeze(b"just text"), "notes.txt.gz") == Reading()


def test_a_compressed_bomb_stops_at_the_limit(read: Read) -> None:
    content = zlib.compress(b"\x80\x02]" + b"N" * (200 << 20), 9)
    tracemalloc.start()
    try:
        reading = read(content, "model.pkl")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert details(reading)
    assert peak < 200 << 20


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02]" + b"(" * 200_000 + b"t" * 200_000 + b".",
        b"\x80\x04)" + b"\x85" * 500_000 + b".",
        b"\x80\x04)\x94h\x00h\x00\x86\x94" + b"".join(b"h%ch%c\x86\x94" % (at, at) for at in range(1, 200)) + b".",
        b"\x80\x04)" + b"2\x86" * 300 + b"}" + b"2\x86" * 60 + b".",
        b"\x80\x04]\x94" + b"h\x00a" * 100_000 + b".",
        b"\x80\x04}\x94" + b"h\x00h\x00s" * 50_000 + b".",
    ],
    ids=["marks", "deep", "doubling", "wide", "list-in-itself", "dict-in-itself"],
)
def test_structures_made_to_exhaust_are_followed_in_time(read: Read, content: bytes) -> None:
    started = time.process_time()
    read(content, "model.pkl")
    assert time.process_time() - started < 5


@pytest.mark.slow
@pytest.mark.parametrize("unit", [b"]", b"N", b"K\x01", b"]\x94", b"}\x94(", b"2", b"\x8c\x10" + b"x" * 16 + b"\x94"])
def test_endless_pickles_stop_at_a_named_limit(read: Read, unit: bytes) -> None:
    reading = read(b"\x80\x04N" + unit * 6_000_000 + b".", "model.pkl")
    assert any("limit" in flag.detail for flag in reading.facts.flags)


def test_honest_values_are_not_flagged(read: Read) -> None:
    import datetime
    import decimal

    value = OrderedDict(
        a=[1, 2.5, "text", None, True, b"bytes", 1 << 100, -(1 << 3000)],
        b={frozenset({1}), (1, 2)},
        c=datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
        d=decimal.Decimal("1.5"),
        e=bytearray(b"x" * 100),
        f=complex(1, 2),
    )
    for protocol in range(2, 6):
        reading = read(pickle.dumps(value, protocol=protocol), "value.pkl")
        assert (reading.format, reading.facts.flags) == ("pickle", ()), protocol


def test_large_raw_bytes_become_hints(read: Read) -> None:
    content = pickle.dumps({"embeddings": {"table": os.urandom(200_000)}, "note": b"small"}, protocol=5)
    (hint,) = read(content, "index.pkl").hints
    assert (hint.name, hint.length) == ("embeddings.table", 200_000)


def test_text_that_begins_like_a_pickle_is_text(read: Read) -> None:
    for text in (b"cat\ndog\nbird\n", b"contents\nof\nthis.", b"(see below)\n", b"Input: none.\n", b"I am\n", b"]\n."):
        assert read(text, "labels.txt") == Reading()


def test_several_pickles_in_one_file_are_all_followed(read: Read) -> None:
    target = io.BytesIO()
    pickle.dump([1], target, protocol=4)
    target.write(b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00id\x85R.")
    assert "refers to os.system" in details(read(target.getvalue(), "model.pkl"))


def test_the_allowlist_holds_nothing_that_can_call_or_import() -> None:
    dangerous = {
        "builtins.eval", "builtins.exec", "builtins.getattr", "builtins.open", "builtins.__import__", "builtins.type",
        "builtins.compile", "builtins.map", "functools.partial", "operator.attrgetter", "operator.methodcaller",
        "os.system", "posix.system", "subprocess.Popen", "importlib.import_module", "pickle.loads", "torch.load",
        "torch.hub.load", "joblib.load", "numpy.load", "numpy.core.multiarray.fromfile", "types.FunctionType",
        "_pickle.loads", "webbrowser.open", "runpy.run_path", "pty.spawn", "timeit.timeit", "code.interact",
    }  # fmt: skip
    assert not any(allowed.is_allowed(name) for name in dangerous)


def test_the_allowlist_for_torch_is_what_torch_itself_allows() -> None:
    torch_allows = pytest.importorskip("torch._weights_only_unpickler")._get_allowed_globals()
    ours = {name for name in allowed.ALLOWED if name.startswith("torch.")}
    assert ours <= set(torch_allows)
