"""Who is believed to be a backend, as the command line is told it and says it."""

from pathlib import Path

import pytest

from .conftest import Run

DOCUMENT = """\
apiVersion: budwood.dev/v1
kind: Endpoint
metadata: {name: encoder}
spec:
  model: encoder
  arms:
    stable: {version: v1, backends: ["https://a.example"]}
    canary: {version: v2, backends: ["https://b.example"], tls: {verify: false}}
"""
AUTHORITY = """\
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


@pytest.fixture
def files(here: Path) -> Path:
    (here / "endpoint.yaml").write_text(DOCUMENT)
    (here / "authority.pem").write_text(f"subject=ours\n{AUTHORITY}")
    return here


def test_a_file_of_authorities_is_kept_with_the_endpoint(files: Path, ask: Run) -> None:
    assert ask("endpoint", "put", "endpoint.yaml", "--ca", "stable=authority.pem").code == 0
    (files / "authority.pem").unlink()
    shown = ask("endpoint", "show", "encoder", "--json").json
    assert shown["body"]["arms"][0]["trust"] == {"ca": AUTHORITY, "is_checked": True}


def test_what_is_not_checked_is_warned_of(files: Path, ask: Run) -> None:
    ask("endpoint", "put", "endpoint.yaml", "--ca", "stable=authority.pem")
    said = " ".join(ask("endpoint", "show", "encoder").out.split())
    assert "WARNING: certificates of canary are not checked (tls.verify: false)" in said
    assert "Certificates of stable are checked against its own authorities" in said


@pytest.mark.parametrize("given", ["stable", "stable=", "=authority.pem", "other=authority.pem", "stable=none.pem"])
def test_a_file_for_no_arm_and_an_arm_without_a_file_are_refused(files: Path, ask: Run, given: str) -> None:
    assert ask("endpoint", "put", "endpoint.yaml", "--ca", given).code != 0
    assert ask("endpoint", "show", "encoder").code != 0
