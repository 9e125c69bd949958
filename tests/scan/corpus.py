"""Hostile files for the scanner, assembled by hand; ordinary.py has the honest ones.

Every hostile file that can be loaded would touch one marker file and do nothing else, so a test can tell whether
anything ran. ``LOADERS`` says what would load it; test_corpus.py lets some of them do it, in a process of its own,
to show that the files are what they claim to be.
"""

import bz2
import gzip
import io
import json
import lzma
import marshal
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

Files = dict[str, bytes]


def hostile(marker: Path) -> Files:
    """By name. All are to be blocked."""
    return {
        **_opcodes(marker),
        **_gadgets(marker),
        **_evasions(marker),
        **_joblib_gaps(marker),
        **_containers(marker),
        **_zips(marker),
        **_formats(marker),
        **_programs(),
    }


def bombs() -> dict[str, Callable[[], bytes]]:
    """Files that only cost: they are to end as an error, within the limits."""
    return {
        "nine_times.pkl.gz": _nine_times,
        "bomb.pkl.gz": lambda: gzip.compress(bytes(300 << 20), 1),
        "bomb.pkl.bz2": lambda: bz2.compress(bytes(100 << 20), 1),
        "many.pt": lambda: zipped(*((f"{at}.npy.gz", gzip.compress(bytes(40 << 20), 1)) for at in range(27))),
        "doubled.pkl": lambda: b"]" + b"2" * 4_000_000 + b".",
        "endless_text.pkl": lambda: b"V" + b"a" * (70 << 20),
    }


def _nine_times() -> bytes:
    content = call("os", "system", "true")
    for _ in range(9):
        content = gzip.compress(content)
    return content


# What would run a hostile file, as an expression over its path; only those that need nothing but this project's tests.
PICKLE = "__import__('pickle').load(open(path, 'rb'))"
TORCH = "__import__('torch').load(path, weights_only=False)"
JOBLIB = "__import__('joblib').load(path)"
NUMPY = "list(dict(enumerate([__import__('numpy').load(path, allow_pickle=True)])).values())[0]"
LOADERS = {
    "protocol_0.pkl": PICKLE,
    "posix.pkl": PICKLE,
    "eval.pkl": PICKLE,
    "exec.pkl": PICKLE,
    "popen.pkl": PICKLE,
    "inst.pkl": PICKLE,
    "obj.pkl": PICKLE,
    "newobj.pkl": PICKLE,
    "newobj_ex.pkl": PICKLE,
    "stack_global.pkl": PICKLE,
    "memoized_name.pkl": PICKLE,
    "dotted_name.pkl": PICKLE,
    "python_2.pkl": PICKLE,
    "popped.pkl": PICKLE,
    "computed_name.pkl": PICKLE,
    "getattr.pkl": PICKLE,
    "partial.pkl": PICKLE,
    "methodcaller.pkl": PICKLE,
    "timeit.pkl": PICKLE,
    "cprofile.pkl": PICKLE,
    "runpy.pkl": PICKLE,
    "code.pkl": PICKLE,
    "nested_loads.pkl": PICKLE,
    "resolve_name.pkl": PICKLE,
    "marshal.pkl": PICKLE,
    "numpy_runstring.pkl": PICKLE,
    "torch_collect_env.pkl": PICKLE,
    "broken_after.pkl": PICKLE,
    "truncated_after.pkl": PICKLE,
    "long_index.pkl": PICKLE,
    "escaped_text.pkl": PICKLE,
    "weights.bin": PICKLE,
    "notes.txt": PICKLE,
    "model.safetensors": PICKLE,
    "padded.pkl": PICKLE,
    "array_bytes_as_opcodes.pkl": PICKLE,
    "array_bytes_as_opcodes_unaligned.pkl": PICKLE,
    "before_zip.pkl": PICKLE,
    "tar_header.pkl": PICKLE,
    "objects.joblib": JOBLIB,
    "zlib.joblib": JOBLIB,
    "gzip.joblib": JOBLIB,
    "bz2.joblib": JOBLIB,
    "xz.joblib": JOBLIB,
    "lzma.joblib": JOBLIB,
    "truncated.joblib.gz": JOBLIB,
    "objects.npy": NUMPY,
    "state.pt": TORCH,
    "legacy.pt": TORCH,
    "broken_checksum.pt": TORCH,
}


