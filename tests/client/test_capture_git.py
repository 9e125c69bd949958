"""What a push learns from git, and what a hostile repository cannot make it do."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from budwood.client.capture import capture_author, capture_code
from budwood.client.capture import git as git_module
from budwood.client.capture.git import without_credentials
from budwood.domain.limits import DIFF_BYTES

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

Git = Callable[..., str]


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own, so that the developer's git settings change nothing."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    return home


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A work tree with one commit on the branch ``trunk``."""
    tree = tmp_path / "tree"
    tree.mkdir()
    run(tree, "init", "--quiet", "--initial-branch=trunk")
    run(tree, "config", "user.name", "Ada Lovelace")
    run(tree, "config", "user.email", "ada@example.org")
    (tree / "train.py").write_text("epochs = 3\n")
    run(tree, "add", "train.py")
    run(tree, "commit", "--quiet", "--message", "first")
    return tree


def run(tree: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", str(tree), *arguments], check=True, capture_output=True, text=True).stdout


def test_a_clean_work_tree_gives_commit_and_branch(tree: Path) -> None:
    code = capture_code(tree)
    assert code is not None
    assert code.commit == run(tree, "rev-parse", "HEAD").strip()
    assert (code.branch, code.dirty, code.remote) == ("trunk", False, "")


def test_a_changed_or_staged_file_makes_it_dirty(tree: Path) -> None:
    (tree / "train.py").write_text("epochs = 4\n")
    changed = capture_code(tree)
    run(tree, "add", "train.py")
    staged = capture_code(tree)
    assert changed is not None
    assert changed.dirty
    assert staged is not None
    assert staged.dirty


def test_an_untracked_model_folder_does_not_make_it_dirty(tree: Path) -> None:
    (tree / "model").mkdir()
    (tree / "model" / "weights.bin").write_bytes(b"w")
    code = capture_code(tree / "model")
    assert code is not None
    assert not code.dirty


def test_a_file_is_found_through_its_folder(tree: Path) -> None:
    assert capture_code(tree / "train.py") == capture_code(tree)


def test_a_detached_head_has_no_branch(tree: Path) -> None:
    run(tree, "checkout", "--quiet", "--detach")
    code = capture_code(tree)
    assert code is not None
    assert code.branch == ""


def test_linked_work_trees_tell_their_own_branch(tree: Path, tmp_path: Path) -> None:
    run(tree, "worktree", "add", "--quiet", "-b", "side", str(tmp_path / "side"))
    code = capture_code(tmp_path / "side")
    assert code is not None
    assert code.branch == "side"


def test_a_submodule_tells_its_own_commit(tree: Path, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    outer.mkdir()
    run(outer, "init", "--quiet", "--initial-branch=main")
    run(outer, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(tree), "inner")
    run(outer, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message", "outer")
    inner, whole = capture_code(outer / "inner"), capture_code(outer)
    assert inner is not None
    assert whole is not None
    assert inner.commit == run(tree, "rev-parse", "HEAD").strip()
    assert whole.commit == run(outer, "rev-parse", "HEAD").strip()


def test_nothing_is_invented_outside_git_or_before_the_first_commit(tmp_path: Path) -> None:
    assert capture_code(tmp_path) is None
    assert capture_code(tmp_path / "missing" / "deeper") is None
    run(tmp_path, "init", "--quiet")
    assert capture_code(tmp_path) is None
    run(tmp_path, "init", "--quiet", "--bare", str(tmp_path / "bare.git"))
    assert capture_code(tmp_path / "bare.git") is None


def test_without_git_there_is_no_code(tree: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert capture_code(tree) is None
    assert "@" in capture_author("", tree)


def test_git_variables_of_the_caller_do_not_mislead_it(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    run(other, "init", "--quiet")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "no-index"))
    monkeypatch.setenv("GIT_TRACE", "1")
    code = capture_code(tree)
    assert code is not None
    assert code.branch == "trunk"


def test_the_repository_can_run_nothing(tree: Path, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    script = tmp_path / "hook"
    script.write_text(f"#!/bin/sh\ntouch {canary}\ncat\n")
    script.chmod(0o755)
    run(tree, "config", "core.fsmonitor", str(script))
    run(tree, "config", "core.pager", str(script))
    run(tree, "config", "core.hooksPath", str(tmp_path))
    run(tree, "config", "filter.evil=x.y.clean", str(script))
    run(tree, "config", "filter.evil=x.y.required", "true")
    run(tree, "config", "filter.evil2.process", str(script))
    (tree / ".git" / "info" / "attributes").write_text("*.py filter=evil=x.y\n*.txt filter=evil2\n")
    os.utime(tree / "train.py", (1, 1))
    code = capture_code(tree)
    assert not canary.exists()
    assert code is not None
    assert not code.dirty


def test_the_filters_above_would_have_run_without_our_guard(tree: Path, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    run(tree, "config", "filter.evil.clean", f"touch {canary}; cat")
    (tree / ".git" / "info" / "attributes").write_text("*.py filter=evil\n")
    os.utime(tree / "train.py", (1, 1))
    run(tree, "status")
    assert canary.exists()


def test_the_index_is_not_written(tree: Path) -> None:
    os.utime(tree / "train.py", (1, 1))
    before = (tree / ".git" / "index").read_bytes()
    capture_code(tree)
    assert (tree / ".git" / "index").read_bytes() == before


def test_a_git_that_hangs_costs_the_timeout_and_no_more(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\nexec sleep 300\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow.parent}{os.pathsep}{os.defpath}")
    monkeypatch.setattr(git_module, "TIMEOUT_S", 0.3)
    began = time.monotonic()
    assert capture_code(tree) is None
    assert time.monotonic() - began < 60


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        ("https://host/a/b.git", "https://host/a/b.git"),
        ("https://mara:s3cret@host:8443/a.git?token=s3cret#s3cret", "https://host:8443/a.git"),
        ("https://s3cret@host/a.git", "https://host/a.git"),
        ("https://mara:s3/cret@host/a.git", ""),
        ("https://mara:p@s3cret@host/a.git", "https://host/a.git"),
        ("ssh://git@host:22/a.git", "ssh://git@host:22/a.git"),
        ("ssh://git:s3cret@host/a.git", "ssh://git@host/a.git"),
        ("git@host:a/b.git", "git@host:a/b.git"),
        ("gcrypt::https://mara:s3cret@host/a.git", "gcrypt::https://host/a.git"),
        ("https://[bad:s3cret@host/a.git", ""),
        ("/srv/git/a.git", "/srv/git/a.git"),
        ("", ""),
    ],
)
def test_a_remote_url_is_recorded_without_credentials(tree: Path, found: str, shown: str) -> None:
    assert without_credentials(found) == shown
    run(tree, "config", "remote.origin.url", found)
    code = capture_code(tree)
    assert code is not None
    assert code.remote == shown
    assert "s3cret" not in repr(code)


def test_the_setting_names_the_author_before_git_and_git_before_the_system(tree: Path, tmp_path: Path) -> None:
    assert capture_author("Mara", tree) == "Mara"
    assert capture_author("  ", tree) == "Ada Lovelace <ada@example.org>"
    assert capture_author("", tmp_path).count("@") == 1
    assert "Ada" not in capture_author("", tmp_path)


def test_an_author_is_one_line(tree: Path) -> None:
    run(tree, "config", "user.name", "Ada\nMara")
    assert capture_author("", tree) == "Ada Mara <ada@example.org>"
    assert capture_author("Ada\r\n\x1b[31m") == "Ada [31m"


def test_uncommitted_changes_are_kept_as_a_patch_that_makes_the_tree_again(tree: Path, tmp_path: Path) -> None:
    for setting in ("diff.noprefix", "diff.mnemonicPrefix", "diff.relative"):
        run(tree, "config", setting, "true")
    run(tree, "config", "color.ui", "always")
    (tree / "sub").mkdir()
    (tree / "sub" / "weights.bin").write_bytes(bytes(range(256)))
    (tree / "train.py").write_text("epochs = 4  # größer\n")
    run(tree, "add", "sub")
    code = capture_code(tree / "sub")
    assert code is not None
    assert (code.dirty, code.diff_lacks) == (True, "")
    run(tree, "clone", "--quiet", str(tree), str(tmp_path / "again"))
    subprocess.run(["git", "-C", str(tmp_path / "again"), "apply", "-"], input=code.diff.encode(), check=True)
    for path in ("train.py", "sub/weights.bin"):
        assert (tmp_path / "again" / path).read_bytes() == (tree / path).read_bytes()


def test_a_clean_tree_and_one_whose_changes_are_not_to_be_kept_have_no_patch(tree: Path) -> None:
    clean = capture_code(tree)
    (tree / "train.py").write_text("epochs = 4\n")
    private = capture_code(tree, keep_diff=False)
    assert clean is not None
    assert (clean.diff, clean.diff_lacks) == ("", "")
    assert private is not None
    assert (private.dirty, private.diff, private.diff_lacks) == (True, "", "all")


def test_a_patch_that_is_too_long_is_cut_at_a_line_and_said_to_be(tree: Path) -> None:
    (tree / "train.py").write_text("".join(f"step = {number}\n" for number in range(40_000)))
    code = capture_code(tree)
    assert code is not None
    assert code.diff_lacks == "rest"
    assert 200_000 < len(code.diff) <= DIFF_BYTES
    assert code.diff.endswith("\n")


def test_a_patch_that_is_no_text_says_so(tree: Path) -> None:
    (tree / "train.py").write_bytes("größer\n".encode("latin-1"))
    code = capture_code(tree)
    assert code is not None
    assert (code.diff_lacks, "gr\ufffd\ufffder" in code.diff) == ("bytes", True)


def test_the_repositorys_own_programs_for_comparing_files_are_not_run(tree: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap.sh"
    trap.write_text(f'#!/bin/sh\ntouch {tmp_path / "sprung"}\ncat "$1"\n')
    trap.chmod(0o755)
    (tree / ".gitattributes").write_text("*.py diff=evil filter=evil\n")
    for key in ("diff.external", "diff.evil.command", "diff.evil.textconv", "filter.evil.clean", "core.fsmonitor"):
        run(tree, "config", key, str(trap))
    (tree / "train.py").write_text("epochs = 4\n")
    code = capture_code(tree)
    assert code is not None
    assert "+epochs = 4" in code.diff
    assert not (tmp_path / "sprung").exists()
