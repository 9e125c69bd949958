"""What others typed into messages, tags and tensors reaches the terminal as text, whatever it holds."""

import shutil
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from budwood.wiring import connect

Run = Any
EVIL = "\x1b]0;owned\x07\x1b[2J[bold red]x[/] \u202eexe.gpj\u2066 \x9b31m \u200b"
UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


@pytest.fixture(scope="module")
def deceiving(tmp_path_factory: pytest.TempPathFactory, save_model: Any) -> Path:
    """A registry in which everything that may hold text holds text made to deceive, and a folder beside it."""
    place = tmp_path_factory.mktemp("deceiving")
    tensors = {f"layer{EVIL}.weight": np.ones((4, 4), "<f4"), "w": np.zeros(4, "<f4")}
    save_model(place / "evil", tensors, architectures=[EVIL], **{f"key{EVIL}": "a"})
    save_model(place / "worse", {name: value + 1 for name, value in tensors.items()}, **{f"key{EVIL}": EVIL})
    with connect(place / "registry", author=f"mara {EVIL}") as registry:
        registry.push(place / "evil", "encoder", message=EVIL, datasets=[EVIL], params={"p": EVIL}, tags={"team": EVIL})
        registry.push(
            place / "worse", "encoder", message=f"two\nlines {EVIL}", base_model=EVIL, datasets=[f"other {EVIL}"]
        )
        registry.alias("encoder@v1", "champion")
        registry.retire("encoder@v2", EVIL)
    return place


@pytest.fixture
def hostile(deceiving: Path) -> Path:
    """A copy of it in the current folder."""
    shutil.copytree(deceiving, "copy")
    Path("copy/evil").rename("evil")
    return Path("copy/registry")


SHOWING = (
    ["list"], ["search"], ["show", "encoder@v1", "--files", "--tensors", "--facts"], ["show", "encoder@v2"],
    ["log", "encoder", "--moves"], ["diff", "encoder@v1", "encoder@v2"], ["tag", "encoder@v1"], ["ledger"], ["stats"],
    ["alias", "encoder@v1", "best"], ["verify"], ["pull", "encoder@v1", "out"],
    ["search", f"name = '{EVIL}'"], ["show", EVIL], ["push", "evil", EVIL], ["push", EVIL, "a"], [EVIL],
)  # fmt: skip


@pytest.mark.parametrize("words", SHOWING, ids=lambda words: words[0] if words[0].isascii() else "hostile")
def test_nothing_a_terminal_obeys_is_printed(run: Run, hostile: Path, words: list[str]) -> None:
    ran = run("--registry", hostile, *words)
    printed = (ran.out + ran.err).replace("\n", "")
    assert printed
    assert not [hex(ord(c)) for c in printed if unicodedata.category(c) in UNSEEN]


@pytest.mark.parametrize("words", SHOWING, ids=lambda words: words[0] if words[0].isascii() else "hostile")
def test_json_holds_the_text_itself_yet_nothing_a_terminal_obeys(run: Run, hostile: Path, words: list[str]) -> None:
    ran = run("--registry", hostile, *words, "--json")
    assert ran.out.replace("\n", "").isprintable()
    assert ran.json


def test_what_was_typed_can_still_be_read(run: Run, hostile: Path) -> None:
    out = run("--registry", hostile, "show", "encoder@v1", "--tensors").out
    assert "\\x1b]0;owned\\x07" in out
    assert "[bold red]x[/]" in out
    assert "\\u202eexe.gpj" in out
    assert run("--registry", hostile, "show", "encoder@v1", "--json").json["version"]["message"] == EVIL


def test_a_flag_is_said_when_it_is_pushed(run: Run) -> None:
    Path("model.pkl").write_bytes(b"cos\nsystem\n(S'rm -rf /'\ntR.")
    ran = run("--registry", "registry", "push", "model.pkl", "danger")
    assert ran.code == 0
    assert "Warning: model.pkl: " in ran.err
    assert "model.pkl" in run("--registry", "registry", "show", "danger").out.partition("Mind")[2]
