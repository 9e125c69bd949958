"""Signatures: made from the manifest, read by the tool of OpenSSF, and counted by the keys a namespace trusts."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from model_signing import hashing, signing, verifying

from budwood.client.registry import Registry
from budwood.errors import BadValue, GateClosed, LimitExceeded, RecordNotFound

POLICY = """\
apiVersion: budwood.dev/v1
kind: Policy
metadata: {name: signed}
spec:
  stages: [production]
  requires: {signed: true}
"""
# The tool has no types.
SIGNING: Any = signing.Config
VERIFYING: Any = verifying.Config
HASHING: Any = hashing.Config
Keys = Callable[..., tuple[Path, Path]]


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    """A fresh key pair as two files in PEM."""

    def make(name: str = "key", curve: ec.EllipticCurve | None = None) -> tuple[Path, Path]:
        private = ec.generate_private_key(curve or ec.SECP256R1())
        return written(tmp_path, name, private)

    return make


def written(folder: Path, name: str, private: Any) -> tuple[Path, Path]:
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    secret, public = folder / f"{name}.pem", folder / f"{name}.pub"
    secret.write_bytes(private.private_bytes(pem, form, serialization.NoEncryption()))
    public.write_bytes(private.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
    return secret, public


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "encoder"
    for path in ("config.json", "a/x.bin", "a-b/y.bin", "z é.txt"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(json.dumps({"of": path}))
    return folder


@pytest.fixture
def pushed(registry: Registry, files: Path) -> Registry:
    registry.push(files, "encoder", label="1.0.0")
    return registry


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: curve.name)
def test_the_tool_accepts_our_signature_of_pulled_files(
    curve: ec.EllipticCurve, pushed: Registry, keys: Keys, tmp_path: Path
) -> None:
    secret, public = keys(curve=curve)
    signature = tmp_path / "model.sig"
    signature.write_text(pushed.sign("encoder@v1", secret.read_bytes()).body)
    pushed.pull("encoder@v1", tmp_path / "out")
    VERIFYING().use_elliptic_key_verifier(public_key=public).verify(tmp_path / "out", signature)
    (tmp_path / "out" / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="mismatch"):
        VERIFYING().use_elliptic_key_verifier(public_key=public).verify(tmp_path / "out", signature)


def test_a_signature_of_the_tool_is_kept_and_good(pushed: Registry, files: Path, keys: Keys, tmp_path: Path) -> None:
    secret, public = keys()
    signature = tmp_path / "model.sig"
    SIGNING().use_elliptic_key_signer(private_key=secret).sign(files, signature)
    pushed.gates.add_signature("encoder@v1", signature.read_text())
    pushed.gates.add_signature("encoder@v1", signature.read_text())
    assert len(pushed.gates.signatures("encoder@v1")) == 1
    assert len(pushed.verify_signature("encoder@v1", public.read_text())) == 1
    assert len(pushed.verify_signature("encoder@v1", public.read_text(), bundle=signature.read_text())) == 1
    assert pushed.verify_signature("encoder@v1", keys("other")[1].read_text()) == ()


def test_a_signature_of_other_files_is_not_kept(pushed: Registry, files: Path, keys: Keys, tmp_path: Path) -> None:
    (files / "config.json").write_text("{}")
    signature = tmp_path / "model.sig"
    SIGNING().use_elliptic_key_signer(private_key=keys()[0]).sign(files, signature)
    with pytest.raises(BadValue, match=r"config\.json"):
        pushed.gates.add_signature("encoder@v1", signature.read_text())
    assert pushed.gates.signatures("encoder@v1") == ()


def test_a_signature_by_parts_of_files_says_what_to_do(
    pushed: Registry, files: Path, keys: Keys, tmp_path: Path
) -> None:
    signature = tmp_path / "model.sig"
    by_parts = HASHING().use_shard_serialization(shard_size=16)
    SIGNING().use_elliptic_key_signer(private_key=keys()[0]).set_hashing_config(by_parts).sign(files, signature)
    with pytest.raises(BadValue, match="parts of files"):
        pushed.gates.add_signature("encoder@v1", signature.read_text())


def test_a_policy_lets_through_what_a_trusted_key_signed_and_nothing_else(pushed: Registry, keys: Keys) -> None:
    pushed.gates.put_policy(POLICY)
    asked = pushed.gates.request("encoder@v1", "production")
    secret, public = keys()
    pushed.sign("encoder@v1", secret.read_bytes())
    with pytest.raises(GateClosed, match="trusted"):
        pushed.gates.apply(asked.id)
    pushed.gates.trust_key("other", keys("other")[1].read_text())
    with pytest.raises(GateClosed, match="trusted"):
        pushed.gates.apply(asked.id)
    pushed.gates.trust_key("ci", public.read_text())
    assert pushed.gates.show(asked.id).allowed
    pushed.gates.remove_key("ci")
    with pytest.raises(GateClosed, match="trusted"):
        pushed.gates.apply(asked.id)
    pushed.gates.trust_key("ci", public.read_text())
    pushed.gates.apply(asked.id)
    assert pushed.get("encoder@production").number == 1


@pytest.mark.parametrize("change", ["payload", "sig", "hint"])
def test_a_changed_signature_is_not_good(change: str, pushed: Registry, keys: Keys) -> None:
    secret, public = keys()
    bundle = json.loads(pushed.sign("encoder@v1", secret.read_bytes()).body)
    envelope = bundle["dsseEnvelope"]
    if change == "payload":
        statement = json.loads(base64.b64decode(envelope["payload"]))
        statement["subject"][0]["name"] = "other"
        envelope["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()
    elif change == "sig":
        envelope["signatures"][0]["sig"] = base64.b64encode(b"0" * 70).decode()
    else:
        bundle["verificationMaterial"]["publicKey"]["hint"] = "ab" * 32
    pushed.gates.add_signature("encoder@v1", json.dumps(bundle))
    assert pushed.verify_signature("encoder@v1", public.read_text(), bundle=json.dumps(bundle)) == ()
    assert len(pushed.verify_signature("encoder@v1", public.read_text())) == 1


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "nonsense", '{"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json"}', "[" * 100_000],
)
def test_what_is_no_bundle_is_not_kept(text: str, pushed: Registry) -> None:
    with pytest.raises(BadValue):
        pushed.gates.add_signature("encoder@v1", text)


def test_signatures_are_evidence_that_nobody_tells(pushed: Registry, keys: Keys) -> None:
    with pytest.raises(BadValue, match="given"):
        pushed.gates.add_evidence("encoder@v1", "signature", outcome="passed")
    pushed.sign("encoder@v1", keys()[0].read_bytes())
    (found,) = pushed.gates.evidence("encoder@v1")
    assert (found.kind, found.body) == ("signature", "")


def test_a_version_has_only_so_many_signatures(pushed: Registry, keys: Keys) -> None:
    secret, _ = keys()
    for _ in range(20):
        pushed.sign("encoder@v1", secret.read_bytes())
    with pytest.raises(LimitExceeded) as full:
        pushed.sign("encoder@v1", secret.read_bytes())
    assert full.value.facts["limit"] == "SIGNATURES_PER_VERSION"


def test_only_keys_on_the_known_curves_are_taken(pushed: Registry, tmp_path: Path, keys: Keys) -> None:
    for number, private in enumerate((rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256K1()))):
        secret, public = written(tmp_path, str(number), private)
        with pytest.raises(BadValue):
            pushed.sign("encoder@v1", secret.read_bytes())
        with pytest.raises(BadValue):
            pushed.gates.trust_key("odd", public.read_text())
    for text in ("", "nonsense", keys()[0].read_text()):
        with pytest.raises(BadValue):
            pushed.gates.trust_key("odd", text)
    assert pushed.gates.trusted_keys() == ()


def test_keys_are_listed_and_removed_by_name_or_digits(pushed: Registry, keys: Keys) -> None:
    trusted = pushed.gates.trust_key("ci", keys()[1].read_text())
    again = pushed.gates.trust_key("nightly", trusted.pem)
    assert [each.name for each in pushed.gates.trusted_keys()] == ["nightly"]
    with pytest.raises(RecordNotFound):
        pushed.gates.remove_key("ci")
    assert pushed.gates.remove_key(again.key[:12]).name == "nightly"
    assert pushed.gates.trusted_keys() == ()
