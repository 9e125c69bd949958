"""Programs that read through fsspec read versions."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest

import budwood
from budwood.client.filesystem import BudwoodFileSystem
from budwood.client.registry import Registry
from budwood.errors import NotOffered, RegistryNotFound

TABLE = "name,score\nada,1\nmara,2\n"


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """Two versions of ``encoder`` (the first labelled 1.0.0) and one of ``team/ranker``."""
    folder = tmp_path / "pushed"
    (folder / "tables").mkdir(parents=True)
    (folder / "tables" / "scores.csv").write_text(TABLE)
    (folder / "config.json").write_text('{"layers": 1}')
    np.save(folder / "weights.npy", np.arange(3_000_000, dtype=np.float32))
    with budwood.connect(tmp_path / "registry") as registry:
        registry.push(folder, "encoder", label="1.0.0", aliases=["champion"])
        (folder / "config.json").write_text('{"layers": 2}')
        registry.push(folder, "encoder")
        registry.push(folder / "config.json", "team/ranker", label="0.1.0")
        yield registry


@pytest.fixture
def files(registry: Registry) -> Iterator[BudwoodFileSystem]:
    system = fsspec.filesystem("budwood", registry=registry.place)
    yield system
    system.close()


def test_models_hold_versions_and_versions_hold_files(files: BudwoodFileSystem) -> None:
    assert files.ls("", detail=False) == ["encoder", "team/ranker"]
    assert files.ls("budwood://encoder", detail=False) == ["encoder@1.0.0", "encoder@v2"]
    assert files.ls("team/ranker", detail=False) == ["team/ranker@0.1.0"]
    listed = files.ls("encoder@champion")
    assert {(entry["name"], entry["type"]) for entry in listed} == {
        ("encoder@champion/config.json", "file"),
        ("encoder@champion/tables", "directory"),
        ("encoder@champion/weights.npy", "file"),
    }
    assert files.ls("encoder@v1/tables", detail=False) == ["encoder@v1/tables/scores.csv"]


def test_a_file_is_described_and_keyed_by_its_content(files: BudwoodFileSystem) -> None:
    first = files.info("budwood://encoder@1.0.0/config.json")
    assert (first["type"], first["size"]) == ("file", 13)
    assert files.ukey("encoder@v1/config.json") == first["sha256"] == files.ukey("encoder@champion/config.json")
    assert files.ukey("encoder@v2/config.json") != first["sha256"]
    assert files.ukey("encoder@v1/tables/scores.csv") == files.ukey("encoder@v2/tables/scores.csv")
    assert files.isdir("encoder@v1/tables")
    assert files.isdir("encoder@v1")
    assert files.isdir("encoder")


def test_find_glob_and_walk_reach_every_file(files: BudwoodFileSystem) -> None:
    everything = ["encoder@v2/config.json", "encoder@v2/tables/scores.csv", "encoder@v2/weights.npy"]
    assert files.find("encoder@v2") == everything
    assert files.glob("encoder@v2/*.npy") == everything[2:]
    assert files.glob("encoder@v2/**/*.csv") == everything[1:2]
    assert len(files.find("")) == 7


def test_what_is_not_there_is_a_file_not_found(files: BudwoodFileSystem) -> None:
    for path in ("nobody", "encoder@v9", "encoder@v1/none", "encoder@v1/tab", "encoder@v1/../config.json"):
        assert not files.exists(path)
        with pytest.raises(FileNotFoundError):
            files.info(path)
        with pytest.raises(FileNotFoundError):
            files.ls(path)
    with pytest.raises(FileNotFoundError):
        files.open("encoder@v1/none")
    with pytest.raises(IsADirectoryError):
        files.open("encoder@v1")


def test_a_moved_alias_is_followed_at_once(files: BudwoodFileSystem, registry: Registry) -> None:
    assert files.cat_file("encoder@champion/config.json") == b'{"layers": 1}'
    registry.alias("encoder@v2", "champion")
    assert files.cat_file("encoder@champion/config.json") == b'{"layers": 2}'
    registry.delete("team/ranker@0.1.0")
    assert not files.exists("team/ranker@0.1.0/config.json")


def test_ranges_are_those_of_a_slice(files: BudwoodFileSystem) -> None:
    content = TABLE.encode()
    for start, end in ((None, None), (3, 9), (-5, None), (None, -5), (0, 0), (9, 3), (5, 10_000), (-10_000, 4)):
        assert files.cat_file("encoder@v1/tables/scores.csv", start, end) == content[start:end]
    assert files.cat_ranges(["encoder@v1/config.json"] * 2, [0, 2], [1, 8]) == [b"{", b"layers"]
    assert files.cat(["encoder@v1/config.json", "encoder@v2/config.json"]).keys() == {
        "encoder@v1/config.json",
        "encoder@v2/config.json",
    }


def test_a_file_is_read_at_any_position(files: BudwoodFileSystem) -> None:
    with files.open("encoder@v1/weights.npy") as file:
        assert np.load(file)[-1] == 2_999_999
        file.seek(-4, 2)
        assert np.frombuffer(file.read(), np.float32)[0] == 2_999_999
        file.seek(128 + 4 * 1_500_000)
        assert np.frombuffer(file.read(4), np.float32)[0] == 1_500_000


def test_nothing_can_be_written(files: BudwoodFileSystem) -> None:
    for mode in ("wb", "ab", "r+b"):
        with pytest.raises(NotOffered, match="read-only"):
            files.open("encoder@v1/new.txt", mode)


def test_pandas_numpy_and_safetensors_read_through_it(registry: Registry, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    safetensors = pytest.importorskip("safetensors.numpy")
    options = {"registry": registry.place}
    frame = pandas.read_csv("budwood://encoder@champion/tables/scores.csv", storage_options=options)
    assert frame["score"].tolist() == [1, 2]
    safetensors.save_file({"w": np.eye(3)}, tmp_path / "model.safetensors")
    registry.push(tmp_path / "model.safetensors", "small")
    with fsspec.open("budwood://small@v1/model.safetensors", **options) as file:
        assert safetensors.load(file.read())["w"].tolist() == np.eye(3).tolist()


def test_text_and_copies_come_through_fsspec_itself(files: BudwoodFileSystem, tmp_path: Path) -> None:
    with files.open("encoder@v1/tables/scores.csv", "r") as file:
        assert file.readline() == "name,score\n"
    files.get("encoder@v1/", str(tmp_path / "copy"), recursive=True)
    assert (tmp_path / "copy" / "tables" / "scores.csv").read_text() == TABLE


def test_fsspec_finds_it_without_budwood_being_imported(registry: Registry) -> None:
    program = (
        "import fsspec, sys; assert 'budwood' not in sys.modules\n"
        "with fsspec.open('budwood://encoder@1.0.0/config.json') as file: print(file.read().decode())\n"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program],
        env={"BUDWOOD_REGISTRY": registry.place, "PATH": ""},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert printed == '{"layers": 1}\n'


def test_reading_never_makes_a_registry(tmp_path: Path) -> None:
    with pytest.raises(RegistryNotFound):
        fsspec.filesystem("budwood", registry=str(tmp_path / "none")).ls("")
    assert not (tmp_path / "none").exists()
