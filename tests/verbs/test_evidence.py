"""Evidence with files, details and signatures, and the registry's own scan, wherever the registry is."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import ec

import budwood
from budwood.client.attaching import signed
from budwood.client.registry import Registry
from budwood.domain import asks_gates as asks
from budwood.domain.asks_gates import AddEvidence, Attached
from budwood.domain.limits import EVIDENCE_DETAILS, EVIDENCE_FILES, EVIDENCE_FILES_BYTES
from budwood.domain.policy.evidence import Evidence, EvidenceKind, Interval, Outcome
from budwood.domain.routes import gates as routes
from budwood.domain.signature import read_bundle
from budwood.errors import BadValue, GateClosed, LimitExceeded, QuotaExceeded, RecordNotFound, SourceNotFound
from budwood.verbs.kept_evidence import evidence_digest
from budwood.verbs.needed import every_file_of_evidence
from budwood.verbs.sweep import sweep
from budwood.wiring import restore
from tests.scan import corpus

V1 = {"namespace": "default", "model": "encoder", "selector": "v1"}
POLICY = """\
apiVersion: budwood.dev/v1
kind: Policy
metadata: {name: production}
spec:
  stages: [production]
  requires: {%s: true}
  thresholds:
    - {metric: accuracy, operator: ">=", value: 0.9}
"""


@pytest.fixture
def model(registry: Registry, tmp_path: Path) -> Registry:
    (tmp_path / "config.json").write_text('{"layers": 2}')
    registry.push(tmp_path / "config.json", "encoder")
    return registry


def keys() -> tuple[str, str]:
    private = ec.generate_private_key(ec.SECP256R1())
    secret = private.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()).decode()
    public = private.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo).decode()
    return secret, public


def noise(size: int) -> bytes:
    return np.random.default_rng(size).bytes(size)


# Files


def test_files_come_back_as_they_were_given(model: Registry, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_bytes(b"<b>fine</b>")
    large = Attached("large.bin", noise(5_000_000))
    given = (tmp_path / "report.html", large, Attached("empty", b""))
    added = model.gates.add_evidence(
        "encoder@v1", "fairness", outcome="passed", files=given, details={"tool": "own 2.1"}
    )
    (listed,) = model.gates.evidence("encoder@v1")
    assert listed == added
    assert [(each.name, each.size) for each in listed.files] == [
        ("report.html", 11),
        ("large.bin", 5_000_000),
        ("empty", 0),
    ]
    assert listed.files[1].sha256 == hashlib.sha256(large.content).hexdigest()
    assert listed.details == {"tool": "own 2.1"}
    found = model.gates.evidence_files("encoder@v1", added.digest[:8])
    assert found == (Attached("report.html", b"<b>fine</b>"), large, Attached("empty", b""))


def test_files_outlive_sweeps_and_a_new_index_and_are_verified(model: Registry, tmp_path: Path) -> None:
    model.gates.add_evidence("encoder@v1", "fairness", outcome="passed", files=[Attached("a.bin", noise(300_000))])
    doomed = tmp_path / "doomed.bin"
    doomed.write_bytes(noise(200_000))
    model.push(doomed, "doomed")
    model.delete("doomed@v1")
    for _ in range(2):
        assert model.sweep(grace_s=0).waiting_blocks == 0
    digest = model.gates.evidence("encoder@v1")[0].digest
    assert model.gates.evidence_files("encoder@v1", digest)[0].content == noise(300_000)
    assert model.rebuild_index() > 0
    model.sweep(grace_s=0)
    assert model.gates.evidence_files("encoder@v1", digest)[0].content == noise(300_000)
    assert model.verify(read_data=True).problems == ()


def test_bytes_a_version_had_already_are_shared_and_stay_when_it_goes(model: Registry, tmp_path: Path) -> None:
    (tmp_path / "same.bin").write_bytes(noise(8_000))
    model.push(tmp_path / "same.bin", "doomed")
    before = model.stats().stored_bytes
    added = model.gates.add_evidence("encoder@v1", "fairness", outcome="passed", files=[tmp_path / "same.bin"])
    assert model.stats().stored_bytes - before < 4_000
    model.delete("doomed@v1")
    for _ in range(2):
        model.sweep(grace_s=0)
    assert model.gates.evidence_files("encoder@v1", added.digest)[0].content == noise(8_000)


def test_evidence_that_came_while_a_sweep_looked_keeps_its_files(near: Registry, tmp_path: Path) -> None:
    """The sweep had marked what is needed before it came, and must look again."""
    (tmp_path / "same.bin").write_bytes(noise(8_000))
    near.push(tmp_path / "same.bin", "doomed")
    near.push(tmp_path / "same.bin", "encoder")
    near.delete("doomed@v1")
    catalog, came = near.house.catalog, list[Evidence]()

    class Late:
        """The catalog, in which evidence comes just before the sweep's first write."""

        def __getattr__(self, name: str) -> object:
            return getattr(catalog, name)

        def write(self, work: Callable[..., object]) -> object:
            if not came:
                came.append(near.gates.add_evidence("encoder@v1", "fairness", summary="x", files=[tmp_path / "b.bin"]))
            return catalog.write(work)

    (tmp_path / "b.bin").write_bytes(noise(9_000))
    near.push(tmp_path / "b.bin", "gone")
    near.delete("gone@v1")
    sweep(replace(near.house, catalog=Late()), grace_s=0)  # type: ignore[arg-type]
    assert near.gates.evidence_files("encoder@v1", came[0].digest)[0].content == noise(9_000)
    assert near.verify(read_data=True).problems == ()


