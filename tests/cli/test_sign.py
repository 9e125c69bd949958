"""Signing, checking and trusting keys, as it is typed."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.cli.conftest import Run


@pytest.fixture
def pair() -> None:
    """key.pem (opened by "secret") and pub.pem in the current folder, and the public half of another key."""
    private, other = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    pem, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    locked = serialization.BestAvailableEncryption(b"secret")
    Path("key.pem").write_bytes(private.private_bytes(pem, serialization.PrivateFormat.PKCS8, locked))
    Path("pub.pem").write_bytes(private.public_key().public_bytes(pem, form))
    Path("other.pem").write_bytes(other.public_key().public_bytes(pem, form))
    Path("password").write_text("secret\n")


def test_a_version_is_signed_and_checked(ask: Run, pair: None) -> None:
    signed = ask("sign", "encoder@v1", "--key", "key.pem", "--password-file", "password", "--output", "model.sig")
    assert (signed.code, signed.out[:34]) == (0, "Signed encoder@1.0.0 with the key "), signed.err
    for more in ([], ["--signature", "model.sig"]):
        checked = ask("verify-signature", "encoder@v1", "--key", "pub.pem", *more)
        assert (checked.code, "is signed" in checked.out) == (0, True)
    wrong = ask("verify-signature", "encoder@v1", "--key", "other.pem", "--json")
    assert (wrong.code, wrong.json["signed"]) == (6, False)
    assert ask("verify-signature", "encoder@v2", "--key", "pub.pem").code == 6
    assert ask("verify-signature", "encoder@v2", "--key", "pub.pem", "--signature", "model.sig").code == 6
    assert ask("sign", "encoder@v1", "--signature", "model.sig").code == 0
    assert ask("sign", "encoder@v2", "--signature", "model.sig").code == 2


def test_a_key_that_is_not_opened_or_not_there_is_said(ask: Run, pair: None) -> None:
    for words in (["--key", "key.pem"], ["--key", "pub.pem"], [], ["--key", "key.pem", "--signature", "key.pem"]):
        assert ask("sign", "encoder@v1", *words).code == 2
    assert ask("sign", "encoder@v1", "--key", "nowhere.pem").code == 3


def test_a_namespace_trusts_keys_and_takes_that_back(ask: Run, pair: None) -> None:
    assert "nothing counts as signed" in ask("key", "list").out
    trusted = ask("key", "trust", "pub.pem", "--name", "ci", "--json").json
    assert ask("key", "list", "--json").json["keys"] == [trusted]
    assert ask("key", "remove", trusted["key"][:12]).out == "The key ci is trusted no more.\n"
    assert ask("key", "remove", "ci").code == 3
