"""Budwood through its command line, as a person would use it."""

import sys
from pathlib import Path

from benchmarks.meter import folder_bytes
from benchmarks.peers.tool import Act, Tool


class Budwood(Tool):
    """The registry is one folder; everything in it counts as stored, its database too, but not its cache."""

    name = "budwood"
    program = "budwood"

    @property
    def store(self) -> Path:
        return self.room / "registry"

    def stored_bytes(self) -> int:
        return super().stored_bytes() - folder_bytes(self.store / "cache")

    def set_up(self) -> None:
        make = "import sys, budwood; budwood.connect(sys.argv[1]).close()"
        self.run(sys.executable, "-c", make, str(self.store))

    def push(self, number: int) -> Act:
        return self.act(self._budwood("push", str(self.model), "encoder", "--json"))

    def pull(self, number: int, into: Path) -> Act:
        return self.act(self._budwood("pull", f"encoder@v{number}", str(into), "--json"))

    def _budwood(self, *arguments: str) -> tuple[str, ...]:
        return (str(Path(sys.executable).parent / "budwood"), "--registry", str(self.store), *arguments)