def test_files_are_in_a_backup(on_disk: Registry, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    on_disk.push(tmp_path / "config.json", "encoder")
    added = on_disk.gates.add_evidence("encoder@v1", "fairness", summary="x", files=[Attached("a", noise(9_000))])
    on_disk.backup(tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "again")
    with budwood.connect(tmp_path / "again") as again:
        assert again.gates.evidence_files("encoder@v1", added.digest)[0].content == noise(9_000)
        again.sweep(grace_s=0)
        assert again.verify(read_data=True).problems == ()


def test_a_missing_block_of_a_file_is_found_by_verify_by_its_evidence(near: Registry, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    near.push(tmp_path / "config.json", "encoder")
    added = near.gates.add_evidence("encoder@v1", "fairness", summary="x", files=[Attached("a", noise(9_000))])
    block = bytes.fromhex(added.files[0].blocks[0])
    near.house.catalog.write(lambda transaction: transaction.condemn([block], at_ms=1))
    (problem,) = near.verify().problems
    assert problem.versions == (f"evidence {added.digest[:12]}",)


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".hidden", "a/b", "a\\b", "C:x", "a\nb", "a\0b", "x" * 129, "a\u202eb", "a?b"]
)
def test_a_file_with_an_odd_name_is_refused(name: str, model: Registry) -> None:
    with pytest.raises(BadValue):
        model.gates.add_evidence("encoder@v1", "fairness", summary="x", files=[Attached(name, b"x")])
    assert model.gates.evidence("encoder@v1") == ()


