"""The C files under AddressSanitizer and UBSan, fed with changed blocks (tests/fuzz/fuzz_differences.c) and with
bytes to sum (fuzz_crc32.c).
"""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
NATIVE = ROOT / "src" / "budwood" / "store" / "native"
FUZZERS = ROOT / "tests" / "fuzz"
DIFFERENCES, SUMS = FUZZERS / "fuzz_differences.c", FUZZERS / "fuzz_crc32.c"
SANITIZERS = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
EXECUTIONS = "30000"

# A bound that must not be lost, as it stands in a file, and what a careless hand would leave of it.
LOST = {
    "the end of the words": ("rans_read.c", "words->end - words->at < 2", "0"),
    "the sum of the frequencies": ("rans_read.c", " || frequency > SCALE - used", ""),
    "the end of the raw bits": ("rans_read.c", " || bits->at + count > bits->length * 8", ""),
    "the last whole lane of a sum": ("crc32.c", "length / LANE * LANE", "(length + LANE - 1) / LANE * LANE"),
    "the last whole row of a sum": ("crc32.c", "(at += ROW) < end", "at < end && (at += ROW)"),
}


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


def build(compiler: str, sources: Path, program: Path, fuzzer: Path = DIFFERENCES) -> None:
    files = sorted(map(str, sources.glob("*.c")))
    words = [compiler, *SANITIZERS, "-Wall", "-Wextra", "-Werror", "-I", str(sources), str(fuzzer), *files]
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


@pytest.mark.slow
@pytest.mark.parametrize("bound", LOST)
def test_a_bound_that_is_lost_is_noticed(bound: str, compiler: str, tmp_path: Path) -> None:
    sources = tmp_path / "native"
    shutil.copytree(NATIVE, sources)
    name, there, left = LOST[bound]
    changed = sources / name
    assert there in changed.read_text()
    changed.write_text(changed.read_text().replace(there, left))
    build(compiler, sources, tmp_path / "fuzz", SUMS if name == "crc32.c" else DIFFERENCES)
    assert run(tmp_path / "fuzz", EXECUTIONS, "1").returncode != 0