def touch(marker: Path) -> str:
    """A shell command."""
    return f"touch {marker}"


def python(marker: Path) -> str:
    """The same as Python."""
    return f"open({str(marker)!r}, 'w').close()"


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def short(value: str) -> bytes:
    return b"\x8c" + bytes([len(value.encode())]) + value.encode()


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


def call(module: str, attribute: str, *arguments: str) -> bytes:
    """A whole pickle of protocol 2 that calls something with texts."""
    return b"\x80\x02" + calling(module, attribute, *arguments) + b"."


def calling(module: str, attribute: str, *arguments: str) -> bytes:
    return name(module, attribute) + b"(" + b"".join(map(text, arguments)) + b"tR"


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for member, content in members:
            archive.writestr(zipfile.ZipInfo(member), content, method)
    return target.getvalue()


def tarred(*members: tuple[str, bytes], mode: str = "w") -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode) as archive:  # type: ignore[call-overload]
        for member, content in members:
            entry = tarfile.TarInfo(member)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return target.getvalue()


def _opcodes(marker: Path) -> Files:
    shell, code = touch(marker), python(marker)
    system = short("posix") + short("system") + b"\x93"
    argument = text(shell) + b"\x85"
    return {
        "protocol_0.pkl": b"cos\nsystem\n(S" + repr(shell).encode() + b"\ntR.",
        "posix.pkl": call("posix", "system", shell),
        "eval.pkl": call("builtins", "eval", f"exec({code!r})"),
        "exec.pkl": call("builtins", "exec", code),
        "popen.pkl": b"\x80\x02" + name("subprocess", "Popen") + b"](" + text("touch") + text(str(marker)) + b"e\x85R.",
        "inst.pkl": b"(S" + repr(shell).encode() + b"\nios\nsystem\n.",
        "obj.pkl": b"(" + name("os", "system") + text(shell) + b"o.",
        "newobj.pkl": b"\x80\x02"
        + name("subprocess", "Popen")
        + b"]("
        + text("touch")
        + text(str(marker))
        + b"e\x85\x81"
        + name("subprocess", "Popen")
        + b"]("
        + text("touch")
        + text(str(marker))
        + b"e\x85R.",
        "newobj_ex.pkl": b"\x80\x04" + name("builtins", "str") + b")}\x92" + b"0" + system + argument + b"R.",
        "stack_global.pkl": b"\x80\x04" + system + argument + b"R.",
        "memoized_name.pkl": b"\x80\x04"
        + short("posix")
        + b"\x940"
        + short("system")
        + b"\x940h\x00h\x01\x93"
        + argument
        + b"R.",
        "computed_name.pkl": b"\x80\x04"
        + name("builtins", "str")
        + text("posix")
        + b"\x85R"
        + short("system")
        + b"\x93"
        + argument
        + b"R.",
        "dotted_name.pkl": b"\x80\x04" + short("logging") + short("os.system") + b"\x93" + argument + b"R.",
        "python_2.pkl": call("__builtin__", "eval", f"exec({code!r})"),
        "extension.pkl": b"\x80\x02\x83\x07\x00" + argument + b"R.",
        "set_state.pkl": b"\x80\x02"
        + name("collections", "OrderedDict")
        + b")R}"
        + text("__setstate__")
        + name("os", "system")
        + b"sb"
        + text(shell)
        + b"b.",
        "called_at_load.pkl": b"\x80\x02" + name("collections", "OrderedDict") + b")R" + argument + b"R.",
        "state_on_class.pkl": b"\x80\x02" + name("collections", "OrderedDict") + b"}" + text("a") + b"K\x01sb.",
    }


