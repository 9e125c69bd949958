"""Exporting into MLflow's own server: its client is told there what it is told here, and nothing is there twice."""

from pathlib import Path
from typing import Any

import pytest

import budwood
from budwood.domain.carrying.report import Carried
from budwood.errors import NameTaken
from budwood.verbs.mcp import servers
from tests.servers.running import TOKEN
from tests.servers.stock import Stock


def test_what_went_there_is_told_there_as_it_is_here_also_when_it_was_cut_short(
    both: Any,
    asked: Any,
    team: str,
    stock: Stock,
    empty_stock: Stock,
    shown: Any,
    judged: Any,
    reached: Any,
    tmp_path: Path,
) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "a.txt").write_text("made here")
    with budwood.connect(team, token=TOKEN) as registry:
        registry.import_mlflow(stock.uri, "risk")
        cut_at = (3, 9, 30, 44, 52, 58)
        for at in cut_at:
            cut_short(registry, empty_stock, at)
        carried = registry.export_mlflow(empty_stock.uri, "risk")
        assert carried.equal, carried.differences
        again = registry.export_mlflow(empty_stock.uri, "risk")
        assert (again.digest, sum(each.brought for each in again.tallies)) == (carried.digest, 0)
        assert shown(both.here, ids=False) == shown(asked(empty_stock.uri), ids=False)
        assert judged(both.here, ids=False) == judged(asked(empty_stock.uri), ids=False)
        assert reached(both.here, ids=False) == reached(asked(empty_stock.uri), ids=False)
        registry.push(tmp_path / "own", "risk/native", aliases=["champion"])
        assert registry.export_mlflow(empty_stock.uri, "risk").equal
    client = asked(empty_stock.uri)
    native = client.get_model_version_by_alias("native", "champion")
    place = client.download_artifacts(native.run_id, "model", str(tmp_path))
    assert (Path(place) / "a.txt").read_text() == "made here"


def test_what_is_there_from_elsewhere_is_left(stock: Stock, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "a.txt").write_text("mine")
    with budwood.connect(tmp_path / "registry") as registry:
        registry.push(tmp_path / "own", "net")
        with pytest.raises(NameTaken, match="net"):
            registry.export_mlflow(stock.uri)


def test_an_mcp_server_there_from_elsewhere_is_left(empty_stock: Stock, asked: Any, tmp_path: Path) -> None:
    client = asked(empty_stock.uri)
    client.create_mcp_server("com.example/ours", description="made there")
    with budwood.connect(tmp_path / "registry") as registry:
        servers.create_server(registry.house, "default", "com.example/ours", "made here", None)
        carried = registry.export_mlflow(empty_stock.uri, with_files=False)
    assert [(each.name, each.kind) for each in carried.differences][:1] == [("com.example/ours", "MCP servers")]
    assert client.get_mcp_server("com.example/ours").description == "made there"
    client.delete_mcp_server("com.example/ours")


def cut_short(registry: Any, there: Stock, at: int) -> Carried | None:
    class Cut(Exception):
        pass

    told = 0

    def tell(kind: str, count: int) -> None:
        nonlocal told
        told += 1
        if told == at:
            raise Cut

    try:
        carried: Carried = registry.export_mlflow(there.uri, "risk", tell=tell)
    except Cut:
        return None
    return carried
