"""Budwood through its command line, as a person would use it."""

import sys
from pathlib import Path

from benchmarks.peers.tool import Act, Tool


class Budwood(Tool):
    """The registry is one folder; everything in it counts as stored, its database too."""

    name = "budwood"
    program = "budwood"

    @property
    def store(self) -> Path:
        return self.room / "registry"

    def set_up(self) -> None:
        self.store.mkdir()

    def push(self, number: int) -> Act:
        return self.act(self._budwood("push", str(self.model), "encoder", "--json"))

    def pull(self, number: int, into: Path) -> Act:
        return self.act(self._budwood("pull", f"encoder@v{number}", str(into), "--json"))

    def _budwood(self, *arguments: str) -> tuple[str, ...]:
        return (str(Path(sys.executable).parent / "budwood"), "--registry", str(self.store), *arguments)
