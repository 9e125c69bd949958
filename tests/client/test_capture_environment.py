"""What a push learns about its Python and its machine."""

import hashlib
import importlib.metadata
import os
import re
import sys
from pathlib import Path

import pytest

from budwood.client.capture import capture, capture_environment, capture_hardware
from budwood.client.capture import environment as environment_module
from budwood.client.capture import hardware as hardware_module
from budwood.client.capture.environment import installed_packages
from budwood.domain import canon
from budwood.domain.facts import Facts


def test_installed_packages_are_those_importlib_finds() -> None:
    expected: dict[str, str] = {}
    for found in importlib.metadata.distributions():
        expected.setdefault(re.sub(r"[-_.]+", "-", found.metadata["Name"]).lower(), found.version)
    assert installed_packages() == expected


def test_the_first_on_the_path_wins_and_old_layouts_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    near, far = tmp_path / "near", tmp_path / "far"
    (near / "Fancy_Name-2.0+cpu.dist-info").mkdir(parents=True)
    (far / "fancy.name-1.0.dist-info").mkdir(parents=True)
    (far / "older-1.2-py3.11.egg-info").mkdir()
    (far / "linked.egg-info").mkdir()
    (far / "linked.egg-info" / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: linked\nVersion: 0.7\n")
    (far / "broken.dist-info").mkdir()
    (far / "no\udcff-1.dist-info").mkdir()
    monkeypatch.setattr(sys, "path", [str(near), str(tmp_path / "missing"), "\0", str(far)])
    assert installed_packages() == {"fancy-name": "2.0+cpu", "linked": "0.7", "older": "1.2"}


def test_packages_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(9):
        (tmp_path / f"p{i}-1.dist-info").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.setattr(environment_module, "PACKAGES_RECORDED", 3)
    assert list(installed_packages()) == ["p0", "p1", "p2"]


def test_the_nearest_lock_file_up_to_the_git_root_is_named_by_its_digest(tmp_path: Path) -> None:
    root = tmp_path / "root"
    pushed = root / "out" / "model"
    pushed.mkdir(parents=True)
    (tmp_path / "uv.lock").write_text("outside the git root")
    (root / ".git").mkdir()
    assert capture_environment(pushed).lock == ""

    (root / "uv.lock").write_text("version = 1\n")
    found = capture_environment(pushed)
    assert (found.lock, found.lock_sha256) == ("uv.lock", hashlib.sha256(b"version = 1\n").hexdigest())

    (root / "out" / "requirements.txt").write_text("numpy==2.0\n")
    assert capture_environment(pushed).lock == "requirements.txt"


def test_without_a_git_root_only_the_folder_and_the_one_it_lies_in_are_searched(tmp_path: Path) -> None:
    pushed = tmp_path / "a" / "b"
    pushed.mkdir(parents=True)
    (tmp_path / "poetry.lock").write_text("far")
    assert capture_environment(pushed).lock == ""
    (tmp_path / "a" / "poetry.lock").write_text("near")
    assert capture_environment(pushed).lock == "poetry.lock"


def test_a_lock_file_that_is_no_file_is_passed_over(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "uv.lock")
    (tmp_path / "poetry.lock").mkdir()
    (tmp_path / "requirements.txt").write_text("numpy\n")
    assert capture_environment(tmp_path).lock == "requirements.txt"


def test_hardware_says_what_the_system_says() -> None:
    hardware = capture_hardware()
    assert hardware.machine == os.uname().machine
    assert hardware.cores == os.cpu_count()
    assert hardware.memory_bytes > 1 << 20


def test_accelerators_are_read_from_the_driver_before_any_program_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for card in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / "gpus" / card).mkdir(parents=True)
        (tmp_path / "gpus" / card / "information").write_text("Model: \t\t NVIDIA H100\nIRQ:   \t\t 1\n")
    put_program(tmp_path, monkeypatch, "echo NVIDIA asked")
    monkeypatch.setattr(hardware_module, "_GPU_TABLES", tmp_path / "gpus")
    assert capture_hardware.__wrapped__().accelerators == ("NVIDIA H100", "NVIDIA H100")
    monkeypatch.setattr(hardware_module, "_GPU_TABLES", tmp_path / "none")
    assert capture_hardware.__wrapped__().accelerators == ("NVIDIA asked",)


@pytest.mark.parametrize("script", ["echo no driver; exit 9", "exec sleep 30"])
def test_a_broken_driver_leaves_accelerators_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    put_program(tmp_path, monkeypatch, script)
    monkeypatch.setattr(hardware_module, "_GPU_TABLES", tmp_path / "none")
    monkeypatch.setattr(hardware_module, "TIMEOUT_S", 0.3)
    assert capture_hardware.__wrapped__().accelerators == ()


def put_program(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.defpath}")


def test_surroundings_fit_a_manifest_and_never_raise(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing", tmp_path / ("x" * 300), Path("nul\0byte")):
        found = capture(folder)
        assert found.environment.python.endswith(".".join(map(str, sys.version_info[:3])))
        facts = Facts(code=found.code, environment=found.environment, hardware=found.hardware)
        assert canon.unpack(Facts, canon.loads(canon.dumps(canon.pack(facts)))) == facts
