"""Tools that keep large files beside a git history, or make a history of their own: DVC, git-lfs, Oxen."""

from pathlib import Path

from benchmarks.peers.tool import Act, Tool

IDENTITY = "[user]\n name = Bench\n email = bench@example.org\n[init]\n defaultBranch = main\n[gc]\n auto = 0\n"


class Dvc(Tool):
    """``dvc add`` and ``dvc push`` to a folder. Its cache holds a second copy, which is not counted."""

    name = "DVC"
    package = "dvc"
    program = "git"

    def settings(self) -> dict[str, str]:
        return {"GIT_CONFIG_GLOBAL": str(self.room / "gitconfig"), "DVC_NO_ANALYTICS": "1"}

    @property
    def store(self) -> Path:
        return self.room / "remote"

    def set_up(self) -> None:
        (self.room / "gitconfig").write_text(IDENTITY, encoding="utf-8")
        work = self.model.parent
        self.run("git", "init", "-q", cwd=work)
        self.run("dvc", "init", "-q", cwd=work)
        self.run("dvc", "remote", "add", "-q", "-d", "store", str(self.store), cwd=work)
        _commit(self, work, "start")

    def push(self, number: int) -> Act:
        return self.act(("dvc", "add", "-q", "model"), ("dvc", "push", "-q"), cwd=self.model.parent)

    def after_push(self, number: int) -> None:
        _commit(self, self.model.parent, f"v{number}")

    def pull(self, number: int, into: Path) -> Act:
        self.run("git", "clone", "-q", "-b", f"v{number}", str(self.model.parent), str(into))
        return self.act(("dvc", "pull", "-q"), cwd=into)

    def pulled(self, into: Path) -> Path:
        return into / "model"


class GitLfs(Tool):
    """``git add``, ``git commit`` and ``git push`` with git-lfs to a bare repository in a folder."""

    name = "git-lfs"
    program = "git-lfs"

    def settings(self) -> dict[str, str]:
        return {"GIT_CONFIG_GLOBAL": str(self.room / "gitconfig"), "GIT_LFS_SKIP_DOWNLOAD_ERRORS": "0"}

    @property
    def store(self) -> Path:
        return self.room / "remote.git"

    def set_up(self) -> None:
        (self.room / "gitconfig").write_text(IDENTITY, encoding="utf-8")
        work = self.model.parent
        self.run("git", "lfs", "install", "--skip-repo")
        self.run("git", "init", "-q", "--bare", str(self.store))
        self.run("git", "init", "-q", cwd=work)
        (work / ".gitattributes").write_text("model/** filter=lfs diff=lfs merge=lfs -text\n", encoding="utf-8")
        self.run("git", "remote", "add", "origin", self.store.as_uri(), cwd=work)
        _commit(self, work, "start")

    def push(self, number: int) -> Act:
        return self.act(
            ("git", "add", "-A"),
            ("git", "commit", "-q", "--allow-empty", "-m", f"v{number}"),
            ("git", "tag", "-f", f"v{number}"),
            ("git", "push", "-q", "-f", "origin", "main", f"v{number}"),
            cwd=self.model.parent,
        )

    def pull(self, number: int, into: Path) -> Act:
        return self.act(("git", "clone", "-q", "-b", f"v{number}", self.store.as_uri(), str(into)))

    def pulled(self, into: Path) -> Path:
        return into / "model"


class Oxen(Tool):
    """``add`` and ``commit`` through its Python package; the store is the repository's own folder."""

    name = "Oxen"
    package = "oxenai"

    @property
    def store(self) -> Path:
        return self.model.parent / ".oxen"

    def set_up(self) -> None:
        self.run(*self.inside("oxen_act", "set-up", str(self.model.parent)))

    def push(self, number: int) -> Act:
        return self.act(self.inside("oxen_act", "push", str(self.model.parent)))

    def after_push(self, number: int) -> None:
        # A commit can be checked out by a branch's name only.
        self.run(*self.inside("oxen_act", "name", str(self.model.parent), f"v{number}"))

    def pull(self, number: int, into: Path) -> Act:
        return self.act(self.inside("oxen_act", "pull", str(self.model.parent), f"v{number}"))

    def pulled(self, into: Path) -> Path:
        return self.model


def _commit(tool: Tool, work: Path, tag: str) -> None:
    tool.run("git", "add", "-A", cwd=work)
    tool.run("git", "commit", "-q", "--allow-empty", "-m", tag, cwd=work)
    tool.run("git", "tag", "-f", tag, cwd=work)
