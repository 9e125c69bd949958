"""Dossiers: complete, signed, found out when changed, and harmless whatever was typed into a registry."""

import dataclasses
import html.parser
import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import budwood
from budwood.client.dossier import check_dossier
from budwood.client.near import Near
from budwood.client.registry import Registry
from budwood.domain.dossier.signed import LIST
from budwood.errors import BadValue, SourceNotFound, TargetDiffers, UnsafeEntry, VersionNotFound
from budwood.verifier import budwood_verify
from tests.verbs.conftest import MakeModel
from tests.verbs.test_retention import RULES, later

POLICY = """\
apiVersion: budwood.dev/v1
kind: Policy
metadata:
  name: production
spec:
  stages: [production]
  thresholds:
    - {metric: accuracy, operator: ">=", value: 0.9}
"""
HOSTILE = "</td></table><script>alert(1)</script><img src=x onerror=alert(1)> \"'&amp;"
TAGS = {
    *("html", "head", "meta", "title", "style", "body", "nav", "a", "strong", "h1", "h2", "p", "table", "tr", "th"),
    *("td", "ul", "li", "pre"),
}


class Seen(html.parser.HTMLParser):
    """What a browser would take for markup in a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


def seen(path: Path) -> Seen:
    page = Seen()
    page.feed(path.read_text("utf-8"))
    page.close()
    return page


@pytest.fixture
def released(registry: Registry, model: MakeModel) -> Registry:
    """A version with evidence that came to production through a policy, and its successor."""
    registry.push(model(), "encoder", label="1.0.0", datasets=["tickets"], metrics={"accuracy": 0.91})
    registry.gates.put_policy(POLICY)
    registry.gates.add_evidence("encoder@v1", "evaluation", metrics={"accuracy": 0.95}, dataset="holdout", samples=50)
    asked = registry.gates.request("encoder@v1", "production", "better")
    registry.gates.put_policy(POLICY + '    - {metric: f1, operator: ">=", value: 0.5}\n')
    registry.gates.put_policy(POLICY)
    registry.gates.apply(asked.id)
    registry.push(model(moved=0.01), "encoder", parents=["encoder@v1"])
    return registry


def test_a_dossier_tells_all_of_it_and_holds(released: Registry, tmp_path: Path) -> None:
    written = released.dossier("encoder@v1", tmp_path / "out")
    assert written.good
    assert (written.reference, written.digest) == ("default/encoder@v1", released.get("encoder@v1").digest)
    read: Callable[[str], dict[str, object]] = lambda name: json.loads((tmp_path / f"out/{name}.json").read_text())  # noqa: E731
    assert json.dumps(read("lineage")).count("encoder@v2") == 2
    approvals = json.dumps(read("approvals"))
    assert '"state": "applied"' in approvals
    assert '"inputs"' in approvals
    names = {path.name for path in (tmp_path / "out" / "policies").iterdir()}
    assert {"production-1.yaml", "production-3.yaml"} <= names  # those in force when it was asked, and when decided
    assert (tmp_path / "out/policies/production-1.yaml").read_text() == POLICY
    actions = [entry["action"] for entry in read("ledger")["ledger"]["entries"]]  # type: ignore[index]
    assert {"version.pushed", "evidence.added", "promotion.requested", "promotion.applied"} <= set(actions)
    assert '"serves":true' in (tmp_path / "out/serving.json").read_text()
    assert "bomFormat" in (tmp_path / "out/bom.json").read_text()
    assert "Gap: No result of a scan is recorded." in seen(tmp_path / "out/scan.html").text


def test_its_proofs_hold_for_the_verifier_that_stands_alone(released: Registry, tmp_path: Path) -> None:
    released.dossier("encoder@v1", tmp_path / "out")
    key = released.audit.checkpoint().key
    command = [sys.executable, budwood_verify.__file__, str(tmp_path / "out/ledger"), "--key", key, "--json"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    said = json.loads(ran.stdout)
    assert (ran.returncode, said["good"]) == (0, True)
    assert said["checked"]["entries"] >= 5
    assert said["checked"]["openings"] >= 1


def test_every_page_loads_nothing_and_every_link_leads_to_a_file(released: Registry, tmp_path: Path) -> None:
    released.dossier("encoder@v1", tmp_path / "out")
    pages = sorted((tmp_path / "out").glob("*.html"))
    assert len(pages) >= 13
    for path in pages:
        page = seen(path)
        assert page.tags <= TAGS
        assert "default-src 'none'" in path.read_text()
        for tag, name, value in page.attributes:
            if name in ("href", "src"):
                assert tag == "a"
                assert (tmp_path / "out" / value).is_file()


def test_every_item_of_the_rules_is_answered_or_is_a_gap(released: Registry, tmp_path: Path) -> None:
    released.dossier("encoder@v1", tmp_path / "out")
    page = seen(tmp_path / "out/requirements.html").text
    for item in ("2(g)", "12(1)", "effective challenge", "E10"):
        assert item in page
    assert "no legal advice" in page
    said = {each["item"]["number"]: each for each in json.loads((tmp_path / "out/requirements.json").read_text())}
    assert said["1(b)"]["answer"] == said["9"]["answer"] == "gap"
    assert said["2(g)"]["answer"] == "partly answered"
    assert "evidence of a fairness audit" in said["2(g)"]["lacks"]
    assert said["E6"]["answer"] == "answered"


@pytest.mark.parametrize("name", ["index.html", "facts.json", "ledger/proofs.jsonl", "bom.json"])
def test_a_file_that_is_changed_removed_or_added_is_named(name: str, released: Registry, tmp_path: Path) -> None:
    released.dossier("encoder@v1", tmp_path / "out")
    path = tmp_path / "out" / name
    written = path.read_bytes()
    path.write_bytes(written.replace(b"e", b"3", 1))
    assert check_dossier(tmp_path / "out").changed == (name,)
    path.unlink()
    assert check_dossier(tmp_path / "out").missing == (name,)
    path.write_bytes(written)
    (tmp_path / "out/evidence-2.json").write_text("{}")
    checked = check_dossier(tmp_path / "out")
    assert (checked.good, checked.added) == (False, ("evidence-2.json",))


def test_a_list_that_is_changed_or_of_another_key_does_not_hold(
    released: Registry, model: MakeModel, tmp_path: Path
) -> None:
    released.dossier("encoder@v1", tmp_path / "out")
    key = released.audit.checkpoint().key
    assert check_dossier(tmp_path / "out", key).trusted
    listed = json.loads((tmp_path / "out" / LIST).read_text())
    with budwood.in_memory() as elsewhere:
        elsewhere.push(model(), "encoder")
        other = elsewhere.audit.checkpoint().key
    assert not check_dossier(tmp_path / "out", other).good
    (tmp_path / "out" / LIST).write_text(
        json.dumps({**listed, "signatures": [{**listed["signatures"][0], "keyid": other}]})
    )
    assert not check_dossier(tmp_path / "out").signed
    for broken in (
        "{}",
        "[]",
        "nothing",
        json.dumps({**listed, "payload": "e30="}),
        json.dumps({**listed, "signatures": []}),
    ):
        (tmp_path / "out" / LIST).write_text(broken)
        with pytest.raises(BadValue):
            check_dossier(tmp_path / "out")
    (tmp_path / "out" / LIST).write_text(json.dumps(listed))
    with pytest.raises(BadValue, match="no key"):
        check_dossier(tmp_path / "out", "not a key")


def test_links_in_a_folder_and_folders_that_hold_no_dossier_are_refused(released: Registry, tmp_path: Path) -> None:
    released.dossier("encoder@v1", tmp_path / "out")
    with pytest.raises(TargetDiffers):
        released.dossier("encoder@v1", tmp_path / "out")
    (tmp_path / "out/more").symlink_to(tmp_path)
    with pytest.raises(UnsafeEntry):
        check_dossier(tmp_path / "out")
    with pytest.raises(SourceNotFound):
        check_dossier(tmp_path)
    with pytest.raises(VersionNotFound):
        released.dossier("encoder@v9", tmp_path / "other")


def test_text_in_any_field_stays_text(near: Registry, tmp_path: Path) -> None:
    place = near._place
    assert isinstance(place, Near)
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "<img src=x onerror=alert(1)>.json").write_text(json.dumps({"architectures": [HOSTILE]}))
    (folder / "README.md").write_text(f'---\nlicense: "<script>"\npipeline_tag: "<b>"\n---\n{HOSTILE}\n')
    near.push(
        folder,
        "encoder",
        message=HOSTILE + "\u202e\x07",
        params={"epochs": HOSTILE},
        metrics={"accuracy": 0.5},
        tags={"team": HOSTILE},
        datasets=["<script>alert(1)</script>"],
        base_model=HOSTILE,
    )
    near.gates.put_policy(POLICY + f"# {HOSTILE}\n")
    near.gates.add_evidence("encoder@v1", "evaluation", metrics={"accuracy": 0.95, "<script>": 1.0}, summary=HOSTILE)
    asked = near.gates.request("encoder@v1", "production", HOSTILE)
    near.gates.approve(asked.id, reason=HOSTILE)
    near.retention.put_rules(RULES + f"# {HOSTILE}\n")
    near.retention.set("encoder", "forever", reason=HOSTILE)
    near.holds.place(HOSTILE, "<script>alert(1)</script>", model="encoder")
    near.retire("encoder@v1", HOSTILE)
    near.dossier("encoder@v1", tmp_path / "out")
    shown = 0
    for path in (tmp_path / "out").glob("*.html"):
        page, written = seen(path), path.read_text("utf-8")
        assert page.tags <= TAGS, path
        assert not any(name.startswith("on") or name in ("src", "style") for _, name, _ in page.attributes), path
        assert "<script" not in written
        assert "\u202e" not in written
        assert "\x07" not in written
        shown += "<script>alert(1)</script>" in page.text
    assert shown >= 7


def test_files_of_evidence_come_along_under_harmless_names(
    registry: Registry, model: MakeModel, tmp_path: Path
) -> None:
    registry.push(model(), "encoder")
    (tmp_path / "report.html").write_text("<script>alert(1)</script>")
    (tmp_path / "scores.json").write_text("{}")
    files = [tmp_path / "report.html", tmp_path / "scores.json"]
    added = registry.gates.add_evidence("encoder@v1", "fairness", outcome="passed", files=files)
    registry.dossier("encoder@v1", tmp_path / "out")
    kept = sorted(path.name for path in (tmp_path / "out/evidence").iterdir())
    assert kept == [f"{added.id}-1.dat", f"{added.id}-2.json"]
    assert (tmp_path / f"out/evidence/{added.id}-1.dat").read_text() == "<script>alert(1)</script>"
    assert "report.html" in (tmp_path / "out/evidence.json").read_text()


def test_a_version_whose_bytes_went_still_has_a_dossier_that_says_so(
    near: Registry, model: MakeModel, tmp_path: Path
) -> None:
    near.push(model(), "encoder")
    near.retention.put_rules(RULES)
    then = later(near, 31)
    then.retention.apply(then.retention.due())
    for _ in range(2):
        then.sweep(grace_s=0)
    assert near.dossier("encoder@v1", tmp_path / "out").good
    assert "Gap: The bytes of its files were let go" in seen(tmp_path / "out/files.html").text
    assert "version.bytes-let-go" in (tmp_path / "out/ledger.json").read_text()


def test_what_nobody_knows_is_told_as_a_gap(near: Registry, model: MakeModel, tmp_path: Path) -> None:
    near.push(model(), "encoder")
    near.alias("encoder@v1", "champion")
    near.dossier("encoder@v1", tmp_path / "out")
    told = seen(tmp_path / "out/index.html").text
    for gap in ("There is no evidence at all", "served without a promotion", "No policy", "the data it was trained on"):
        assert gap in told
    assert dataclasses.is_dataclass(check_dossier(tmp_path / "out"))


def test_a_dataset_has_a_dossier_too(near: Registry, tmp_path: Path) -> None:
    (tmp_path / "tickets.csv").write_text("id,text\n1,<script>alert(1)</script>\n")
    near.datasets.add("tickets", str(tmp_path / "tickets.csv"))
    near.push(tmp_path / "tickets.csv", "encoder", datasets=["tickets@v1"])
    assert near.dossier("tickets@v1", tmp_path / "out").good
    assert "encoder@v1" in seen(tmp_path / "out/lineage.html").text
    assert seen(tmp_path / "out/facts.html").tags <= TAGS


def test_of_policies_those_are_told_that_were_in_force_at_a_request_or_a_decision_or_are_now(tmp_path: Path) -> None:
    ticks = itertools.count(1_795_000_000_000, 1_000)
    (tmp_path / "config.json").write_text("{}")
    with budwood.in_memory(author="mara", clock=lambda: next(ticks)) as registry:
        registry.push(tmp_path / "config.json", "encoder")
        good = {"accuracy": 0.95}
        registry.gates.add_evidence("encoder@v1", "evaluation", metrics=good, samples=50)
        for number in range(1, 7):
            registry.gates.put_policy(POLICY + f"# {number}\n")
            if number == 2:
                asked = registry.gates.request("encoder@v1", "production", "better")
            if number == 4:
                registry.gates.apply(asked.id)
        registry.dossier("encoder@v1", tmp_path / "out")
    names = sorted(path.name for path in (tmp_path / "out" / "policies").iterdir())
    assert names == ["production-2.yaml", "production-4.yaml", "production-6.yaml"]
