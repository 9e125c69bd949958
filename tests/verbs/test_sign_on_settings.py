"""The settings of an identity provider: where they may come from, and what they may say."""

from pathlib import Path

import pytest

from budwood.config import SignOn, load
from budwood.errors import BadValue

ISSUER, CLIENT = "https://login.example.com/", "budwood"


@pytest.fixture(autouse=True)
def _nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ISSUER", "CLIENT_ID", "CLIENT_SECRET", "ADMIT"):
        monkeypatch.delenv(f"BUDWOOD_OIDC_{name}", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def test_there_is_no_provider_until_one_is_named(tmp_path: Path) -> None:
    assert load(folder=tmp_path).sign_on is None


def test_a_provider_is_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUDWOOD_OIDC_ISSUER", ISSUER)
    with pytest.raises(BadValue, match="oidc_client_id"):
        load(folder=tmp_path)
    monkeypatch.setenv("BUDWOOD_OIDC_CLIENT_ID", CLIENT)
    monkeypatch.setenv("BUDWOOD_OIDC_CLIENT_SECRET", "secret")
    monkeypatch.setenv("BUDWOOD_OIDC_ADMIT", " Example.com,example.org, ")
    found = load(folder=tmp_path).sign_on
    assert found == SignOn(ISSUER, CLIENT, "secret", ("example.com", "example.org"))
    assert "secret" not in repr(found)


@pytest.mark.parametrize("admit", ["*", "*.example.com", "com", "a@example.com", "a.com;b.org", "exämple.com"])
def test_a_domain_that_is_none_is_refused(admit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUDWOOD_OIDC_ISSUER", ISSUER)
    monkeypatch.setenv("BUDWOOD_OIDC_CLIENT_ID", CLIENT)
    monkeypatch.setenv("BUDWOOD_OIDC_ADMIT", admit)
    with pytest.raises(BadValue, match="oidc_admit"):
        load(folder=tmp_path)


@pytest.mark.parametrize(
    "issuer", ["login.example.com", "file:///etc", "https://a:b@login.example.com", "https://x/?y"]
)
def test_an_issuer_that_is_no_address_is_refused(issuer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUDWOOD_OIDC_ISSUER", issuer)
    monkeypatch.setenv("BUDWOOD_OIDC_CLIENT_ID", CLIENT)
    with pytest.raises(BadValue, match="oidc_issuer"):
        load(folder=tmp_path)


@pytest.mark.parametrize(
    "word", ["oidc_issuer", "oidc_client_id", "oidc_admit", "oidc_client_secret", "allow_networks"]
)
def test_a_file_that_came_with_others_says_nothing_of_who_may_log_in(word: str, tmp_path: Path) -> None:
    (tmp_path / "budwood.toml").write_text(f'{word} = "https://evil.example"\n')
    with pytest.raises(BadValue, match=word):
        load(folder=tmp_path)


def test_a_secret_stands_in_no_file_at_all(tmp_path: Path) -> None:
    (tmp_path / "config" / "budwood").mkdir(parents=True)
    (tmp_path / "config" / "budwood" / "config.toml").write_text('oidc_client_secret = "x"\n')
    with pytest.raises(BadValue, match="oidc_client_secret"):
        load(folder=tmp_path)