def test_too_many_too_large_and_twice_named_files_are_refused(model: Registry, tmp_path: Path) -> None:
    add = model.gates.add_evidence
    many = [Attached(f"f{n}", b"x") for n in range(EVIDENCE_FILES + 1)]
    with pytest.raises(LimitExceeded) as refused:
        add("encoder@v1", "fairness", summary="x", files=many)
    assert refused.value.facts["limit"] == "EVIDENCE_FILES"
    half = Attached("a", bytes(EVIDENCE_FILES_BYTES // 2 + 1))
    with pytest.raises(LimitExceeded) as refused:
        add("encoder@v1", "fairness", summary="x", files=[half, replace(half, name="b")])
    assert refused.value.facts["limit"] == "EVIDENCE_FILES_BYTES"
    with pytest.raises(BadValue, match="one name"):
        add("encoder@v1", "fairness", summary="x", files=[Attached("a", b"1"), Attached("a", b"2")])
    with pytest.raises(SourceNotFound):
        add("encoder@v1", "fairness", summary="x", files=[tmp_path / "nothing"])
    details = {f"d{n}": "x" for n in range(EVIDENCE_DETAILS + 1)}
    with pytest.raises(LimitExceeded, match="details"):
        add("encoder@v1", "fairness", summary="x", details=details)
    assert model.gates.evidence("encoder@v1") == ()


def test_files_of_nothing_and_of_too_few_digits_are_not_found(model: Registry) -> None:
    added = model.gates.add_evidence("encoder@v1", "fairness", summary="x", files=[Attached("a", b"x")])
    for digest in ("00000000", added.digest[:7], "%", added.digest + "00"):
        with pytest.raises(RecordNotFound):
            model.gates.evidence_files("encoder@v1", digest)


def test_files_count_against_the_quota(model: Registry) -> None:
    held = model.admin.namespaces.usage("default").bytes
    model.admin.namespaces.set_quota("default", bytes=held + 10_000)
    with pytest.raises(QuotaExceeded):
        model.gates.add_evidence("encoder@v1", "fairness", summary="x", files=[Attached("a", noise(50_000))])
    assert model.gates.evidence("encoder@v1") == ()
    model.gates.add_evidence("encoder@v1", "fairness", summary="x", files=[Attached("a", noise(5_000))])


def test_evidence_of_before_there_were_files_keeps_its_digest() -> None:
    before = Evidence(3, "ab" * 32, EvidenceKind.EVALUATION, "mara", "mara", ("writer",), 17, metrics={"acc": 0.5})
    before = replace(before, intervals={"acc": Interval(0.4, 0.6)})
    assert evidence_digest(before) == "ab21db86ad94a23653da753e8629e38c476ee7aa988d21464a04a791709ecd66"


# Signatures


def test_evidence_is_signed_checked_and_asked_for_by_a_policy(model: Registry) -> None:
    secret, public = keys()
    gates = model.gates
    gates.put_policy(POLICY % "evidenceSigned")
    with pytest.raises(BadValue, match="does not trust the key"):
        gates.add_evidence("encoder@v1", "evaluation", metrics={"accuracy": 0.95}, key=secret)
    trusted = gates.trust_key("ci", public)
    gates.add_evidence("encoder@v1", "evaluation", metrics={"accuracy": 0.95})
    asked = gates.request("encoder@v1", "production")
    (check,) = gates.show(asked.id).checks
    assert (check.state, "not signed" in check.why) == ("undecided", True)
    added = gates.add_evidence(
        "encoder@v1", "evaluation", metrics={"accuracy": 0.95}, key=secret, files=[Attached("a.txt", b"x")]
    )
    assert added.key == trusted.key
    assert gates.evidence("encoder@v1")[-1].key == trusted.key
    assert gates.show(asked.id).allowed
    gates.remove_key("ci")
    assert not gates.show(asked.id).allowed
    with pytest.raises(GateClosed):
        gates.apply(asked.id)
    gates.trust_key("ci again", public)
    assert gates.apply(asked.id).promotion.state == "applied"


@pytest.mark.parametrize(
    "change",
    [
        {"metrics": {"accuracy": 0.99}},
        {"kind": EvidenceKind.FAIRNESS},
        {"outcome": Outcome.PASSED},
        {"samples": 2_000},
        {"dataset": "other"},
        {"summary": "fine"},
        {"details": {"a": "b"}},
        {"files": ()},
        {"files": (Attached("a.txt", b"y"),)},
        {"files": (Attached("b.txt", b"x"),)},
    ],
)
def test_a_signature_of_something_else_is_refused(change: dict[str, object], near: Registry, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    near.push(tmp_path / "config.json", "encoder")
    secret, public = keys()
    near.gates.trust_key("ci", public)
    said = AddEvidence(EvidenceKind.EVALUATION, metrics={"accuracy": 0.95}, files=(Attached("a.txt", b"x"),))
    wish = signed(said, near.get("encoder@v1").record, secret)
    with pytest.raises(BadValue, match="something else"):
        near._place.ask(routes.ADD_EVIDENCE, V1, body=replace(wish, **change))  # type: ignore[arg-type]
    assert near._place.ask(routes.ADD_EVIDENCE, V1, body=wish).key


def test_a_signature_about_another_version_or_by_another_key_is_refused(model: Registry, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"layers": 3}')
    model.push(tmp_path / "config.json", "encoder")
    secret, public = keys()
    model.gates.trust_key("ci", public)
    said = AddEvidence(EvidenceKind.EVALUATION, metrics={"accuracy": 0.95})
    of_v2 = signed(said, model.get("encoder@v2").record, secret)
    with pytest.raises(BadValue, match="something else"):
        model._place.ask(routes.ADD_EVIDENCE, V1, body=of_v2)
    of_v1, theirs = (signed(said, model.get("encoder@v1").record, each) for each in (secret, keys()[0]))
    forged = theirs.bundle.replace(_hint(theirs), _hint(of_v1))
    with pytest.raises(BadValue, match="not by the key"):
        model._place.ask(routes.ADD_EVIDENCE, V1, body=replace(theirs, bundle=forged))
    for bundle in ("{}", "no", '{"mediaType": 1}'):
        with pytest.raises(BadValue):
            model._place.ask(routes.ADD_EVIDENCE, V1, body=replace(said, bundle=bundle))
    assert model.gates.evidence("encoder@v1") == ()


def _hint(wish: asks.AddEvidence) -> str:
    return read_bundle(wish.bundle).key


# The registry's own scan

SCANNED = POLICY.partition("  thresholds")[0] % "scanned"


def hostile(tmp_path: Path, registry: Registry) -> None:
    (tmp_path / "model.pkl").write_bytes(corpus.call("os", "system", "true"))
    registry.push(tmp_path / "model.pkl", "encoder")


def test_what_must_be_scanned_is_scanned_by_the_registry_when_it_is_asked_for(model: Registry) -> None:
    model.gates.put_policy(SCANNED)
    assert model.gates.evidence("encoder@v1") == ()
    asked = model.gates.request("encoder@v1", "production")
    (scan,) = model.gates.evidence("encoder@v1")
    assert (scan.kind, scan.author, scan.roles, scan.outcome) == ("scan", "the registry", ("scanner",), "passed")
    assert scan.subject == model.get("encoder@v1").record.digest
    assert scan.details == {"scanner": budwood.scan.report.VERSION}
    assert model.gates.apply(asked.id).promotion.state == "applied"


def test_what_would_run_code_stays_out(model: Registry, tmp_path: Path) -> None:
    hostile(tmp_path, model)
    model.gates.put_policy(SCANNED)
    asked = model.gates.request("encoder@v2", "production")
    with pytest.raises(GateClosed, match=r"os\.system"):
        model.gates.apply(asked.id)


def test_a_claim_that_it_was_scanned_opens_nothing(model: Registry, tmp_path: Path) -> None:
    hostile(tmp_path, model)
    model.gates.put_policy(SCANNED)
    asked = model.gates.request("encoder@v2", "production")
    model.gates.add_evidence("encoder@v2", "scan", outcome="passed", summary="Clean, trust me.")
    with pytest.raises(GateClosed):
        model.gates.apply(asked.id)


def test_another_scanner_that_found_something_blocks(model: Registry) -> None:
    model.gates.put_policy(SCANNED)
    asked = model.gates.request("encoder@v1", "production")
    model.gates.add_evidence("encoder@v1", "scan", outcome="failed", summary="Theirs found a backdoor.")
    with pytest.raises(GateClosed, match="backdoor"):
        model.gates.apply(asked.id)


def test_a_policy_that_comes_after_the_request_finds_it_scanned_when_it_is_applied(model: Registry) -> None:
    model.gates.put_policy(POLICY.partition("  requires")[0] + "  requires: {formats: [json]}\n")
    asked = model.gates.request("encoder@v1", "production")
    model.gates.put_policy(SCANNED)
    assert model.gates.apply(asked.id).promotion.state == "applied"


def test_a_scan_is_made_once_for_a_scanner_and_again_for_a_newer_one(
    near: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.json").write_text("{}")
    near.push(tmp_path / "config.json", "encoder")
    first = near.gates.scan("encoder@v1")
    assert near.gates.scan("encoder@v1") == first
    monkeypatch.setattr("budwood.verbs.scans.VERSION", "2")
    newer = near.gates.scan("encoder@v1")
    assert (newer.details, len(near.gates.evidence("encoder@v1"))) == ({"scanner": "2"}, 2)


def test_an_error_is_looked_at_again_and_never_passes(model: Registry, tmp_path: Path) -> None:
    (tmp_path / "weights.npy").write_bytes(b"\x93NUMPY\x01\x00")
    model.push(tmp_path / "weights.npy", "encoder")
    model.gates.put_policy(SCANNED)
    asked = model.gates.request("encoder@v2", "production")
    assert model.gates.evidence("encoder@v2")[0].outcome == "error"
    with pytest.raises(GateClosed):
        model.gates.apply(asked.id)
    model.gates.scan("encoder@v2")
    # The same error again is no news, and voids no review.
    assert len(model.gates.evidence("encoder@v2")) == 1


def test_a_push_scans_nothing(model: Registry, tmp_path: Path) -> None:
    hostile(tmp_path, model)
    model.gates.put_policy(SCANNED)
    assert model.gates.evidence("encoder@v2") == ()


def test_files_of_evidence_are_found_by_id_for_every_namespace(near: Registry, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    near.admin.namespaces.add("risk")
    near.push(tmp_path / "config.json", "encoder")
    near.push(tmp_path / "config.json", "risk/encoder")
    near.gates.add_evidence("encoder@v1", "fairness", summary='"files":[{')
    for reference in ("encoder@v1", "risk/encoder@v1"):
        near.gates.add_evidence(reference, "fairness", summary="x", files=[Attached("a", b"x")])
    assert [(room, len(each.files)) for room, each in every_file_of_evidence(near.house)] == [
        ("default", 1),
        ("risk", 1),
    ]
