"""The files of a commit, exactly, whatever the repository says about itself."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from budwood.client.reproducing import tree as tree_module
from budwood.client.reproducing.tree import NoTree, apply_patch, write_tree

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
Git = Callable[..., str]


@pytest.fixture(autouse=True)
def _home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home of the test's own, so that the developer's git settings change nothing."""
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit of a few files."""
    made = tmp_path / "repository"
    made.mkdir()
    git(made, "init", "--quiet", "--initial-branch=trunk")
    git(made, "config", "user.name", "Ada")
    git(made, "config", "user.email", "ada@example.org")
    (made / "train.py").write_bytes(b"epochs = 3\r\n# $Id$\n")
    (made / "run.sh").write_text("#!/bin/sh\n")
    (made / "run.sh").chmod(0o755)
    (made / "package").mkdir()
    (made / "package" / "weights.bin").write_bytes(os.urandom(3_000_000))
    (made / "package" / "öffnung.txt").write_text("ö\n")
    (made / "package" / "link").symlink_to("../train.py")
    commit(made)
    return made


def git(folder: Path, *arguments: str, **keywords: str) -> str:
    ran = subprocess.run(
        ["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True, input=keywords.get("given")
    )
    return ran.stdout.strip()


def commit(folder: Path) -> str:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "more")
    return git(folder, "rev-parse", "HEAD")


def head(folder: Path) -> str:
    return git(folder, "rev-parse", "HEAD")


def test_every_file_is_written_as_git_keeps_it(repository: Path, tmp_path: Path) -> None:
    written = write_tree(repository, head(repository), tmp_path / "code")
    assert (written.files, written.left_out) == (5, ())
    for path in ("train.py", "run.sh", "package/weights.bin", "package/öffnung.txt"):
        assert (tmp_path / "code" / path).read_bytes() == (repository / path).read_bytes()
    assert os.access(tmp_path / "code" / "run.sh", os.X_OK)
    assert not os.access(tmp_path / "code" / "train.py", os.X_OK)
    assert (tmp_path / "code" / "package" / "link").readlink() == Path("../train.py")


def test_an_older_commit_is_had_while_the_work_tree_is_elsewhere(repository: Path, tmp_path: Path) -> None:
    first = head(repository)
    (repository / "train.py").write_text("epochs = 4\n")
    commit(repository)
    (repository / "train.py").write_text("epochs = 5\n")
    write_tree(repository / "package", first, tmp_path / "code")
    assert (tmp_path / "code" / "train.py").read_bytes().startswith(b"epochs = 3")
    assert (repository / "train.py").read_text() == "epochs = 5\n"


def test_neither_filters_nor_attributes_nor_hooks_have_a_say(repository: Path, tmp_path: Path) -> None:
    (repository / ".gitattributes").write_text("*.py export-subst ident\n")
    first = commit(repository)
    canary = tmp_path / "canary"
    git(repository, "config", "filter.evil.smudge", f"touch {canary}; cat")
    git(repository, "config", "core.fsmonitor", f"touch {canary}")
    git(repository, "config", "core.autocrlf", "true")
    (repository / ".git" / "info" / "attributes").write_text("* filter=evil ident\npackage export-ignore\n")
    assert write_tree(repository, first, tmp_path / "code").files == 6
    assert not canary.exists()
    assert (tmp_path / "code" / "train.py").read_bytes() == b"epochs = 3\r\n# $Id$\n"


def test_a_commit_that_is_not_there_writes_nothing(repository: Path, tmp_path: Path) -> None:
    for wrong in ("0" * 40, "HEAD", "--output=x", head(repository)[:12], git(repository, "rev-parse", "HEAD^{tree}")):
        with pytest.raises(NoTree):
            write_tree(repository, wrong, tmp_path / "code")
    with pytest.raises(NoTree):
        write_tree(tmp_path, head(repository), tmp_path / "code")
    assert not (tmp_path / "code").exists()


def test_an_object_that_is_not_what_its_name_says_is_noticed(repository: Path, tmp_path: Path) -> None:
    blob = git(repository, "rev-parse", "HEAD:train.py")
    other = git(repository, "hash-object", "-w", "--stdin", given="evil = True\r\n# $I\n")
    loose = repository / ".git" / "objects"
    target = loose / blob[:2] / blob[2:]
    target.chmod(0o644)
    shutil.copy(loose / other[:2] / other[2:], target)
    with pytest.raises(NoTree, match=r"train\.py"):
        write_tree(repository, head(repository), tmp_path / "code")


def test_a_replaced_object_is_not_taken_for_the_real_one(repository: Path, tmp_path: Path) -> None:
    blob = git(repository, "rev-parse", "HEAD:train.py")
    other = git(repository, "hash-object", "-w", "--stdin", given="evil = True\n")
    git(repository, "replace", blob, other)
    write_tree(repository, head(repository), tmp_path / "code")
    assert b"evil" not in (tmp_path / "code" / "train.py").read_bytes()


def test_links_that_lead_outside_are_left_out_and_named(repository: Path, tmp_path: Path) -> None:
    (repository / "out").symlink_to("../../etc/passwd")
    (repository / "root").symlink_to("/etc/passwd")
    (repository / "package" / "up").symlink_to("../../x")
    written = write_tree(repository, commit(repository), tmp_path / "code")
    assert written.left_out == ("out (a link)", "package/up (a link)", "root (a link)")
    assert not (tmp_path / "code" / "out").is_symlink()


def test_a_tree_that_git_would_not_make_writes_nothing_outside(repository: Path, tmp_path: Path) -> None:
    blob = git(repository, "hash-object", "-w", "--stdin", given="evil\n")
    raw = b"100644 ..\0" + bytes.fromhex(blob) + b"100644 a\\b\0" + bytes.fromhex(blob)
    ran = subprocess.run(
        ["git", "-C", str(repository), "hash-object", "-t", "tree", "-w", "--literally", "--stdin"],
        input=raw, check=True, capture_output=True,
    )  # fmt: skip
    evil = git(repository, "commit-tree", ran.stdout.decode().strip(), "-m", "evil")
    written = write_tree(repository, evil, tmp_path / "code")
    assert any(".." in each for each in written.left_out)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == []


def test_a_submodule_is_named_and_not_fetched(repository: Path, tmp_path: Path) -> None:
    git(repository, "update-index", "--add", "--cacheinfo", f"160000,{head(repository)},vendored")
    git(repository, "commit", "--quiet", "--message", "submodule")
    assert write_tree(repository, head(repository), tmp_path / "code").left_out == ("vendored (a submodule)",)


def test_a_commit_of_too_many_files_is_not_written(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree_module, "TREE_FILES", 3)
    with pytest.raises(NoTree, match="more than 3 files"):
        write_tree(repository, head(repository), tmp_path / "code")


def test_a_patch_is_put_on_the_files_even_inside_another_repository(repository: Path) -> None:
    (repository / "train.py").write_text("epochs = 4\n")
    patch = repository / "code.patch"
    patch.write_bytes(subprocess.run(["git", "-C", str(repository), "diff", "HEAD"], capture_output=True).stdout)
    write_tree(repository, head(repository), repository / "code")
    assert apply_patch(patch, repository / "code") == ""
    assert (repository / "code" / "train.py").read_text() == "epochs = 4\n"
    assert "does not apply" in apply_patch(patch, repository / "code") or "patch failed" in apply_patch(
        patch, repository / "code"
    )


def test_a_patch_that_leads_outside_is_refused(repository: Path, tmp_path: Path) -> None:
    write_tree(repository, head(repository), tmp_path / "code")
    patch = tmp_path / "evil.patch"
    patch.write_text("--- /dev/null\n+++ b/../evil.txt\n@@ -0,0 +1 @@\n+evil\n")
    assert apply_patch(patch, tmp_path / "code")
    assert not (tmp_path / "evil.txt").exists()