def _gadgets(marker: Path) -> Files:
    shell, code = touch(marker), python(marker)
    bytecode = marshal.dumps(compile(code, "", "exec"))
    made = b"B" + struct.pack("<I", len(bytecode)) + bytecode
    inner = call("builtins", "exec", code)
    return {
        "getattr.pkl": b"\x80\x02"
        + name("builtins", "getattr")
        + calling("builtins", "__import__", "os")
        + text("system")
        + b"\x86R"
        + text(shell)
        + b"\x85R.",
        "partial.pkl": b"\x80\x02" + name("functools", "partial") + name("os", "system") + text(shell) + b"\x86R)R.",
        "methodcaller.pkl": b"\x80\x02"
        + calling("operator", "methodcaller", "system", shell)
        + calling("builtins", "__import__", "os")
        + b"\x85R.",
        "timeit.pkl": call("timeit", "timeit", "pass", code),
        "cprofile.pkl": call("cProfile", "run", code),
        "runpy.pkl": b"\x80\x02" + name("runpy", "_run_code") + text(code) + b"}\x86R.",
        "code.pkl": b"\x80\x02" + name("code", "interact") + b"0" + calling("builtins", "exec", code) + b".",
        "pdb.pkl": call("bdb", "Bdb")[:-1] + b"0" + calling("pdb", "run", code) + b".",
        "nested_loads.pkl": b"\x80\x03" + name("_pickle", "loads") + b"C" + bytes([len(inner)]) + inner + b"\x85R.",
        "resolve_name.pkl": b"\x80\x02" + calling("pkgutil", "resolve_name", "os:system") + text(shell) + b"\x85R.",
        "marshal.pkl": b"\x80\x03"
        + name("types", "FunctionType")
        + name("marshal", "loads")
        + made
        + b"\x85R"
        + name("builtins", "globals")
        + b")R\x86R)R.",
        "ctypes.pkl": call("ctypes", "CDLL", "libc.so.6"),
        "import_module.pkl": call("importlib", "import_module", "antigravity"),
        "webbrowser.pkl": call("webbrowser", "open", f"file://{marker}"),
        "asyncio.pkl": b"\x80\x02" + name("asyncio.unix_events", "_UnixSubprocessTransport") + b")\x81.",
        "numpy_runstring.pkl": b"\x80\x02"
        + name("numpy.testing._private.utils", "runstring")
        + text(code)
        + b"}\x86R.",
        "torch_collect_env.pkl": call("torch.utils.collect_env", "run", shell),
        "sklearn_prefix.pkl": call("sklearn.utils._testing", "_run_python_script_in_subprocess", code),
        "numpy_load.pkl": call("numpy", "load", str(marker)),
    }


def _evasions(marker: Path) -> Files:
    shell = touch(marker)
    good, bad = pickle.dumps({"weights": [1.0]}), call("os", "system", shell)
    # C's pickle and Python's read the whole index; a reader that stops after twenty digits finds OrderedDict.
    long_index = b"\x80\x02" + text("posix") + b"q\x020" + text("system") + b"q\x010" + text("OrderedDict") + b"q\x000"
    escaped = b"S'\\x70\\x6f\\x73\\x69\\x78'\nS'\\x73\\x79\\x73\\x74\\x65\\x6d'\n"
    return {
        "broken_after.pkl": bad[:-1] + b"\xff\xff\xff",
        "truncated_after.pkl": bad[:-1],
        "unquoted_after.pkl": bad[:-1] + b"Sno quotes\n.",
        "popped.pkl": b"\x80\x02" + calling("os", "system", shell) + b"0}.",
        "second.pkl": good + bad,
        "third_after_padding.pkl": good + good + bad,
        "behind_junk.pkl": good + b"\n" + bad,
        "padded.pkl": b"\x80\x02" + b"N0" * 200_000 + bad[2:],
        "old_second.pkl": good + b"cos\nsystem\n(S" + repr(shell).encode() + b"\ntR.",
        "long_index.pkl": long_index + b"h\x02g0000000000000000000001\n\x93" + text(shell) + b"\x85R.",
        "escaped_text.pkl": escaped + b"\x93" + text(shell) + b"\x85R.",
        "frame.pkl": b"\x80\x04\x95" + struct.pack("<Q", 1 << 60) + bad[2:],
        "weights.bin": bad,
        "notes.txt": b"cos\nsystem\n(S" + repr(shell).encode() + b"\ntR.",
        "model.safetensors": bad,
        "model.onnx": bad,
        "unreadable.pkl": b"\xde\xad\xbe\xef" * 64,
        "persistent.pkl": b"\x80\x02" + calling("os", "system", shell) + b"Q.",
    }


