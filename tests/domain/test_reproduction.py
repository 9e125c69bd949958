"""What a recipe says, and when it says "reproducible"."""

from dataclasses import replace

import pytest

from budwood.domain.facts import Code, Environment, Hardware
from budwood.domain.reproduction import (
    Check,
    Outcome,
    Reproduced,
    changes_check,
    checkout,
    command_check,
    environment_checks,
    hardware_check,
    requirements,
)

THEN = Environment("CPython 3.11.7", "Linux", {"numpy": "2.4.6", "torch": "2.13.0+cpu"})
COMMIT = "1f" * 20


def test_only_when_all_checks_are_ok_it_is_reproducible() -> None:
    ok = Check("code", Outcome.OK, "Yes.")
    for other in (Outcome.DIFFERS, Outcome.UNCHECKED):
        assert not Reproduced("m@v1", "", "", checks=(ok, replace(ok, outcome=other))).reproducible
    assert Reproduced("m@v1", "", "", checks=(ok, ok)).reproducible


def test_packages_that_changed_went_or_came_are_named() -> None:
    now = replace(THEN, packages={"numpy": "2.5.0", "scipy": "1.0"})
    python, packages = environment_checks(THEN, now)
    assert python.outcome is Outcome.OK
    assert packages.outcome is Outcome.DIFFERS
    assert (
        packages.why
        == "numpy was 2.4.6 and is 2.5.0; scipy 1.0 is here and was not there; torch 2.13.0+cpu is not here."
    )
    assert [check.outcome for check in environment_checks(THEN, THEN)] == [Outcome.OK, Outcome.OK]


def test_what_was_not_recorded_cannot_be_checked() -> None:
    assert [check.outcome for check in environment_checks(None, THEN)] == [Outcome.UNCHECKED]
    assert hardware_check(None, Hardware("x86_64")).outcome is Outcome.UNCHECKED
    assert command_check("").outcome is Outcome.UNCHECKED


def test_cores_do_not_count_and_accelerators_do() -> None:
    then = Hardware("x86_64", "a", 8, 1, ("H200",))
    assert hardware_check(then, replace(then, cores=2, memory_bytes=9)).outcome is Outcome.OK
    assert hardware_check(then, replace(then, accelerators=())).outcome is Outcome.DIFFERS


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (Code(COMMIT), None),
        (Code(COMMIT, dirty=True, diff="diff --git"), Outcome.OK),
        (Code(COMMIT, dirty=True, diff="diff", diff_lacks="rest"), Outcome.DIFFERS),
        (Code(COMMIT, dirty=True, diff_lacks="all"), Outcome.DIFFERS),
    ],
)
def test_changes_that_were_not_kept_whole_differ(code: Code, outcome: Outcome | None) -> None:
    found = changes_check(code)
    assert (found.outcome if found else None) == outcome


@pytest.mark.parametrize(
    "remote",
    ["", "ext::sh -c touch% x", "--upload-pack=touch x", "-x@host:y", "https://host/a b", "fd::7", "http://h/'x"],
)
def test_no_command_is_shown_that_could_run_something(remote: str) -> None:
    assert checkout(Code(COMMIT, remote=remote)) == ()
    assert checkout(Code("HEAD; rm -rf /", remote="https://host/x.git")) == ()


@pytest.mark.parametrize("remote", ["https://host/x.git", "git@host:team/x.git", "/srv/git/x y.git", "ssh://git@h/x"])
def test_a_plain_address_is_cloned_and_the_commit_checked_out(remote: str) -> None:
    clone, checked_out = checkout(Code(COMMIT, remote=remote))
    assert clone.startswith("git clone -- ")
    assert checked_out == f"git -C code checkout --detach {COMMIT}"


def test_a_lock_holds_exact_versions_and_nothing_that_pip_would_run() -> None:
    evil = {"numpy": "2.4.6", "--index-url http://evil": "1", "x": "1 @ file:///evil", "y\n-r evil": "1"}
    lines = requirements(replace(THEN, packages=evil)).splitlines()
    assert [line for line in lines if not line.startswith("#")] == ["numpy==2.4.6"]
    assert len(lines) == 5
