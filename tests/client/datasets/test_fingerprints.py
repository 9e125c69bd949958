"""Fingerprints of files, folders and addresses, and what is refused at the door."""

import gzip
import hashlib
import os
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from budwood.client.datasets import sources
from budwood.client.datasets.fingerprints import fingerprint
from budwood.domain.dataset import Form
from budwood.errors import (
    BadValue,
    FileChanged,
    NotOffered,
    SourceNotFound,
    TargetUnreachable,
    UnsafeEntry,
)

PARQUET = Path(__file__).parent / "files" / "tickets.parquet"
CSV = "id,text\n1,lost card\n2,new address\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder for data."""
    made = tmp_path / "data"
    made.mkdir()
    return made


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def web(folder: Path) -> Iterator[str]:
    """A plain web server of the folder, which knows no ranges."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_csv_has_the_digest_of_its_bytes_and_the_rows_of_its_lines(folder: Path) -> None:
    path = folder / "tickets.csv"
    path.write_text(CSV)
    found = fingerprint(str(path))
    assert (found.form, found.source, found.rows, found.size_bytes) == (Form.CSV, str(path), 2, len(CSV))
    assert found.sha256 == hashlib.sha256(CSV.encode()).hexdigest()


def test_a_packed_csv_is_read_inside_and_hashed_outside(folder: Path) -> None:
    path = folder / "tickets.csv.gz"
    path.write_bytes(gzip.compress(CSV.encode()))
    found = fingerprint(str(path))
    assert (found.rows, found.sha256) == (2, hashlib.sha256(path.read_bytes()).hexdigest())
    path.write_bytes(b"\x1f\x8b no, not really")
    with pytest.raises(BadValue, match="packed wrongly"):
        fingerprint(str(path))


def test_a_parquet_file_is_hashed_whole_and_read_from_its_end(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Chunks so small that the footer comes in many of them.
    monkeypatch.setattr(sources, "STEP", 100)
    monkeypatch.setattr(sources, "TAIL_BYTES", 5_000)
    shutil.copy(PARQUET, folder / "t.pq")
    found = fingerprint(str(folder / "t.pq"))
    assert (found.form, found.rows, len(found.columns)) == (Form.PARQUET, 5, 12)
    assert found.sha256 == hashlib.sha256(PARQUET.read_bytes()).hexdigest()


def test_what_is_no_table_is_a_file_by_its_bytes(folder: Path) -> None:
    path = folder / "notes.txt"
    path.write_text("a,b\n1\n")
    assert fingerprint(str(path)).form is Form.FILE
    path = path.rename(folder / "broken.csv")
    with pytest.raises(BadValue):
        fingerprint(str(path))
    assert fingerprint(str(path), form="file").rows is None
    with pytest.raises(BadValue, match="form"):
        fingerprint(str(path), form="folder")


def test_a_folder_of_equal_tables_is_a_table(folder: Path) -> None:
    (folder / "day=1").mkdir()
    (folder / "day=1" / "part-0.csv").write_text("id,text\n1,a\n")
    (folder / "part-1.csv").write_text("id,text\n2,b\n3,c\n")
    (folder / "_SUCCESS").write_text("")
    found = fingerprint(str(folder))
    assert (found.form, found.rows, found.size_bytes) == (Form.FOLDER, 3, 28)
    assert [file.path for file in found.files] == ["_SUCCESS", "day=1/part-0.csv", "part-1.csv"]
    assert found.statistics[0].most == "3"
    assert fingerprint(str(folder), exclude=["part-1.csv"]).rows == 1


def test_a_folder_of_parquet_files_adds_up(folder: Path) -> None:
    for name in ("a.parquet", "b.parquet"):
        shutil.copy(PARQUET, folder / name)
    assert fingerprint(str(folder)).rows == 10


def test_a_folder_of_other_files_is_its_files_and_no_table(folder: Path) -> None:
    (folder / "a.csv").write_text("id\n1\n")
    (folder / "b.csv").write_text("other\n1\n")
    found = fingerprint(str(folder))
    assert (found.rows, found.columns, len(found.files)) == (None, (), 2)
    assert found.files[0].sha256 == hashlib.sha256(b"id\n1\n").hexdigest()
    (folder / "c.bin").write_bytes(b"\0")
    assert fingerprint(str(folder)).sha256 != found.sha256


def test_the_digest_of_a_folder_is_of_names_and_contents_only(folder: Path, tmp_path: Path) -> None:
    (folder / "a.bin").write_bytes(b"1")
    (folder / "b.bin").write_bytes(b"2")
    copied = Path(shutil.copytree(folder, tmp_path / "elsewhere"))
    (copied / "budwood.dataset.json").write_text("{}")
    os.utime(copied / "a.bin", (1, 1))
    assert fingerprint(str(copied)).sha256 == fingerprint(str(folder)).sha256
    (copied / "a.bin").rename(copied / "c.bin")
    assert fingerprint(str(copied)).sha256 != fingerprint(str(folder)).sha256


def test_a_path_is_kept_whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "a.csv").write_text(CSV)
    monkeypatch.chdir(folder)
    assert fingerprint("a.csv").source == str(folder / "a.csv")
    assert fingerprint("../data/a.csv").source == str(folder.resolve() / "a.csv")


def test_a_fifo_is_refused_and_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe.csv")
    with pytest.raises(UnsafeEntry):
        fingerprint(str(folder / "pipe.csv"))
    with pytest.raises(UnsafeEntry):
        fingerprint(str(folder))
    with pytest.raises(SourceNotFound):
        fingerprint(str(folder / "none.csv"))


def test_a_file_that_grows_while_it_is_read_is_noticed(folder: Path) -> None:
    path = folder / "log.csv"
    path.write_text(CSV)

    def grow(_: int) -> None:
        with path.open("a") as file:
            file.write("9,more\n")

    with pytest.raises(FileChanged):
        fingerprint(str(path), progress=grow)


def test_data_behind_an_address_has_the_fingerprint_it_has_here(folder: Path, web: str) -> None:
    (folder / "t.csv").write_text(CSV)
    shutil.copy(PARQUET, folder / "t.parquet")
    for name in ("t.csv", "t.parquet"):
        here, there = fingerprint(str(folder / name)), fingerprint(f"{web}/{name}?version=1", pointer=True)
        assert there.source == f"{web}/{name}?version=1"
        assert (there.sha256, there.rows, there.statistics) == (here.sha256, here.rows, here.statistics)


def test_an_object_store_is_read_with_what_the_environment_says(
    folder: Path, web: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A web server answers as S3 does when nobody signs: GET /bucket/key.
    (folder / "lake").mkdir()
    (folder / "lake" / "t.csv").write_text(CSV)
    monkeypatch.setenv("AWS_ENDPOINT_URL", web)
    for name, value in (("ALLOW_HTTP", "true"), ("SKIP_SIGNATURE", "true"), ("REGION", "eu")):
        monkeypatch.setenv(f"AWS_{name}", value)
    found = fingerprint("s3://lake/t.csv", pointer=True)
    assert (found.source, found.rows) == ("s3://lake/t.csv", 2)
    with pytest.raises(SourceNotFound):
        fingerprint("s3://lake/none.csv")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(TargetUnreachable):
        fingerprint("s3://lake/t.csv")


def test_nothing_behind_an_address_and_nobody_there_are_two_things(web: str) -> None:
    with pytest.raises(SourceNotFound):
        fingerprint(f"{web}/none.csv")
    with pytest.raises(TargetUnreachable):
        fingerprint("http://127.0.0.1:1/none.csv")


@pytest.mark.parametrize(
    "url",
    [
        "https://mara:geheim@host/t.csv",
        "https://geheim@host/t.csv",
        "s3://AKIA:geheim@bucket/t.csv",
        "https://host/t.csv?X-Amz-Signature=geheim",
        "https://host/t.csv?sig=geheim&se=2026",
        "https://host/t.csv?access_token=geheim",
        "https://host/t.csv#geheim",
    ],
)
def test_an_address_with_a_secret_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(BadValue) as refused:
        fingerprint(url)
    assert "geheim" not in refused.value.message + refused.value.hint


@pytest.mark.parametrize("url", ["ftp://host/t.csv", "file:///etc/passwd", "data://x"])
def test_addresses_of_other_kinds_are_not_offered(url: str) -> None:
    with pytest.raises(NotOffered):
        fingerprint(url)
