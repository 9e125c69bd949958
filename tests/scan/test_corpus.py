"""The corpus, file by file: what is hostile is blocked, what is ordinary passes, and nothing of either ever runs."""

import pickle
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from budwood.domain.limits import SCAN_TIME_S
from budwood.scan.guarded import Guard
from budwood.scan.look import look
from budwood.scan.notes import Notes
from budwood.scan.report import Verdict
from budwood.store.formats.bounded import Memory
from tests.scan import corpus
from tests.scan.ordinary import ordinary

NAMES = sorted(corpus.hostile(Path("marker")))
ROOT = Path(__file__).resolve().parents[2]
LOAD_ALL = """
import contextlib, io, os, sys, time, warnings
from pathlib import Path
from tests.scan import corpus
warnings.simplefilter("ignore")
folder, marker = Path(sys.argv[1]), Path(sys.argv[2])
os.chdir(marker.parent)
for name, loader in corpus.LOADERS.items():
    marker.unlink(missing_ok=True)
    with contextlib.suppress(Exception), contextlib.redirect_stdout(io.StringIO()):
        eval(loader, {"path": str(folder / name)})
    for _ in range(50):
        if marker.exists() or "open" not in loader:
            break
        time.sleep(0.01)
    if marker.exists():
        print(name)
"""


@pytest.fixture(scope="module")
def guard() -> Iterator[Guard]:
    with Guard() as guard:
        yield guard


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # The libraries warn of each other.
        return ordinary(tmp_path_factory.mktemp("ordinary"))


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_file_is_blocked_and_nothing_of_it_runs(name: str, guard: Guard, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    report = guard.scan(Memory(corpus.hostile(marker)[name], name))
    assert report.verdict is Verdict.BLOCKED, report.findings
    assert not marker.exists()


@pytest.mark.slow
def test_hostile_files_are_what_they_claim_to_be(tmp_path: Path) -> None:
    """Loaded by what would load them, in a process of their own, they touch their marker."""
    folder, marker = tmp_path / "files", tmp_path / "marker"
    folder.mkdir()
    files = corpus.hostile(marker)
    for name in corpus.LOADERS:
        (folder / name).write_bytes(files[name])
    words = [sys.executable, "-c", LOAD_ALL, str(folder), str(marker)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True, timeout=200)
    assert sorted(corpus.LOADERS.keys() - set(done.stdout.split())) == []


def test_there_are_enough_files_of_both_kinds(honest: dict[str, Path]) -> None:
    assert len(NAMES) >= 40
    assert len(honest) >= 22


def test_every_ordinary_file_passes(guard: Guard, honest: dict[str, Path]) -> None:
    verdicts = {name: guard.scan(Memory(path.read_bytes(), name)) for name, path in honest.items()}
    assert {name: report.findings for name, report in verdicts.items() if report.verdict is not Verdict.CLEAN} == {}


def test_the_process_says_what_looking_without_it_says(guard: Guard, honest: dict[str, Path], tmp_path: Path) -> None:
    """It misses nothing that Python would load only when it is first used."""
    files = corpus.hostile(tmp_path) | {name: path.read_bytes() for name, path in honest.items()}
    files["text.pkl"] = pickle.dumps({"é": "ü"}, 0)
    differing = []
    for name, content in files.items():
        notes = Notes(name)
        look(Memory(content, name), notes)
        if guard.scan(Memory(content, name)) != notes.report():
            differing.append(name)
    assert differing == []


def test_an_ordinary_file_is_taken_for_what_it_is(guard: Guard, honest: dict[str, Path]) -> None:
    wanted = {
        "state_dict.pt": "zip",
        "state_dict_legacy.pt": "torch-legacy",
        "forest.joblib": "pickle",
        "boosting.joblib": "compressed",
        "weights.npy": "npy",
        "model_ok.safetensors": "safetensors",
        "model_ok.gguf": "gguf",
        "model_ok.onnx": "onnx",
        "model_ok.h5": "hdf5",
        "vocab.txt": "",
    }
    assert {name: guard.scan(Memory(honest[name].read_bytes(), name)).format for name in wanted} == wanted


@pytest.mark.parametrize("name", corpus.bombs())
def test_a_bomb_ends_as_an_error_within_the_limits(name: str, guard: Guard) -> None:
    content, started = corpus.bombs()[name](), time.monotonic()
    report = guard.scan(Memory(content, name))
    assert report.verdict is Verdict.ERROR
    assert time.monotonic() - started < SCAN_TIME_S / 2


@pytest.mark.parametrize("name", ["protocol_0.pkl", "posix.pkl", "popped.pkl", "getattr.pkl", "nested_loads.pkl"])
def test_a_hostile_pickle_cut_anywhere_never_passes(name: str, guard: Guard, tmp_path: Path) -> None:
    content = corpus.hostile(tmp_path / "marker")[name]
    passed = [end for end in range(1, len(content)) if is_clean(guard, content[:end], name)]
    assert passed == []


def is_clean(guard: Guard, content: bytes, name: str) -> bool:
    return guard.scan(Memory(content, name)).verdict is Verdict.CLEAN
