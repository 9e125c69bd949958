"""Importing from MLflow: everything comes, once, under its own ids and times; cut short it goes on."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import budwood
from budwood.domain.carrying.report import Carried
from budwood.errors import NameTaken
from tests.servers.running import TOKEN
from tests.servers.stock import Stock

POLICY = """\
apiVersion: budwood.dev/v1
kind: Policy
metadata: {name: production}
spec:
  stages: [production]
  aliases: [champion]
  reviews:
    - {role: reviewer, count: 1}
"""


def test_what_the_client_is_told_here_is_what_it_is_told_there(both: Any, team: str, stock: Stock, shown: Any) -> None:
    with budwood.connect(team, token=TOKEN) as registry:
        carried = registry.import_mlflow(stock.uri, "risk")
    assert carried.equal, carried.differences
    assert shown(both.here) == shown(both.there)
    assert counts(carried) == {
        "experiments": 3, "runs": 5, "metric points": 166, "logged models": 1, "models": 4, "versions": 6,
        "aliases": 1, "stages": 1, "traces": 2, "spans": 4, "evaluation datasets": 1, "evaluation records": 3,
        "scorers": 1, "label schemas": 1, "issues": 1, "MCP servers": 2, "MCP versions": 3, "files": 6,
    }  # fmt: skip


def test_traces_and_what_judges_them_come_as_they_are(both: Any, team: str, stock: Stock, judged: Any) -> None:
    with budwood.connect(team, token=TOKEN) as registry:
        carried = registry.import_mlflow(stock.uri, "risk")
    assert carried.equal, carried.differences
    assert judged(both.here) == judged(both.there)


def test_mcp_servers_come_with_all_their_versions_and_ways(both: Any, team: str, stock: Stock, reached: Any) -> None:
    with budwood.connect(team, token=TOKEN) as registry:
        carried = registry.import_mlflow(stock.uri, "risk", with_files=False)
    assert carried.equal, carried.differences
    assert reached(both.here) == reached(both.there)


def test_files_come_bit_for_bit_and_versions_load_by_number_alias_and_stage(
    both: Any, team: str, stock: Stock, tmp_path: Path
) -> None:
    with budwood.connect(team, token=TOKEN) as registry:
        registry.import_mlflow(stock.uri, "risk")
        pulled = tmp_path / "pulled"
        registry.pull("risk/churn-model@champion", pulled)
    there, here = (fetched(each, tmp_path / name) for name, each in (("there", both.there), ("here", both.here)))
    assert there == here
    assert len(there) == 4
    model = {name.removeprefix("model/"): digest for name, digest in there.items() if name.startswith("model/")}
    assert digests(pulled) == model


def test_a_second_import_brings_nothing_and_finds_everything_the_same(stock: Stock, tmp_path: Path) -> None:
    with budwood.connect(tmp_path / "registry") as registry:
        first, second = registry.import_mlflow(stock.uri), registry.import_mlflow(stock.uri)
    assert (first.digest, first.equal) == (second.digest, second.equal) == (first.digest, True)
    assert [each.brought for each in second.tallies] == [0] * len(second.tallies)
    assert second.bytes == 0


@pytest.mark.parametrize("at", [1, 9, 20, 26])
def test_an_import_cut_short_anywhere_goes_on_and_comes_to_the_same(at: int, stock: Stock, tmp_path: Path) -> None:
    class Cut(Exception):
        pass

    told = 0

    def tell(kind: str, count: int) -> None:
        nonlocal told
        told += 1
        if told == at:
            raise Cut

    with budwood.connect(tmp_path / "registry") as registry:
        with pytest.raises(Cut):
            registry.import_mlflow(stock.uri, tell=tell)
        carried = registry.import_mlflow(stock.uri)
    assert carried.equal, carried.differences
    assert counts(carried)["runs"] == 5
    assert carried.digest == whole(stock, tmp_path)


def test_an_import_that_was_killed_goes_on(stock: Stock, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "budwood", "--registry", str(tmp_path / "registry"), "import", "mlflow", stock.uri]
    child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    journal = tmp_path / "cache" / "budwood" / "mlflow"
    until = time.monotonic() + 120
    while child.poll() is None and not any(each.stat().st_size for each in journal.glob("*.jsonl")):
        assert time.monotonic() < until
        time.sleep(0.002)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    done = subprocess.run([*words, "--json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["digest"] == whole(stock, tmp_path)


def test_a_database_and_its_folder_give_what_their_server_gives(stock: Stock, tmp_path: Path) -> None:
    with budwood.connect(tmp_path / "registry") as registry:
        carried = registry.import_mlflow(stock.database, artifacts=[stock.artifacts])
    assert carried.equal, carried.differences
    assert carried.digest == whole(stock, tmp_path)


def test_an_old_folder_of_runs_is_read(
    filled: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    folder = tmp_path / "mlruns"
    filled(folder.as_uri())
    with budwood.connect(tmp_path / "registry") as registry:
        carried = registry.import_mlflow(str(folder))
        moved = folder.rename(tmp_path / "elsewhere")
        elsewhere = registry.import_mlflow(str(moved), dry_run=True)
    assert carried.equal, carried.differences
    assert {"runs": 5, "models": 4, "versions": 6, "files": 6, "metric points": 166}.items() <= counts(carried).items()
    assert counts(elsewhere)["files"] == 6


def test_who_brings_a_version_is_its_author_and_the_source_only_says_who_made_it(stock: Stock, tmp_path: Path) -> None:
    with budwood.connect(tmp_path / "registry", author="eva") as registry:
        registry.import_mlflow(stock.uri)
        detail = registry.get("churn-model@champion").detail()
        entries = registry.ledger(limit=1000)
    tags = {each.key: each.value for each in detail.tags}
    assert (detail.version.author, detail.version.number) == ("eva", 3)
    assert tags["budwood.imported.from"] == stock.uri
    assert {each.actor for each in entries} == {"eva"}
    told = [id_ for each in entries if each.action == "runs.imported" for id_ in ids_in(each.body["ids"])]
    assert len(set(told)) == len(told) == 5


def test_a_guarded_alias_stays_where_it_is_and_is_told(stock: Stock, tmp_path: Path) -> None:
    with budwood.connect(tmp_path / "registry") as registry:
        registry.gates.put_policy(POLICY)
        carried = registry.import_mlflow(stock.uri)
        stages = {each.number: each.stage for each in registry.log("churn-model").versions}
    told = {(each.kind, each.name): each.reason for each in carried.differences}
    assert told.keys() == {("aliases", "Churn Model@champion"), ("stages", "Churn Model/1: Production")}
    assert all("guard" in reason for reason in told.values()), told
    assert "production" not in {str(stage) for stage in stages.values()}


def test_an_alias_that_was_moved_here_since_is_left(stock: Stock, tmp_path: Path) -> None:
    with budwood.connect(tmp_path / "registry") as registry:
        registry.import_mlflow(stock.uri)
        registry.alias("churn-model@v1", "champion")
        carried = registry.import_mlflow(stock.uri)
        assert registry.get("churn-model@champion").number == 1
    assert [each.name for each in carried.differences] == ["Churn Model@champion"]


def test_nothing_is_written_where_something_of_that_name_is_from_elsewhere(stock: Stock, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "a.txt").write_text("mine")
    with budwood.connect(tmp_path / "registry") as registry:
        registry.push(tmp_path / "own", "net")
        before = len(registry.ledger(limit=1000))
        with pytest.raises(NameTaken, match="net"):
            registry.import_mlflow(stock.uri)
        assert len(registry.ledger(limit=1000)) == before
    words = [sys.executable, "-m", "budwood", "--registry", str(tmp_path / "registry"), "import", "mlflow", stock.uri]
    assert subprocess.run(words, capture_output=True, check=False).returncode == 4


def test_a_dry_run_lists_what_would_come_and_writes_nothing(stock: Stock, tmp_path: Path) -> None:
    with budwood.connect(tmp_path / "registry") as registry:
        carried = registry.import_mlflow(stock.uri, dry_run=True)
        assert len(registry.list()) == 0
    assert counts(carried)["runs"] == 5
    assert "model 'Churn Model': 2 versions, champion at 3" in carried.notes
    assert carried.bytes > 600_000


def ids_in(value: object) -> list[str]:
    assert isinstance(value, list | tuple)
    return [str(each) for each in value]


def counts(carried: Carried) -> dict[str, int]:
    return {each.kind: each.found for each in carried.tallies}


_WHOLE: dict[str, str] = {}


def whole(stock: Stock, tmp_path: Path) -> str:
    """The digest of an import that nothing disturbed."""
    if stock.uri not in _WHOLE:
        with budwood.connect(tmp_path / "undisturbed") as registry:
            _WHOLE[stock.uri] = registry.import_mlflow(stock.uri).digest
    return _WHOLE[stock.uri]


def fetched(client: Any, folder: Path) -> dict[str, str]:
    """The files of the run that has some, as the client downloads them."""
    folder.mkdir()
    churn = client.get_experiment_by_name("churn").experiment_id
    run = next(each for each in client.search_runs([churn]) if each.info.run_name == "run 0")
    client.download_artifacts(run.info.run_id, "", str(folder))
    return digests(folder)


def digests(folder: Path) -> dict[str, str]:
    return {
        os.path.relpath(each, folder): hashlib.sha256(each.read_bytes()).hexdigest()
        for each in sorted(folder.rglob("*"))
        if each.is_file()
    }
