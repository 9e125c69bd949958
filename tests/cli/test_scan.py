"""budwood scan: a file, a folder or a version; a table or JSON; an exit code that a gate can go by."""

import json
import subprocess
import sys
from pathlib import Path

import budwood
from budwood.scan.report import Verdict
from tests.scan import corpus


def run(*words: str, at: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "budwood", "--registry", str(at / "registry"), *words]
    return subprocess.run(command, cwd=at, capture_output=True, text=True, check=False)


def model(folder: Path, *, hostile: bool) -> Path:
    made = folder / "encoder"
    made.mkdir()
    (made / "notes.txt").write_text("nothing to see")
    if hostile:
        (made / "model.pt").write_bytes(corpus.zipped(("m/data.pkl", corpus.call("os", "system", "true"))))
    return made


def test_a_clean_folder_ends_with_0(tmp_path: Path) -> None:
    model(tmp_path, hostile=False)
    ended = run("scan", "encoder", at=tmp_path)
    assert (ended.returncode, ended.stdout) == (0, "1 file: 1 clean\n")


def test_a_hostile_folder_ends_with_5_and_says_where(tmp_path: Path) -> None:
    model(tmp_path, hostile=True)
    ended = run("scan", "encoder", at=tmp_path)
    assert ended.returncode == 5
    assert "m/data.pkl" in ended.stdout
    assert "refers to os.system" in ended.stdout
    assert "safetensors" in ended.stdout
    assert ended.stdout.endswith("2 files: 1 blocked, 1 clean\n")


def test_what_cannot_be_looked_at_ends_with_6(tmp_path: Path) -> None:
    (tmp_path / "weights.npy").write_bytes(b"\x93NUMPY\x01\x00")
    assert run("scan", "weights.npy", at=tmp_path).returncode == 6


def test_json_has_every_finding(tmp_path: Path) -> None:
    model(tmp_path, hostile=True)
    ended = run("scan", "encoder", "--json", at=tmp_path)
    said = json.loads(ended.stdout)
    assert ended.returncode == 5
    assert said["verdict"] == "blocked"
    (finding,) = said["files"][0]["findings"]
    assert finding.keys() == {"inner", "offset", "rule", "severity", "what", "fix"}
    assert (finding["inner"], finding["rule"], finding["severity"]) == ("m/data.pkl", "pickle-global", "block")


def test_a_left_out_file_is_not_looked_at(tmp_path: Path) -> None:
    model(tmp_path, hostile=True)
    assert run("scan", "encoder", "--exclude", "*.pt", at=tmp_path).returncode == 0


def test_a_link_is_refused_as_it_is_by_a_push(tmp_path: Path) -> None:
    model(tmp_path, hostile=False)
    (tmp_path / "encoder" / "link").symlink_to("/etc/hostname")
    ended = run("scan", "encoder", at=tmp_path)
    assert (ended.returncode, "link" in ended.stderr) == (2, True)


def test_a_version_is_scanned_where_it_is_kept(tmp_path: Path) -> None:
    made = model(tmp_path, hostile=True)
    with budwood.connect(tmp_path / "registry") as registry:
        registry.push(made, "ranker")
        report = registry.scan("ranker@v1")
        assert report == budwood.scan_files(made)
        assert report.verdict is Verdict.BLOCKED
    assert run("scan", "ranker@v1", at=tmp_path).returncode == 5


def test_what_is_neither_path_nor_version_is_not_found(tmp_path: Path) -> None:
    model(tmp_path, hostile=False)
    run("push", "encoder", "encoder", at=tmp_path)
    assert run("scan", "missing/model.pt", at=tmp_path).returncode in (2, 3)


def test_an_escape_in_a_finding_reaches_no_terminal(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(corpus.call("os", "\x1b[2Jsystem"))
    assert "\x1b" not in run("scan", "a.pkl", at=tmp_path).stdout
