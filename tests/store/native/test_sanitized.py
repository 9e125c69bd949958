"""The C files under AddressSanitizer and UBSan, fed with changed blocks (tests/fuzz/fuzz_differences.c), with
bytes to sum (fuzz_crc32.c), and with changed frames (fuzz_literals.c).
"""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from budwood.store.encodings import _zstd

ROOT = Path(__file__).parents[3]
NATIVE = ROOT / "src" / "budwood" / "store" / "native"
FUZZERS = ROOT / "tests" / "fuzz"
DIFFERENCES, SUMS, LITERALS = (FUZZERS / f"fuzz_{name}.c" for name in ("differences", "crc32", "literals"))
STRICT = ("-Wall", "-Wextra", "-Werror")
SANITIZERS = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
EXECUTIONS = "30000"
FRAMES = "6000"
"""Each frame is read and compared five times."""

# A bound that must not be lost, as it stands in a file, and what a careless hand would leave of it.
LOST = {
    "the end of the words": ("rans_read.c", "words->end - words->at < 2", "0"),
    "the sum of the frequencies": ("rans_read.c", " || frequency > SCALE - used", ""),
    "the end of the raw bits": ("rans_read.c", " || bits->at + count > bits->length * 8", ""),
    "the last whole lane of a sum": ("crc32.c", "length / LANE * LANE", "(length + LANE - 1) / LANE * LANE"),
    "the last whole row of a sum": ("crc32.c", "(at += ROW) < end", "at < end && (at += ROW)"),
    "the end of a tree": ("huffman_read.c", "if (bytes > length - 1) return DAMAGED;", ""),
    "the room of a block": ("huffman_read.c", " || count > room", ""),
    "the room of a step": ("huffman_read.c", "least = by_room < least ? by_room : least;", ""),
    "the input of a step": ("huffman_read.c", "least = by_input < least ? by_input : least;", ""),
    "the end of the streams": ("huffman_read.c", "sizes[0] + sizes[1] + sizes[2] > length - 6 || ", ""),
}
FUZZER_OF = {"rans_read.c": DIFFERENCES, "crc32.c": SUMS, "huffman_read.c": LITERALS}


@pytest.fixture(scope="session")
def compiler() -> str:
    """A C compiler that has the sanitizers."""
    for name in ("cc", "gcc", "clang"):
        found = shutil.which(name)
        if (
            found
            and not subprocess.run(
                [found, *SANITIZERS, "-x", "c", "-", "-o", "/dev/null"],
                input=b"int main(void) { return 0; }",
                capture_output=True,
            ).returncode
        ):
            return found
    pytest.skip("no C compiler with AddressSanitizer is here")


def build(
    compiler: str, sources: Path, program: Path, fuzzer: Path = DIFFERENCES, warnings: Sequence[str] = STRICT
) -> None:
    files = sorted(map(str, sources.glob("*.c")))
    words = [compiler, *SANITIZERS, *warnings, "-I", str(sources), str(fuzzer), *files]
    done = subprocess.run([*words, "-o", str(program)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def run(program: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(program), *words], capture_output=True, text=True, timeout=200)


def test_thirty_thousand_changed_blocks_break_nothing(compiler: str, tmp_path: Path) -> None:
    build(compiler, NATIVE, tmp_path / "fuzz")
    done = run(tmp_path / "fuzz", EXECUTIONS, "1")
    assert (done.returncode, "nothing found" in done.stdout) == (0, True), done.stderr[-3000:]
    (tmp_path / "seeds").mkdir()
    assert run(tmp_path / "fuzz", "--seeds", str(tmp_path / "seeds")).returncode == 0
    seeds = sorted(map(str, (tmp_path / "seeds").iterdir()))
    assert len(seeds) == 24
    assert run(tmp_path / "fuzz", *seeds).returncode == 0


def test_every_way_to_a_check_sum_gives_the_same_of_thirty_thousand_buffers(compiler: str, tmp_path: Path) -> None:
    build(compiler, NATIVE, tmp_path / "fuzz", SUMS)
    done = run(tmp_path / "fuzz", EXECUTIONS, "1")
    assert (done.returncode, "nothing found" in done.stdout) == (0, True), done.stderr[-3000:]


def test_changed_frames_break_nothing_whoever_wrote_them(compiler: str, tmp_path: Path) -> None:
    build(compiler, NATIVE, tmp_path / "fuzz", LITERALS)
    chance = np.random.default_rng(1)
    frames = []
    for number, length in enumerate((60, 130, 250, 300, 700, 1500, 5000, 132_000)):
        plane = chance.normal(100, (0.7, 3, 9)[number % 3], length).clip(0, 255).astype(np.uint8)
        frames.append(tmp_path / str(number))
        frames[-1].write_bytes(length.to_bytes(3, "little") + _zstd.huffman(plane.data))
    done = run(tmp_path / "fuzz", FRAMES, "1", *map(str, frames))
    assert (done.returncode, "nothing found" in done.stdout) == (0, True), done.stderr[-3000:]


@pytest.mark.slow
@pytest.mark.parametrize("bound", LOST)
def test_a_bound_that_is_lost_is_noticed(bound: str, compiler: str, tmp_path: Path) -> None:
    sources = tmp_path / "native"
    shutil.copytree(NATIVE, sources)
    name, there, left = LOST[bound]
    changed = sources / name
    assert there in changed.read_text()
    changed.write_text(changed.read_text().replace(there, left))
    # What was compared with the bound is of no use now.
    build(compiler, sources, tmp_path / "fuzz", FUZZER_OF[name], warnings=())
    assert run(tmp_path / "fuzz", EXECUTIONS, "1").returncode != 0
