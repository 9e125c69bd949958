"""Files of runs, by MLflow's own client: up, down, listed, in parts, removed, each byte for byte."""

import hashlib
import os
import socket
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import urllib3

from budwood.client.models.tensors import write_tensor_dict
from budwood.domain.limits import MIB
from budwood.domain.people import Quota
from budwood.domain.retention import Hold, Scope
from budwood.verbs.parts import begin, clear_scratch
from budwood.verbs.parts_ahead import FOLLOWED
from budwood.verbs.sweep import sweep
from tests.servers.running import TOKEN


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with two files and one in a folder below."""
    folder = tmp_path / "files"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "a.txt").write_bytes(b"first")
    (folder / "empty.json").write_bytes(b"")
    (folder / "deep" / "er" / "b c.bin").write_bytes(os.urandom(300_000))
    return folder


@pytest.fixture
def run(client: Any) -> str:
    return str(client.create_run("0").info.run_id)


def stored_bytes(home: Any) -> int:
    with home.house.catalog.read() as view:
        return sum(use.live_bytes for use in view.packs())


def test_a_folder_comes_back_as_it_was_logged(client: Any, run: str, files: Path, tmp_path: Path) -> None:
    client.log_artifacts(run, str(files), "model")
    back = Path(client.download_artifacts(run, "model", str(tmp_path)))
    found = {each.relative_to(back).as_posix(): each.read_bytes() for each in back.rglob("*") if each.is_file()}
    assert found == {
        each.relative_to(files).as_posix(): each.read_bytes() for each in files.rglob("*") if each.is_file()
    }


def test_listing_tells_files_with_sizes_and_folders(client: Any, run: str, files: Path) -> None:
    client.log_artifacts(run, str(files), "model")
    assert [(each.path, each.is_dir, each.file_size) for each in client.list_artifacts(run)] == [("model", True, None)]
    assert [(each.path, each.is_dir, each.file_size) for each in client.list_artifacts(run, "model")] == [
        ("model/a.txt", False, 5),
        ("model/deep", True, None),
        ("model/empty.json", False, 0),
    ]
    assert client.list_artifacts(run, "model/a.txt") == []
    assert client.list_artifacts(run, "nothing") == []


def test_a_run_says_that_its_artifacts_lie_in_this_server(client: Any, run: str, home: Any) -> None:
    assert client.get_run(run).info.artifact_uri == f"mlflow-artifacts:/0/{run}/artifacts"


def test_a_large_file_comes_in_parts_and_goes_whole(
    client: Any, run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Any
) -> None:
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", str(MIB))
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", str(5 * MIB))
    large = tmp_path / "large.bin"
    large.write_bytes(os.urandom(23 * MIB + 17))
    parts = home.house.scratch / "parts"
    before = set(parts.iterdir()) if parts.exists() else set()
    client.log_artifact(run, str(large), "weights")
    assert set(parts.iterdir()) == before
    back = Path(client.download_artifacts(run, "weights/large.bin"))
    assert back.read_bytes() == large.read_bytes()


def test_the_same_file_logged_twice_costs_nothing(client: Any, run: str, tmp_path: Path, home: Any) -> None:
    file = tmp_path / "weights.bin"
    file.write_bytes(os.urandom(2 * MIB))
    client.log_artifact(run, str(file))
    before = stored_bytes(home)
    client.log_artifact(client.create_run("0").info.run_id, str(file), "again")
    assert stored_bytes(home) == before


def test_what_was_removed_is_swept_and_what_was_not_is_kept(
    client: Any, run: str, files: Path, home: Any, tmp_path: Path
) -> None:
    from mlflow.artifacts import download_artifacts
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    client.log_artifacts(run, str(files), "one")
    other = tmp_path / "other.bin"
    other.write_bytes(os.urandom(MIB))
    client.log_artifact(run, str(other), "two")
    get_artifact_repository(client.get_run(run).info.artifact_uri).delete_artifacts("two")
    assert [each.path for each in client.list_artifacts(run)] == ["one"]
    swept = sweep(home.house, grace_s=0)
    assert swept.condemned_bytes >= MIB
    sweep(home.house, grace_s=0)
    back = Path(download_artifacts(run_id=run, artifact_path="one", tracking_uri=home.uri))
    assert (back / "deep" / "er" / "b c.bin").read_bytes() == (files / "deep" / "er" / "b c.bin").read_bytes()


def test_text_and_dicts_are_logged_and_read(run: str, home: Any) -> None:
    import mlflow

    with mlflow.start_run(run_id=run):
        mlflow.log_text("hello", "notes/a.txt")
        mlflow.log_dict({"a": 1}, "notes/b.json")
    assert mlflow.artifacts.load_text(f"runs:/{run}/notes/a.txt") == "hello"
    assert mlflow.artifacts.load_dict(f"runs:/{run}/notes/b.json") == {"a": 1}


def test_a_header_names_the_namespace_and_the_paths_of_artifacts_repeat_it(run: str, home: Any, tmp_path: Path) -> None:
    import mlflow
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    uri = f"mlflow-artifacts:/workspaces/{home.namespace}/0/{run}/artifacts"
    mlflow.set_tracking_uri(home.address)
    (tmp_path / "a.txt").write_text("x")
    repository = get_artifact_repository(uri)
    repository.log_artifact(str(tmp_path / "a.txt"), "in")
    assert [each.path for each in repository.list_artifacts("in")] == ["in/a.txt"]
    assert Path(repository.download_artifacts("in/a.txt")).read_text() == "x"
    mlflow.set_tracking_uri(home.uri)
    assert mlflow.artifacts.load_text(f"runs:/{run}/in/a.txt") == "x"


def test_what_is_under_a_legal_hold_is_not_removed(client: Any, run: str, files: Path, home: Any) -> None:
    client.log_artifacts(run, str(files), "model")
    hold = home.house.catalog.write(
        lambda transaction: transaction.add_hold(
            Hold(0, home.namespace, Scope.NAMESPACE, home.namespace, "an audit is under way", "", "mara", 1)
        )
    )
    path = f"/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/model"
    assert home.ask("DELETE", path)["error_code"] == "PERMISSION_DENIED"
    home.house.catalog.write(lambda transaction: transaction.lift_hold(replace(hold, lifted_ms=2, lifted_by="noor")))
    assert home.ask("DELETE", path)["status"] == 200
    assert client.list_artifacts(run) == []


def test_a_quota_counts_artifacts(client: Any, run: str, home: Any, tmp_path: Path) -> None:
    home.house.catalog.write(lambda transaction: transaction.set_quota(home.namespace, Quota(bytes=100_000)))
    file = tmp_path / "large.bin"
    file.write_bytes(os.urandom(200_000))
    path = f"/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/large.bin"
    reply = home.ask("PUT", path, body=file.read_bytes())
    assert reply["status"] in (403, 409)
    assert client.list_artifacts(run) == []


def test_what_was_never_complete_is_thrown_away(home: Any, run: str) -> None:
    begun = begin(home.house, home.namespace, "0/f", 2, "b" * 32)
    folder = home.house.scratch / "parts" / begun.upload
    left = home.house.scratch / "artifacts" / "left"
    left.parent.mkdir(exist_ok=True)
    left.write_bytes(b"x")
    clear_scratch(home.house)
    assert folder.exists()
    assert left.exists()
    for path in (folder, left):
        os.utime(path, (1, 1))
    clear_scratch(home.house)
    assert not folder.exists()
    assert not left.exists()


def test_a_fine_tune_of_a_logged_model_costs_its_difference(client: Any, home: Any, tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    weights = random.normal(size=1_000_000).astype(np.float32)
    sizes = [stored_bytes(home)]
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        write_tensor_dict({"net.weight": weights}, folder)
        client.log_artifacts(client.create_run("0").info.run_id, str(folder), "model")
        sizes.append(stored_bytes(home))
        weights = weights * (1 + random.normal(size=weights.size).astype(np.float32) * 1e-4)
        weights = weights.astype(np.float32)
    first, second = sizes[1] - sizes[0], sizes[2] - sizes[1]
    assert second < 0.8 * first


def in_parts(home: Any, run: str, sizes: list[int]) -> tuple[str, str, list[bytes]]:
    """The path of the file, the name of the upload, and parts of chance."""
    path = f"0/{run}/artifacts/w"
    reply = home.ask(
        "POST", f"/api/2.0/mlflow-artifacts/mpu/create/{path}", {"path": "large.bin", "num_parts": len(sizes)}
    )
    return path, reply["upload_id"], [os.urandom(size) for size in sizes]


def send(home: Any, upload: str, number: int, content: bytes) -> str:
    address = f"{home.uri}/api/2.0/mlflow-artifacts/mpu/part/{upload}/{number}"
    reply = urllib3.request("PUT", address, body=content, headers={"Authorization": f"Bearer {TOKEN}"}, retries=False)
    assert reply.status == 200, reply.data
    return reply.headers["etag"]


def end(home: Any, path: str, upload: str, marks: dict[int, str]) -> Any:
    parts = [{"part_number": number, "etag": mark} for number, mark in sorted(marks.items())]
    body = {"path": "large.bin", "upload_id": upload, "parts": parts}
    return home.ask("POST", f"/api/2.0/mlflow-artifacts/mpu/complete/{path}", body)


@pytest.mark.parametrize("order", [[1, 2, 3, 4, 5], [5, 4, 3, 2, 1], [2, 1, 5, 3, 4]], ids=str)
def test_parts_come_in_any_order_and_the_file_is_cut_as_a_whole_one(
    order: list[int], client: Any, run: str, home: Any, tmp_path: Path
) -> None:
    path, upload, parts = in_parts(home, run, [MIB] * 4 + [123_457])
    marks = {number: send(home, upload, number, parts[number - 1]) for number in order}
    assert end(home, path, upload, marks)["status"] == 200
    back = Path(client.download_artifacts(run, "w/large.bin"))
    assert back.read_bytes() == b"".join(parts)
    before = stored_bytes(home)
    whole = tmp_path / "whole.bin"
    whole.write_bytes(b"".join(parts))
    client.log_artifact(run, str(whole))
    assert stored_bytes(home) == before
    with home.house.catalog.read() as view:
        once = view.stored_file(home.namespace, f"0/{run}/artifacts/w/large.bin")
        again = view.stored_file(home.namespace, f"0/{run}/artifacts/whole.bin")
    assert once.entry.sha256 == again.entry.sha256 == hashlib.sha256(whole.read_bytes()).hexdigest()
    assert once.entry.spans == again.entry.spans


def test_a_part_that_is_sent_again_counts_and_not_what_was_there_before(client: Any, run: str, home: Any) -> None:
    path, upload, parts = in_parts(home, run, [MIB] * 5)
    marks = {number: send(home, upload, number, part) for number, part in enumerate(parts, 1)}
    parts[1] = os.urandom(MIB)
    old = dict(marks)
    marks[2] = send(home, upload, 2, parts[1])
    assert end(home, path, upload, old)["error_code"] == "INVALID_PARAMETER_VALUE"
    assert end(home, path, upload, marks)["status"] == 200
    assert Path(client.download_artifacts(run, "w/large.bin")).read_bytes() == b"".join(parts)


def test_parts_that_another_process_took_in_are_part_of_the_file(client: Any, run: str, home: Any) -> None:
    path, upload, parts = in_parts(home, run, [MIB] * 5)
    marks = {number: send(home, upload, number, part) for number, part in enumerate(parts[:2], 1)}
    followed = FOLLOWED.take(upload)
    assert followed is not None
    marks |= {number: send(home, upload, number, part) for number, part in enumerate(parts[2:], 3)}
    FOLLOWED.add(upload, followed)
    assert end(home, path, upload, marks)["status"] == 200
    assert Path(client.download_artifacts(run, "w/large.bin")).read_bytes() == b"".join(parts)


def test_an_upload_that_is_given_up_leaves_no_lease_behind(run: str, home: Any) -> None:
    path, upload, parts = in_parts(home, run, [MIB] * 5)
    for number, part in enumerate(parts[:3], 1):
        send(home, upload, number, part)
    body = {"path": "large.bin", "upload_id": upload}
    assert home.ask("POST", f"/api/2.0/mlflow-artifacts/mpu/abort/{path}", body)["status"] == 200
    until = time.monotonic() + 30
    while time.monotonic() < until:
        with home.house.catalog.read() as view:
            if not view.leases(now_ms=home.house.clock()):
                return
        time.sleep(0.01)
    raise AssertionError("a lease is left")


def test_a_large_body_that_breaks_off_is_nothing(client: Any, run: str, home: Any) -> None:
    head = f"PUT /ns/{home.namespace}/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/half.bin HTTP/1.1\r\n"
    fields = f"Host: localhost\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {40 * MIB}\r\n\r\n"
    host, port = home.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as line:
        line.sendall((head + fields).encode() + os.urandom(20 * MIB))
    assert client.list_artifacts(run) == []


def test_a_large_tensor_file_in_one_body_is_its_difference_from_the_one_before(
    client: Any, run: str, home: Any, tmp_path: Path
) -> None:
    random = np.random.default_rng(7)
    weights = random.normal(size=5 * MIB).astype(np.float32)
    sizes = [stored_bytes(home)]
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        write_tensor_dict({"net.weight": weights}, folder)
        client.log_artifact(run, str(folder / "model.safetensors"), str(number))
        sizes.append(stored_bytes(home))
        weights = weights.copy()
        weights[: MIB // 2] += 1
    first, second = sizes[1] - sizes[0], sizes[2] - sizes[1]
    assert second < 0.3 * first
    back = Path(client.download_artifacts(run, "1/model.safetensors"))
    assert back.read_bytes() == (tmp_path / "1" / "model.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [
        ("bytes=0-0", 206, slice(0, 1)),
        ("bytes=5-9", 206, slice(5, 10)),
        ("bytes=2500000-", 206, slice(2_500_000, None)),
        ("bytes=-7", 206, slice(-7, None)),
        ("bytes=-99999999", 206, slice(0, None)),
        ("bytes=100-99999999", 206, slice(100, None)),
        ("bytes=3000017-", 416, slice(0, 0)),
        ("bytes=-0", 416, slice(0, 0)),
        ("", 200, slice(0, None)),
        *((odd, 416, slice(0, 0)) for odd in ("bytes=-", "bytes=9-5", "bytes=0-1,4-5", "lines=0-1", "bytes=a-b")),
    ],
)
def test_a_range_is_sent_alone(client: Any, home: Any, run: str, asked: str, status: int, part: slice) -> None:
    content = np.random.default_rng(4).bytes(3_000_017)
    path = f"/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/large.bin"
    assert home.ask("PUT", path, body=content)["status"] == 200
    headers = {"Authorization": f"Bearer {TOKEN}", **({"Range": asked} if asked else {})}
    reply = urllib3.request("GET", home.uri + path, headers=headers, retries=False)
    assert reply.status == status
    if status != 416:
        assert reply.data == content[part]
    if status == 206:
        first, last, _ = part.indices(len(content))
        assert reply.headers["content-range"] == f"bytes {first}-{last - 1}/{len(content)}"
        stale = urllib3.request("GET", home.uri + path, headers={**headers, "If-Range": '"other"'}, retries=False)
        assert (stale.status, len(stale.data)) == (200, len(content))


def test_a_client_may_fetch_ranges_side_by_side(
    client: Any, run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD", "true")
    monkeypatch.setenv("MLFLOW_MULTIPART_DOWNLOAD_CHUNK_SIZE", str(MIB))
    large = tmp_path / "large one.bin"
    large.write_bytes(os.urandom(7 * MIB + 5))
    client.log_artifact(run, str(large), "weights")
    back = Path(client.download_artifacts(run, "weights/large one.bin"))
    assert back.read_bytes() == large.read_bytes()
