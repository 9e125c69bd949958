"""Settings: which one wins, and what is refused with words."""

from pathlib import Path

import pytest

import budwood
from budwood import config
from budwood.domain.limits import SERVED_KEPT_S
from budwood.errors import BadValue


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings but the test's own."""
    for name in config.SETTINGS:
        monkeypatch.delenv(f"BUDWOOD_{name.upper()}", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def test_the_nearer_setting_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config" / "budwood").mkdir(parents=True)
    (tmp_path / "config" / "budwood" / "config.toml").write_text('author = "user"\nthreads = 3\ngrace_hours = 1.5')
    (tmp_path / "here").mkdir()
    assert config.load(folder=tmp_path / "here").author == "user"
    (tmp_path / "here" / "budwood.toml").write_text('author = "project"')
    assert config.load(folder=tmp_path / "here").author == "project"
    monkeypatch.setenv("BUDWOOD_AUTHOR", "shell")
    settings = config.load(folder=tmp_path / "here")
    assert (settings.author, settings.threads, settings.grace_s) == ("shell", 3, 5400.0)


def test_requests_are_kept_thirty_days_or_as_long_as_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert config.load(folder=tmp_path).requests_kept_s == SERVED_KEPT_S == 30 * 86_400
    monkeypatch.setenv("BUDWOOD_REQUESTS_KEPT_DAYS", "7")
    with budwood.connect(tmp_path / "registry") as registry:
        assert registry.house.requests_kept_s == 7 * 86_400


def test_the_registry_is_given_set_or_nearest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / "a" / "b" / "c"
    deep.mkdir(parents=True)
    assert config.load(folder=deep).registry is None
    (tmp_path / "a" / ".budwood").mkdir()
    nearest = config.load(folder=deep)
    assert (nearest.registry, nearest.found) == (tmp_path / "a" / ".budwood", "nearest")
    monkeypatch.setenv("BUDWOOD_REGISTRY", str(tmp_path / "set"))
    assert config.load(folder=deep).registry == tmp_path / "set"
    assert config.load(registry=tmp_path / "given", folder=deep).registry == tmp_path / "given"
    assert config.load(registry="given", folder=deep).registry == deep / "given"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("threads = 0", "threads"),
        ("threads = 2.5", "threads"),
        ("threads = true", "threads"),
        ("threads = nan", "threads"),
        ("grace_hours = -1", "grace_hours"),
        ("grace_hours = inf", "grace_hours"),
        ('grace_hours = "soon"', "grace_hours"),
        ("colour = 1", "colour"),
        ("threads = ", "cannot be read"),
        ("[threads]\na = 1", "threads"),
    ],
)
def test_a_setting_that_cannot_be_is_named(tmp_path: Path, text: str, word: str) -> None:
    (tmp_path / "budwood.toml").write_text(text)
    with pytest.raises(BadValue, match=word):
        config.load(folder=tmp_path)


def test_a_settings_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "budwood.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BadValue, match=r"budwood\.toml"):
        config.load(folder=tmp_path)
    (tmp_path / "budwood.toml").unlink()
    (tmp_path / "budwood.toml").mkdir()
    with pytest.raises(BadValue):
        config.load(folder=tmp_path)


@pytest.mark.parametrize("text", ["a\0b", "s3://bucket/prefix", "~nobody-of-this-name/x"])
def test_what_cannot_be_a_registrys_folder_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadValue):
        config.load(registry=text, folder=tmp_path)


def test_a_current_folder_that_is_gone_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(BadValue, match="gone"):
        config.load()


@pytest.mark.parametrize("threads", [0, -1, 10_000])
def test_impossible_thread_counts_are_refused(tmp_path: Path, threads: int) -> None:
    with pytest.raises(BadValue, match="threads"):
        budwood.connect(tmp_path / "r", author="mara", threads=threads)


def test_a_server_is_a_registry_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUDWOOD_TOKEN", "bw_secret")
    found = config.load(registry="HTTPS://Models.Example.com:443/budwood/", folder=tmp_path)
    assert (found.url, found.registry, found.token) == ("https://models.example.com/budwood", None, "bw_secret")


@pytest.mark.parametrize(
    "text", ["ftp://host", "http://", "http://me:secret@host", "http://host?q=1", "http://host:99999"]
)
def test_no_other_url_is_one(text: str, tmp_path: Path) -> None:
    with pytest.raises(BadValue) as refused:
        config.load(registry=text, folder=tmp_path)
    assert "secret" not in str(refused.value)


def test_a_token_is_not_for_a_server_that_a_file_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "budwood.toml").write_text('registry = "https://elsewhere.example.com"')
    monkeypatch.setenv("BUDWOOD_TOKEN", "bw_secret")
    found = config.load(folder=tmp_path)
    assert (found.url, found.token) == ("https://elsewhere.example.com", "")


def test_a_token_in_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "budwood.toml").write_text('token = "bw_secret"')
    with pytest.raises(BadValue, match="shared"):
        config.load(folder=tmp_path)
