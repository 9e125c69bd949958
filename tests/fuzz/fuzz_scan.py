"""Fuzz the scanner: no bytes may break it, and no bytes that call something unknown may pass.

The first byte chooses the name. What the scanner calls clean is followed again by the standard library's pickle with
everything dangerous taken out of it: if that finds a name that is not allowed, the scanner was told another story.
"""

import contextlib
import io
import pickle
import sys
import tempfile
import zlib
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["budwood"]):
    from budwood.scan import look
    from budwood.scan.allowed import is_allowed, is_known
    from budwood.scan.notes import Notes
    from budwood.scan.report import Verdict
    from budwood.store.formats.bounded import Memory

from tests.scan import corpus

ENDINGS = (".pkl", ".joblib", ".pt", ".npy", ".keras", ".h5", ".onnx", ".gguf", ".json", ".tar", ".bin", ".pb")
SEED_BYTES = 8_192


class Harmless:
    """What every name becomes: it can be called, filled and given a state, and does nothing."""

    def __init__(self, *_: object, **__: object) -> None: ...
    def __call__(self, *_: object, **__: object) -> "Harmless":
        return Harmless()

    def __setstate__(self, _: object) -> None: ...
    def append(self, _: object) -> None: ...
    def extend(self, _: object) -> None: ...
    def add(self, _: object) -> None: ...
    def __setitem__(self, _: object, __: object) -> None: ...


class Second(pickle._Unpickler):
    """The standard library's reading of a pickle, with names written down and nothing looked up."""

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content))
        self.names: list[str] = []

    def find_class(self, module: str, name: str) -> type[Harmless]:
        self.names.append(f"{module}.{name}")
        return Harmless

    def get_extension(self, code: int) -> None:
        self.names.append(f"extension {code}")
        raise pickle.UnpicklingError

    def persistent_load(self, _: object) -> Harmless:
        return Harmless()


def one(content: bytes) -> None:
    name = f"a{ENDINGS[content[0] % len(ENDINGS)]}" if content else "a.pkl"
    content = content[1:]
    notes = Notes(name)
    look.look(Memory(content, name), notes)
    report = notes.report()
    if report.verdict is Verdict.CLEAN and name.endswith((".pkl", ".joblib", ".pt")):
        second = Second(content)
        with contextlib.suppress(Exception):  # A broken pickle breaks it; what it had read by then counts.
            second.load()
        assert [each for each in second.names if not is_excused(each, second.names)] == [], second.names


def is_excused(name: str, names: list[str]) -> bool:
    """Allowed; or what comes of reading joblib's arrays as opcodes, which only loads what is there to be loaded."""
    if is_allowed(name):
        return True
    is_importable = all(part.isidentifier() for part in name.split("."))
    is_joblib = "joblib.numpy_pickle.NumpyArrayWrapper" in names
    return is_joblib and (not is_importable or is_known(name.rpartition(".")[2]))


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="budwood-fuzz-"))
    seeds = [pickle.dumps({"a": [1, 2.5, {"x"}], "b": b"y"}, at) for at in range(6)]
    seeds += [zlib.compress(seeds[2])]
    seeds += [each for each in corpus.hostile(Path("marker")).values() if len(each) < SEED_BYTES]
    for at, seed in enumerate(seeds):
        (folder / f"seed-{at}").write_bytes(bytes([at % len(ENDINGS)]) + seed)
        (folder / f"named-{at}").write_bytes(b"\0" + seed)
    atheris.Setup([*sys.argv, str(folder)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
