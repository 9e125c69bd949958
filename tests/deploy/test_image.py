"""The image holds what is locked, is nobody's root, and serves."""

import json
import re
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from budwood.config import SETTINGS

PORT = "8484"


class Asked(Protocol):
    """See conftest."""

    command: tuple[str, ...]
    values: dict[str, object]


@pytest.fixture(scope="module")
def steps(root: Path) -> list[tuple[str, str]]:
    """The instructions of the last stage; each instruction with what it says."""
    written = (root / "deploy" / "Containerfile").read_text("utf-8").replace("\\\n", " ")
    lines = [line.partition(" ") for line in written.splitlines() if line and not line.startswith("#")]
    steps = [(word, " ".join(rest.split())) for word, _, rest in lines]
    last = max(number for number, (word, _) in enumerate(steps) if word == "FROM")
    return steps[last:]


def only(steps: list[tuple[str, str]], word: str) -> str:
    said = [rest for step, rest in steps if step == word]
    assert len(said) == 1, word
    return said[0]


def test_the_image_serves(steps: list[tuple[str, str]], ask: Callable[[Sequence[str]], Asked]) -> None:
    words = [*json.loads(only(steps, "ENTRYPOINT")), *json.loads(only(steps, "CMD"))]
    assert words[0] == "budwood"
    asked = ask(words[1:])
    assert asked.command == ("serve",)
    assert asked.values["host"] == "0.0.0.0"
    assert str(asked.values["port"]) == only(steps, "EXPOSE") == PORT


def test_the_image_runs_as_a_number_that_is_not_root(steps: list[tuple[str, str]]) -> None:
    user, _, _ = only(steps, "USER").partition(":")
    assert int(user) >= 10_000
    words = [word for word, _ in steps]
    assert "RUN" not in words[words.index("USER") :]


def test_the_image_is_told_to_stop_as_the_server_understands(steps: list[tuple[str, str]]) -> None:
    assert only(steps, "STOPSIGNAL") == "SIGTERM"


def test_every_variable_of_the_image_is_a_setting_or_pythons(steps: list[tuple[str, str]]) -> None:
    named = re.findall(r"(\w+)=", only(steps, "ENV"))
    ours = {f"BUDWOOD_{setting.upper()}" for setting in SETTINGS}
    assert set(named) <= ours | {"HOME", "PYTHONUNBUFFERED"}
    assert "BUDWOOD_REGISTRY" in named


def test_every_base_has_a_version_and_no_registry_host(root: Path) -> None:
    bases = re.findall(r"^FROM (\S+)", (root / "deploy" / "Containerfile").read_text("utf-8"), re.M)
    assert len(bases) == 2
    for base in bases:
        name, _, tag = base.partition(":")
        assert re.match(r"\d", tag)
        assert "." not in name.split("/")[0]


def test_the_build_is_given_what_it_copies(root: Path) -> None:
    written = (root / "deploy" / "Containerfile").read_text("utf-8")
    given = (root / "deploy" / "Containerfile.dockerignore").read_text("utf-8")
    allowed = {line.removeprefix("!") for line in given.splitlines() if line.startswith("!")}
    copied = {word for line in re.findall(r"^COPY (?!--from)(.+) \S+$", written, re.M) for word in line.split()}
    assert copied == allowed
    assert all((root / name).exists() for name in allowed)


def test_the_image_holds_the_versions_that_are_tested(root: Path) -> None:
    image, tests = (locked(root / "requirements" / name) for name in ("server.txt", "dev.txt"))
    assert image.items() <= tests.items()


def test_the_lock_of_the_image_is_whole(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    asked = map(Requirement, [*project["dependencies"], *extras["postgres"], *extras["server"]])
    pins = locked(root / "requirements" / "server.txt")
    assert {canonicalize_name(requirement.name) for requirement in asked} <= pins.keys()


def test_the_lock_of_the_image_has_hashes_and_no_addresses(root: Path) -> None:
    written = (root / "requirements" / "server.txt").read_text("utf-8")
    assert re.findall(r"\w+://|^-e|^--?[a-z-]*(?:index|find-links)", written, re.M) == []
    entries = re.split(r"\n(?=[A-Za-z0-9])", written.strip())
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


def locked(path: Path) -> dict[str, str]:
    pins = re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", path.read_text("utf-8"), re.M)
    return {canonicalize_name(name): version for name, version in pins}
