"""Datasets and reproduction over a real socket: data is read where one is, records are kept where the server is."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import budwood
from budwood.domain.reproduction import Outcome
from budwood.errors import EdgeRefused, Forbidden, NotFound, VersionNotFound
from tests.server.conftest import token_of

CSV = "id,text\n1,lost card\n2,new address\n"
Door = Callable[[str], budwood.Registry]


@pytest.fixture
def open_as(fresh: Any) -> Iterator[Door]:
    """The registry, as somebody of a role sees it."""
    opened: list[budwood.Registry] = []

    def as_role(role: str) -> budwood.Registry:
        opened.append(budwood.connect(fresh.url, token=token_of(role)))
        return opened[-1]

    yield as_role
    for registry in opened:
        registry.close()


@pytest.fixture
def tickets(tmp_path: Path) -> Path:
    """A CSV of two rows."""
    path = tmp_path / "tickets.csv"
    path.write_text(CSV)
    return path


def test_a_pointer_and_its_edge_are_kept_by_a_server_that_never_sees_the_data(
    fresh: Any, open_as: Door, tickets: Path, tmp_path: Path
) -> None:
    writer = open_as("writer")
    pushed = writer.datasets.add("ours/tickets", tickets, pointer=True)
    assert (pushed.version.kind, writer.datasets.add("ours/tickets", tickets, pointer=True).created) == (
        "dataset",
        False,
    )
    assert writer.datasets.show("ours/tickets@v1").rows == 2
    assert writer.datasets.check("ours/tickets@v1").state == "same"
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    writer.push(tmp_path / "model", "ours/ranker", datasets=["ours/tickets", "by hand"])
    traced = open_as("reader").trace("ours/ranker")
    assert [each.version.reference for each in traced.versions] == ["ours/ranker@v1", "ours/tickets@v1"]
    assert [edge.relation for edge in traced.edges if edge.parent > 0] == ["trained-on"]
    assert traced.versions[0].datasets == ("by hand",)
    down = open_as("reader").trace("ours/tickets@v1", "down")
    assert [each.version.reference for each in down.versions[1:]] == ["ours/ranker@v1"]
    names = subprocess.run(["grep", "-r", "-l", "lost card", str(fresh.registry)], capture_output=True, check=False)
    assert names.stdout == b""


def test_a_dataset_with_files_is_compared_and_checked_through_a_server(open_as: Door, tmp_path: Path) -> None:
    writer = open_as("writer")
    folder = tmp_path / "features"
    folder.mkdir()
    (folder / "part-0.csv").write_text(CSV)
    writer.datasets.add("ours/features", folder)
    (folder / "part-1.csv").write_text("id,text\n3,card eaten\n")
    assert writer.datasets.check("ours/features").why.startswith("rows 2 → 3")
    writer.datasets.add("ours/features", folder)
    change = open_as("reader").datasets.diff("ours/features@v1", "ours/features@v2")
    assert (change.rows_before, change.rows_after, change.files_added) == (2, 3, ("part-1.csv",))


def test_who_only_reads_adds_nothing_and_who_sees_nothing_finds_nothing(open_as: Door, tickets: Path) -> None:
    with pytest.raises(Forbidden):
        open_as("reader").datasets.add("ours/tickets", tickets)
    open_as("writer").datasets.add("ours/tickets", tickets)
    with pytest.raises(NotFound):
        open_as("elsewhere").datasets.show("ours/tickets")


def test_data_of_others_is_a_name_to_who_may_not_see_it(open_as: Door, tickets: Path, tmp_path: Path) -> None:
    open_as("elsewhere").datasets.add("theirs/tickets", tickets, pointer=True)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    for reference in ("theirs/tickets", "theirs/tickets@v1", "theirs/tickets@v9"):
        pushed = open_as("writer").push(tmp_path / "model", "ours/ranker", datasets=[reference])
        facts = open_as("writer").get(f"ours/ranker@v{pushed.version.number}").facts
        assert (facts.datasets, facts.parents) == ((reference,), ())
    open_as("writer").datasets.add("ours/tickets", tickets, pointer=True)
    with pytest.raises(VersionNotFound):
        open_as("writer").push(tmp_path / "model", "ours/ranker", datasets=["ours/tickets@v9"])


def test_an_edge_to_data_of_another_namespace_must_be_allowed_by_both(
    open_as: Door, tickets: Path, tmp_path: Path
) -> None:
    admin = open_as("admin")
    admin.datasets.add("theirs/tickets", tickets, pointer=True)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    with pytest.raises(EdgeRefused):
        admin.push(tmp_path / "model", "ours/ranker", datasets=["theirs/tickets"])
    assert admin.push(tmp_path / "model", "ours/ranker", datasets=["tickets of theirs"]).created


def test_a_version_is_reproduced_through_a_server(open_as: Door, tickets: Path, tmp_path: Path) -> None:
    writer = open_as("writer")
    writer.datasets.add("ours/tickets", tickets, pointer=True)
    writer.datasets.add("ours/kept", tickets)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    writer.push(tmp_path / "model", "ours/ranker", datasets=["ours/tickets", "ours/kept"], params={"epochs": 3})
    made = open_as("reader").reproduce("ours/ranker", tmp_path / "again")
    found = {check.what: check.outcome for check in made.checks}
    assert (found["data ours/tickets@v1"], found["data ours/kept@v1"]) == (Outcome.OK, Outcome.OK)
    assert (tmp_path / "again" / "data" / "ours" / "kept-v1" / "tickets.csv").read_text() == CSV
    assert not made.reproducible


def test_the_command_line_reaches_a_server_too(fresh: Any, tickets: Path, tmp_path: Path) -> None:
    surroundings = {**os.environ, "BUDWOOD_TOKEN": token_of("writer"), "BUDWOOD_REGISTRY": fresh.url}
    for words, code in (
        (["dataset", "add", "ours/tickets", str(tickets), "--pointer"], 0),
        (["dataset", "check", "ours/tickets"], 0),
        (["reproduce", "ours/tickets", "--out", str(tmp_path / "again")], 8),
    ):
        line = [sys.executable, "-m", "budwood", *words]
        ran = subprocess.run(line, env=surroundings, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert ran.returncode == code, ran
