"""Certificates in a document are understood as what they are, or refused by the name of the field."""

import base64
import ssl
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.domain.limits import TRUSTED_BYTES
from budwood.domain.traffic.reading import read_endpoint
from budwood.domain.traffic.trust import BackendTrust, read_trust
from budwood.errors import BadEndpoint

PEM = """\
-----BEGIN CERTIFICATE-----
MIIBNTCB3KADAgECAgEHMAoGCCqGSM49BAMCMBkxFzAVBgNVBAMMDnRlc3QgYXV0
aG9yaXR5MCAXDTI2MDEwMTAwMDAwMFoYDzIxMjYwMTAxMDAwMDAwWjAZMRcwFQYD
VQQDDA50ZXN0IGF1dGhvcml0eTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABBo2
KP57i7qWv3A7ShLZCcOeI+GhNZ58a/68ugM3sdvMk8C77GFVLld++oiV6ImevZcc
fDOPAIw7Eag5VBeo7xmjEzARMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwID
SAAwRQIgLXKIq8WK4ephGpMGWoHJVaJ1fdeAiLA+F6scIxLmg2ICIQCZozL6y83l
t/Iq4+ufvVEGh7bEWvehx1z4j6s8jHYVoQ==
-----END CERTIFICATE-----
"""
DER = ssl.PEM_cert_to_DER_cert(PEM)
AT = "spec.arms.stable.tls"


def of(text: object) -> str:
    return read_trust({"ca": text}, AT, is_https=True).ca


def test_what_stands_around_certificates_is_left_out() -> None:
    assert of(PEM) == PEM
    assert of(f"subject=ours\n{PEM}\r\nissuer=ours\n{PEM.replace(chr(10), chr(13) + chr(10))}") == PEM + PEM


def test_an_arm_is_checked_unless_its_document_says_otherwise() -> None:
    def trust(**more: Any) -> BackendTrust:
        arm = {"version": "v1", "backends": ["https://a.example"], **more}
        spec = {"model": "fraud", "arms": {"stable": arm}}
        head = {"apiVersion": "budwood.dev/v1", "kind": "Endpoint", "metadata": {"name": "fraud"}}
        return read_endpoint({**head, "spec": spec}, "default").arms[0].trust

    assert trust() == trust(tls={}) == trust(tls={"verify": True}) == BackendTrust("", is_checked=True)
    assert trust(tls={"verify": False}) == BackendTrust("", is_checked=False)
    assert trust(tls={"ca": PEM}) == BackendTrust(PEM)
    with pytest.raises(BadEndpoint, match="the backends are http"):
        trust(backends=["http://a.example"], tls={"ca": PEM})


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (5, "is 5 and not a text"),
        ("", "holds no certificate"),
        ("authority.pem", "holds no certificate"),
        (PEM.replace("MI", "!!", 1), "is none"),
        (PEM.partition("-----END")[0], "is none"),
        (PEM + PEM.replace("MI", "MA", 1), r"\(number 2\)"),
        (ssl.DER_cert_to_PEM_cert(DER + b"more"), "is none"),
        (ssl.DER_cert_to_PEM_cert(b"\x30\x03\x02\x01\x00"), "is none"),
        (PEM + "-----BEGIN PRIVATE KEY-----\n", "holds a private key"),
        (PEM * (TRUSTED_BYTES // len(PEM) + 1), "is longer than"),
    ],
)
def test_what_is_no_certificate_is_refused(value: object, said: str) -> None:
    with pytest.raises(BadEndpoint, match=said) as caught:
        of(value)
    assert caught.value.facts["field"] == f"{AT}.ca"


def test_nothing_is_named_where_nothing_is_checked() -> None:
    with pytest.raises(BadEndpoint, match="of no use"):
        read_trust({"ca": PEM, "verify": False}, AT, is_https=True)
    with pytest.raises(BadEndpoint, match="verify"):
        read_trust({"verify": "no"}, AT, is_https=True)
    with pytest.raises(BadEndpoint, match="verfy is not known"):
        read_trust({"verfy": True}, AT, is_https=True)


@given(st.integers(0, len(DER) - 1), st.integers(0, 255), st.text(max_size=20))
def test_a_changed_certificate_is_read_or_refused(at: int, byte: int, around: str) -> None:
    changed = DER[:at] + bytes([byte]) + DER[at + 1 :]
    pem = ssl.DER_cert_to_PEM_cert(changed)
    try:
        assert of(around + pem + around) == pem
    except BadEndpoint:
        assert changed != DER


@given(st.binary(max_size=200), st.text(max_size=200))
def test_anything_else_is_refused(der: bytes, text: str) -> None:
    armoured = f"-----BEGIN CERTIFICATE-----{base64.b64encode(der).decode()}-----END CERTIFICATE-----"
    for each in (armoured, text, armoured + text, "-----BEGIN CERTIFICATE-----" + text):
        with pytest.raises(BadEndpoint):
            of(each)
