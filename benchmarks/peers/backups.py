"""Backup programs: content-defined chunks, compressed, in a repository of their own."""

from pathlib import Path

from benchmarks.peers.tool import Act, Tool


class Restic(Tool):
    """Chunks of about 1 MiB, zstd in repositories of format 2, encrypted always."""

    name = "restic"
    program = "restic"

    def settings(self) -> dict[str, str]:
        return {"RESTIC_PASSWORD": "benchmark", "RESTIC_REPOSITORY": str(self.store)}

    @property
    def store(self) -> Path:
        return self.room / "repository"

    def set_up(self) -> None:
        self.run("restic", "-q", "init")

    def push(self, number: int) -> Act:
        return self.act(("restic", "-q", "backup", "--tag", f"v{number}", "model"), cwd=self.model.parent)

    def pull(self, number: int, into: Path) -> Act:
        return self.act(("restic", "-q", "restore", "latest", "--tag", f"v{number}", "--target", str(into)))

    def pulled(self, into: Path) -> Path:
        # Old versions restore the whole path from the root, newer ones the path as it was given.
        return next(folder for folder in sorted(into.rglob("model")) if folder.is_dir())


class Borg(Tool):
    """Chunks of about 2 MiB, zstd level 3, not encrypted."""

    name = "borg"
    program = "borg"
    system_package = "borgbackup"

    def settings(self) -> dict[str, str]:
        return {"BORG_BASE_DIR": str(self.room / "borg"), "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"}

    @property
    def store(self) -> Path:
        return self.room / "repository"

    def set_up(self) -> None:
        self.run("borg", "init", "-e", "none", str(self.store))

    def push(self, number: int) -> Act:
        # A second push of one version is an archive of its own.
        archive = f"{self.store}::v{number}-{{now:%s%f}}"
        return self.act(("borg", "create", "-C", "zstd,3", archive, "model"), cwd=self.model.parent)

    def pull(self, number: int, into: Path) -> Act:
        archives = self.run("borg", "list", "--short", "-a", f"v{number}-*", str(self.store)).split()
        return self.act(("borg", "extract", f"{self.store}::{archives[0]}"), cwd=into)

    def pulled(self, into: Path) -> Path:
        return into / "model"
