"""Plain compressors: no store, no sharing, no history; one compressed file per file and version."""

from pathlib import Path

from benchmarks.peers.tool import THREADS, Act, Tool


class Zstd(Tool):
    """The zstd program at level 3 on all cores. It does not sync."""

    name = "zstd"
    program = "zstd"

    @property
    def store(self) -> Path:
        return self.room / "store"

    def set_up(self) -> None:
        self.store.mkdir()

    def push(self, number: int) -> Act:
        files = sorted(str(path) for path in self.model.iterdir())
        version = self.store / f"v{number}"
        version.mkdir(exist_ok=True)
        return self.act(("zstd", "-q", "-3", f"-T{THREADS}", "-f", "--output-dir-flat", str(version), *files))

    def pull(self, number: int, into: Path) -> Act:
        files = sorted(str(path) for path in (self.store / f"v{number}").iterdir())
        return self.act(("zstd", "-q", "-d", "--output-dir-flat", str(into), *files))


class Zipnn(Tool):
    """The zipnn library on whole files, as its own command-line scripts use it. It does not sync."""

    name = "zipnn"
    package = "zipnn"

    @property
    def store(self) -> Path:
        return self.room / "store"

    def set_up(self) -> None:
        self.store.mkdir()

    def push(self, number: int) -> Act:
        version = self.store / f"v{number}"
        version.mkdir(exist_ok=True)
        return self.act(self.inside("zipnn_press", str(self.model), str(version)))

    def pull(self, number: int, into: Path) -> Act:
        return self.act(self.inside("zipnn_open", str(self.store / f"v{number}"), str(into)))