def _wrapper(shape: bytes, aligned: bool = True, dtype: bytes = b"f8") -> bytes:
    """joblib's description of an array, up to the byte where the array itself begins."""
    code = short(dtype.decode()) + b"\x89\x88\x87R(K\x03\x8c\x01<NNN" + b"J\xff\xff\xff\xff" * 2 + b"K\x00tb"
    if dtype == b"O8":
        code = short("O8") + b"\x89\x88\x87R(K\x03\x8c\x01|NNN" + b"J\xff\xff\xff\xff" * 2 + b"K\x3ftb"
    alignment = short("numpy_array_alignment_bytes") + b"K\x10" if aligned else b""
    return (
        short("joblib.numpy_pickle")
        + short("NumpyArrayWrapper")
        + b"\x93)\x81}("
        + short("subclass")
        + short("numpy")
        + short("ndarray")
        + b"\x93"
        + short("shape")
        + shape
        + short("order")
        + short("C")
        + short("dtype")
        + short("numpy")
        + short("dtype")
        + b"\x93"
        + code
        + short("allow_mmap")
        + b"\x88"
        + alignment
        + b"ub"
    )


def _joblib_gaps(marker: Path) -> Files:
    """joblib steps over an array's bytes; ``pickle.load`` runs them, and both count them in their own way."""
    shell = touch(marker)
    attack = calling("posix", "system", shell) + b"."
    aligned = b"(" + attack  # "(" is 40: so many bytes of padding for joblib, an opcode for pickle
    room = len(aligned) + 200
    octal = b"(" + b"I010\n" + b"t"  # eight for C's pickle, ten for a reader that thinks in tens
    return {
        "array_bytes_as_opcodes.pkl": b"\x80\x04"
        + _wrapper(b"K" + bytes([room // 8]) + b"\x85")
        + aligned.ljust(room + 41, b"\0")
        + b".",
        "array_bytes_as_opcodes_unaligned.pkl": b"\x80\x04"
        + _wrapper(b"K" + bytes([room // 8]) + b"\x85", aligned=False)
        + attack.ljust(room // 8 * 8, b"\0")
        + b".",
        "octal_shape.joblib": b"\x80\x04" + _wrapper(octal) + b"\x01\xff" + bytes(64) + b"0" + attack.rjust(0),
        "redefined_shape.joblib": b"\x80\x04"
        + _wrapper(b"K\x20\x85").removesuffix(b"ub")
        + short("shape")
        + b"K\x01\x85"
        + b"ub\x01\xff"
        + bytes(8)
        + b"0"
        + attack
        + bytes(256),
        "objects.joblib": b"\x80\x04"
        + _wrapper(b"K\x01\x85", aligned=False, dtype=b"O8")
        + call("posix", "system", shell)
        + b".",
        "handed_on.joblib": b"\x80\x04"
        + name("copyreg", "_reconstructor")
        + name("joblib.numpy_pickle", "NumpyArrayWrapper")
        + name("builtins", "object")
        + b"N\x87R"
        + attack,
        "wide_text.joblib": b"\x80\x04" + _wrapper(b"K\x08\x85", dtype=b"S4") + bytes(64) + attack,
    }


def _containers(marker: Path) -> Files:
    bad = call("os", "system", touch(marker))
    link = io.BytesIO()
    with tarfile.open(fileobj=link, mode="w") as archive:
        entry = tarfile.TarInfo("weights")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(entry)
    # A tar whose first member's name is a pickle of its own.
    short_marker = f"cos\nsystem\n(S'touch {marker.name}'\ntR."
    stream = gzip.compress(bad + b"\x80\x02N." * 4_000)
    return {
        "zlib.joblib": zlib.compress(bad),
        "gzip.joblib": gzip.compress(bad),
        "bz2.joblib": bz2.compress(bad),
        "xz.joblib": lzma.compress(bad),
        "lzma.joblib": lzma.compress(bad, format=lzma.FORMAT_ALONE),
        "second_member.pkl.gz": gzip.compress(pickle.dumps(1)) + gzip.compress(bad),
        "truncated.joblib.gz": stream[:-12],
        "model.7z": b"7z\xbc\xaf'\x1c" + bad,
        "model.pt": b"7z\xbc\xaf'\x1c" + bad,
        "model.rar": b"Rar!\x1a\x07\x01\x00" + bad,
        "model.pkl.lz4": b"\x04\x22\x4d\x18" + bad,
        "model.pkl.zst": b"\x28\xb5\x2f\xfd" + bad,
        "folder.tar": tarred(("a.txt", b"text"), ("deep/model.pkl", bad)),
        "folder.tar.gz": tarred(("deep/model.pkl", bad), mode="w:gz"),
        "folder.tar.xz": tarred(("deep/model.bin", bad), mode="w:xz"),
        "leaving.tar": tarred(("../../escape.txt", b"text")),
        "link.tar": link.getvalue(),
        "behind.tar": tarred(("a.txt", b"text")) + bad,
        "tar_header.pkl": tarred((short_marker, b"text")),
        "in_zip_in_gz_in_tar.tar": tarred(("a.gz", gzip.compress(zipped(("x.bin", bad))))),
    }


def _zips(marker: Path) -> Files:
    bad = call("os", "system", touch(marker))
    state = zipped(("m/data.pkl", bad), ("m/version", b"3\n"), ("m/byteorder", b"little"))
    flagged = bytearray(state)
    flagged[6] |= 1
    flagged[state.index(b"PK\x01\x02") + 8] |= 1
    renamed = state.replace(b"m/data.pkl", b"m/safe.txt", 1)
    lying = bytearray(state)
    lying[14:18] = b"\1\2\3\4"
    at = state.index(b"PK\x01\x02") + 16
    lying[at : at + 4] = b"\1\2\3\4"
    twice = zipped(("m/data.pkl", pickle.dumps(1)), ("m/datb.pkl", bad)).replace(b"m/datb.pkl", b"m/data.pkl")
    harmless = zipped(("m/data.pkl", pickle.dumps(1)))
    return {
        "state.pt": state,
        "deflated.pt": zipped(("m/data.pkl", bad), method=zipfile.ZIP_DEFLATED),
        "bzipped.zip": zipped(("model.pkl", bad), method=zipfile.ZIP_BZIP2),
        "lzmaed.zip": zipped(("model.pkl", bad), method=zipfile.ZIP_LZMA),
        "encrypted_flag.pt": bytes(flagged),
        "two_names.pt": renamed,
        "broken_checksum.pt": bytes(lying),
        "twice_the_name.pt": twice,
        "no_directory.pt": state[: state.index(b"PK\x01\x02")],
        "before_zip.pkl": bad + harmless,
        "behind_zip.pt": harmless + bad,
        "unlisted_member.pt": zipped(("x.pkl", bad))[: -0 or None].split(b"PK\x01\x02")[0] + harmless,
        "zip_in_zip.zip": zipped(("inner.zip", zipped(("model.pkl", bad)))),
        "other_name.zip": zipped(("model.txt", bad)),
        "leaving.zip": zipped(("../../escape.pkl", pickle.dumps(1))),
        "storage.pt": zipped(("m/data.pkl", pickle.dumps(1)), ("m/data/0.pkl", bad)),
        "array_as_storage.npz": zipped(("m/data.pkl", pickle.dumps(1)), ("m/data/0", _objects(bad))),
        "package.pt": zipped(("m/.data/extern_modules", b"os\n"), ("m/code.py", b"import os\n")),
    }


def _formats(marker: Path) -> Files:
    bad = call("os", "system", touch(marker))
    npy = _objects(bad)
    lambda_layer = {"module": "keras.layers", "class_name": "Lambda", "config": {"function": "4wAAAA=="}}
    sequential = {"module": "keras", "class_name": "Sequential", "config": {"layers": [lambda_layer]}}
    outside = {"module": "os", "class_name": "function", "config": "system"}
    climbing = "{{ cycler.__init__.__globals__.os.popen('true').read() }}"
    magic = (0x1950A86A20F9469CFC6C).to_bytes(10, "little")
    legacy = (
        b"\x80\x02\x8a\x0a" + magic + b"." + pickle.dumps(1001, 2) + pickle.dumps({}, 2) + bad + pickle.dumps([], 2)
    )
    return {
        "objects.npy": npy,
        "objects.npz": zipped(("a.npy", npy)),
        "behind.npy": _array() + bad,
        "legacy.pt": legacy,
        "lambda.keras": zipped(("config.json", json.dumps(sequential).encode()), ("metadata.json", b"{}")),
        "outside.keras": zipped(("config.json", json.dumps(outside).encode()), ("metadata.json", b"{}")),
        "lambda.json": json.dumps(sequential).encode(),
        "escaped.json": json.dumps(sequential)
        .replace("Lambda", "\\u004cambda")
        .replace("class", "\\u0063lass")
        .encode(),
        "lambda.h5": b"\x89HDF\r\n\x1a\n" + bytes(64) + b"model_config\0" + json.dumps(sequential).encode() + bytes(64),
        "escaped.h5": b"\x89HDF\r\n\x1a\n"
        + bytes(64)
        + b"model_config\0"
        + json.dumps(sequential).replace("Lambda", "\\u004cambda").encode()
        + bytes(64),
        "imports_only.pkl": b"cantigravity\nfly\n(".ljust(512, b"\0") + b"\x89HDF\r\n\x1a\n" + bytes(64),
        "hidden.h5": b"\x89HDF\r\n\x1a\n" + bytes(64) + b"model_config\0" + b"nothing" + bytes(64),
        "outside.onnx": _onnx(b"../../../etc/passwd"),
        "absolute.onnx": _onnx(b"/etc/passwd"),
        "template.gguf": _gguf(climbing),
        "tokenizer_config.json": json.dumps({"chat_template": climbing}).encode(),
        "chat_template.jinja": climbing.encode(),
        "saved_model.pb": b"\x0a\x06PyFunc\x12\x04true",
        "script.pt": zipped(
            ("m/data.pkl", call("__torch__", "Net")),
            ("m/constants.pkl", pickle.dumps(())),
            ("m/code/__torch__.py", b"class Net(Module):\n  def forward(self):\n    return torch.save(self, 'x')\n"),
        ),
        "script_outsider.pt": zipped(
            ("m/data.pkl", call("__torch__", "Other")),
            ("m/constants.pkl", pickle.dumps(())),
            ("m/code/__torch__.py", b"class Net(Module):\n  pass\n"),
        ),
    }


def _objects(pickled: bytes) -> bytes:
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + pickled


def _array() -> bytes:
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(8)


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2, len(content)]) + content


def _onnx(location: bytes) -> bytes:
    tensor = (
        b"\x08\x02\x10\x01" + _field(8, b"v") + _field(13, _field(1, b"location") + _field(2, location)) + b"\x70\x01"
    )
    return b"\x08\x08" + _field(2, b"tests") + _field(7, _field(5, tensor))


def _gguf(template: str) -> bytes:
    def words(value: bytes) -> bytes:
        return struct.pack("<Q", len(value)) + value

    pairs = words(b"tokenizer.chat_template") + struct.pack("<I", 8) + words(template.encode())
    content = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + pairs
    return content + bytes(-len(content) % 32)


def _programs() -> Files:
    windows = b"MZ" + bytes(58) + struct.pack("<I", 64) + b"PE\0\0" + bytes(64)
    return {
        "libops.so": b"\x7fELF\x02\x01\x01" + bytes(64),
        "weights.dat": b"\x7fELF\x02\x01\x01" + bytes(64),
        "setup.exe": windows,
        "helper.pyc": b"\xa7\x0d\r\n" + bytes(32),
        "ops.wasm": b"\x00asm\x01\x00\x00\x00",
        "libops.dylib": b"\xcf\xfa\xed\xfe" + bytes(64),
        "with_library.zip": zipped(("weights.npy", _array()), ("native.so.1.2", b"\x7fELF" + bytes(64))),
    }
