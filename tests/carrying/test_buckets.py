"""Artifacts in an object store, read by the import itself: below the address that was named, and nowhere else."""

import shutil
import sqlite3
from pathlib import Path

import obstore
import pytest

import budwood
from budwood.client.carrying.buckets import Bucket as Place
from budwood.errors import SourceNotFound, UnsafeEntry
from tests.servers.stock import Stock
from tests.servers.swift import Bucket

LOCATIONS = (
    *(("runs", "artifact_uri"), ("logged_models", "artifact_location")),
    *(("model_versions", "source"), ("model_versions", "storage_location")),
)


@pytest.fixture
def filled_bucket(s3_bucket: Bucket, stock: Stock, monkeypatch: pytest.MonkeyPatch) -> str:
    """All artifacts of the server, below an address in a bucket that the environment lets this process read."""
    for key, value in {**s3_bucket.environment, "AWS_ALLOW_HTTP": "true"}.items():
        monkeypatch.setenv(key, value)
    address = f"{s3_bucket.url}/team/mlflow"
    store = obstore.store.from_url(address)
    for each in stock.artifacts.rglob("*"):
        if each.is_file():
            obstore.put(store, each.relative_to(stock.artifacts).as_posix(), each)
    return address


def test_a_bucket_gives_what_the_folder_gives(filled_bucket: str, stock: Stock, tmp_path: Path) -> None:
    digests = []
    for number, place in enumerate((filled_bucket, str(stock.artifacts))):
        with budwood.connect(tmp_path / f"registry-{number}") as registry:
            carried = registry.import_mlflow(stock.database, artifacts=[place])
        assert carried.equal, carried.differences
        assert carried.tally("files").brought == 6
        digests.append(carried.digest)
    assert digests[0] == digests[1]


def test_addresses_in_a_database_are_read_where_they_were_named(
    filled_bucket: str, stock: Stock, tmp_path: Path
) -> None:
    database = tmp_path / "moved.db"
    shutil.copy(stock.database.removeprefix("sqlite:///"), database)
    with sqlite3.connect(database) as connection:
        for table, column in LOCATIONS:
            connection.execute(
                f"UPDATE {table} SET {column} = replace({column}, 'mlflow-artifacts:', ?)", [filled_bucket]
            )
    connection.close()
    with budwood.connect(tmp_path / "registry") as registry:
        carried = registry.import_mlflow(f"sqlite:///{database}", artifacts=[filled_bucket])
        assert carried.tally("files").brought == 6
        assert not [each for each in carried.differences if each.kind == "files"]
    with budwood.connect(tmp_path / "other") as registry:
        unnamed = registry.import_mlflow(f"sqlite:///{database}")
    assert unnamed.tally("files").brought == 0
    assert any(
        "--artifacts" in str(each.reason) or "not on this machine" in each.reason for each in unnamed.differences
    )


@pytest.mark.parametrize(
    "location",
    ["s3://other/mlflow", "s3://team/mlflow-2", "s3://team", "s3://team/mlflow@evil/x", "https://team/mlflow"],
)
def test_nothing_outside_of_the_address_is_read(location: str) -> None:
    with pytest.raises(SourceNotFound):
        Place("s3://team/mlflow").files(location)


@pytest.mark.parametrize(
    "location", ["s3://team/mlflow/../secret", "mlflow-artifacts:/../x", "s3://team/mlflow/a/../../b"]
)
def test_no_address_leads_out(location: str) -> None:
    with pytest.raises(UnsafeEntry):
        Place("s3://team/mlflow").files(location)
