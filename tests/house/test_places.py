"""The project speaks of itself only: no file names a folder of the machine it was written on."""

import re
import subprocess
from pathlib import Path

import pytest

# Folders that exist for everyone, or that a document may use as an example.
AGREED = {"/mnt/models"}
"""Where KServe puts a model, on every machine."""

EVERYONES = {"/", "/tmp", "/var", "/private", "/usr", "/etc", "/dev", "/srv", "/src"}


def tracked(root: Path) -> list[Path]:
    if not (root / ".git").exists():
        pytest.skip("not a git checkout")
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(words, cwd=root, capture_output=True, text=True, check=True).stdout
    return [root / name for name in listed.split("\0") if name and (root / name).is_file()]


def test_no_file_names_a_folder_of_this_machine(root: Path) -> None:
    own = {"/" + place.parts[1] for place in (root, Path.home()) if len(place.parts) > 1} - EVERYONES
    starts = "|".join(re.escape(place) for place in sorted(own | {"/home", "/Users", "/root", "/opt", "/mnt"}))
    place = re.compile(rf"(?<![\w.~*}})\]/-])(?:{starts})/[\w.]+")
    found = [
        f"{path.relative_to(root)}: {match.group()}"
        for path in tracked(root)
        for match in place.finditer(path.read_bytes().decode("utf-8", "ignore"))
        if match.group() not in AGREED
    ]
    assert found == []


def test_every_tracked_text_file_ends_with_one_newline(root: Path) -> None:
    ragged = []
    for path in tracked(root):
        body = path.read_bytes()
        if body and b"\0" not in body and (not body.endswith(b"\n") or body.endswith(b"\n\n")):
            ragged.append(str(path.relative_to(root)))
    assert ragged == []
