"""What a namespace holds is counted as it changes; verify counts anew."""

import sqlite3
from pathlib import Path

import pytest

import budwood


@pytest.mark.parametrize("column", ["bytes", "versions"])
def test_verify_tells_when_a_namespace_counts_wrong(tmp_path: Path, column: str) -> None:
    (tmp_path / "weights.bin").write_bytes(bytes(range(256)) * 100)
    with budwood.connect(str(tmp_path / "registry")) as registry:
        registry.push(tmp_path / "weights.bin", "encoder")
        registry.push(tmp_path / "weights.bin", "encoder", message="again")
        assert not registry.verify().problems
    with sqlite3.connect(tmp_path / "registry" / "catalog.sqlite3") as connection:
        connection.execute(f"UPDATE namespace SET {column} = {column} + 1")
    connection.close()
    with budwood.connect(str(tmp_path / "registry")) as registry:
        (problem,) = registry.verify().problems
    assert problem.code == "catalog"
    assert "namespace default" in problem.detail
