"""diff and search at the verb: settings that only look like settings, damage, pages and limits."""

import json
import random
from pathlib import Path

import pytest

import budwood
from budwood.client.registry import Registry
from budwood.errors import BadReference, Damaged, Invalid, ModelNotFound, VersionNotFound


def push_settings(registry: Registry, folder: Path, content: bytes, name: str = "config.json") -> None:
    (folder / name).write_bytes(content)
    registry.push(folder / name, "m")


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("a.json", b"{", b"}"),
        ("a.json", b"\xff\xfe", b"{}"),
        ("a.json", b"[" * 100_000, b"{}"),
        ("a.json", b'{"a": NaN}', b'{"a": 1}'),
        ("a.json", b'{"a": 1e999}', b'{"a": 1}'),
        ("a.json", b'{"a": 1, "a": 2}', b'{"a": 1}'),
        ("a.json", b'{"a": ' + b"9" * 5000 + b"}", b'{"a": 1}'),
        ("a.json", b"", b"null"),
        ("a.yaml", b"a: &x [*x]", b"a: 1"),
        ("a.yaml", b"!!python/object/apply:os.system [true]", b"a: 1"),
        ("a.yaml", b"a: 2026-01-01", b"a: 2026-01-02"),
        ("a.yaml", b"? [a, b]\n: 1", b"a: 1"),
        ("a.yaml", b"{" * 5000, b"a: 1"),
        ("a.yml", b"a: .nan", b"a: .inf"),
    ],
)
def test_a_file_that_only_looks_like_settings_is_a_changed_file(
    tmp_path: Path, name: str, before: bytes, after: bytes
) -> None:
    with budwood.in_memory(author="mara") as registry:
        push_settings(registry, tmp_path, before, name)
        push_settings(registry, tmp_path, after, name)
        change = registry.diff("m@v1", "m@v2")
        assert change.files.changed == (name,)
        assert change.summary
        assert registry.push(tmp_path / name, "n", bump="auto").version.label == "1.0.0"


def test_settings_are_compared_key_by_key(registry: Registry, tmp_path: Path) -> None:
    push_settings(registry, tmp_path, json.dumps({"lr": 1, "deep": {"a": [1, 2]}}).encode())
    push_settings(registry, tmp_path, json.dumps({"lr": 2, "deep": {"a": [1, 3]}}).encode())
    change = registry.diff("m@v1", "m@v2")
    assert {(each.before, each.after) for each in change.config} >= {(1, 2)}


def test_a_damaged_block_makes_a_diff_fail_and_not_lie(on_disk: Registry, tmp_path: Path) -> None:
    for number in range(2):
        push_settings(on_disk, tmp_path, json.dumps({"text": random.Random(number).randbytes(3000).hex()}).encode())
    entry = on_disk.get("m@v1").manifest.files[0]
    rows = on_disk.house.index.find(entry.spans[0].blocks)
    row = rows[entry.spans[0].blocks[0]]
    pack = next(path for path in (tmp_path / "registry").rglob("*.pack") if path.stem == row.pack)
    content = bytearray(pack.read_bytes())
    content[row.offset + row.length // 2] ^= 1
    pack.chmod(0o644)
    pack.write_bytes(content)
    with pytest.raises(Damaged):
        on_disk.diff("m@v1", "m@v2")


def test_a_version_does_not_differ_from_itself(registry: Registry, tmp_path: Path) -> None:
    push_settings(registry, tmp_path, b"{}")
    change = registry.diff("m@v1", "m")
    assert change.files.changed == change.files.added == change.files.removed == ()


def test_what_cannot_be_compared_is_named(registry: Registry, tmp_path: Path) -> None:
    push_settings(registry, tmp_path, b"{}")
    for before, error in (("m@v9", VersionNotFound), ("n", ModelNotFound), ("m@@", BadReference), ("", Invalid)):
        with pytest.raises(error):
            registry.diff(before, "m")
