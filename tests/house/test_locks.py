"""The locks: names, versions and hashes, no addresses; they hold all that the project asks for."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCKS = ("tour.txt", "dev.txt")
ALONE = ("swift.txt", "moto.txt", "mlflow.txt", "torch.txt", "envoy.txt", "pip.txt")
"""What is installed by itself."""
OLDER = ("mlflow-3.12.0.txt", "mlflow-3.17.1.txt")
ELSEWHERE = {"torch"}  # requirements/torch.txt says why


def locked(path: Path) -> dict[str, str]:
    """Name to version."""
    pins = re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", path.read_text("utf-8"), re.M)
    return {canonicalize_name(name): version for name, version in pins}


@pytest.mark.parametrize("name", [*LOCKS, *ALONE, *OLDER])
def test_a_lock_names_no_address(name: str, root: Path) -> None:
    written = (root / "requirements" / name).read_text("utf-8")
    assert re.findall(r"\w+://|^-e|^--?[a-z-]*(?:index|find-links)", written, re.M) == []


@pytest.mark.parametrize("name", [*LOCKS, "swift.txt", "moto.txt", "mlflow.txt", *OLDER])
def test_every_locked_package_has_its_hashes(name: str, root: Path) -> None:
    written = (root / "requirements" / name).read_text("utf-8")
    entries = re.split(r"\n(?=[A-Za-z0-9])", written.strip())
    assert [entry.split("=")[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert len(entries) == len(locked(root / "requirements" / name))


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_holds_what_the_project_asks_for(name: str, root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    # The tour shows what one person does; the tests need every extra.
    wanted = list(extras) if name == "dev.txt" else ["gateway", "keras", "models", "server"]
    asked = [*project["dependencies"], *(line for extra in wanted for line in extras[extra])]
    # Not every system has a build of Envoy, so the tour installs it by itself.
    pins = {
        pin: at for file in (name, "torch.txt", "envoy.txt") for pin, at in locked(root / "requirements" / file).items()
    }
    for requirement in map(Requirement, asked):
        version = pins.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is not in {name}"
        assert requirement.specifier.contains(version, prereleases=True), f"{requirement} against {version}"


def test_the_tour_and_the_tests_run_the_same_versions(root: Path) -> None:
    tour, dev = (locked(root / "requirements" / name) for name in LOCKS)
    assert tour.items() <= dev.items()
    assert locked(root / "requirements" / "envoy.txt").items() <= dev.items()


def test_no_locked_package_brings_gigabytes_of_drivers(root: Path) -> None:
    heavy = re.compile(r"torch|triton|nvidia-.*|cuda-.*")
    assert [name for lock in LOCKS for name in locked(root / "requirements" / lock) if heavy.fullmatch(name)] == []
    assert set(locked(root / "requirements" / "torch.txt")) == ELSEWHERE
