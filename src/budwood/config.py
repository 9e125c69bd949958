"""Settings: the only module that reads the environment and configuration files.

A setting is taken from, in this order: the argument or flag, ``BUDWOOD_*``, ``./budwood.toml``, the user's
``config.toml``, the default. docs/settings.md lists them all and is tested against ``SETTINGS``.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from budwood.errors import BadValue

FOLDER_NAME: Final = ".budwood"
FILE_NAME: Final = "budwood.toml"

SETTINGS: Final[Mapping[str, str]] = {
    "registry": "Where the registry is: a folder or a server's URL. Default: the nearest .budwood, else your own.",
    "store": "Where packs lie when not in the registry's folder: a URL such as s3://bucket/prefix.",
    "cold_store": "Where versions lie that a tiering policy calls cold: a folder, or a URL. Default: none.",
    "cold_class": "The storage class that an object store gives them: GLACIER_IR. Default: the bucket's own.",
    "direct": "Whether clients reach the object store themselves, by signed addresses: yes or no. Default: yes.",
    "database": "Where the metadata is when not in the registry's folder: postgresql://user@host/database.",
    "token": "What a server knows you by, for programs; people use 'budwood login'. Only read from the environment.",
    "author": "Who pushes: shown on versions and in the ledger. Default: git's user.email, else the login name.",
    "threads": "Worker threads for push, pull and verify. Default: the number of cores, at most 8.",
    "push_as": "How pushes write: small (at once), quick (each block by itself) or raw (as it is). Default: small.",
    "tier_share": "The share of its time a server's background work on tiers may take, in percent. Default: 25.",
    "tier_threads": "Threads that work on tiers may take. Default: 1.",
    "ray": "A Ray cluster that helps with heavy work: HOST:PORT, or auto. Default: threads of this process.",
    "cache_gb": "What blocks that servers and object stores sent may take on this disk, in GB; 0: none. Default: 10.",
    "grace_hours": "How long swept blocks are kept before their bytes are freed. Default: 24.",
    "requests_kept_days": "How long it is told which version answered a request. Default: 30.",
    "oidc_issuer": "What people log in to a server with: https://login.example.com. Default: tokens only.",
    "oidc_client_id": "What the provider knows the server by.",
    "oidc_client_secret": "What the server proves that with, where the provider asks. Only read from the environment.",
    "oidc_admit": "Domains of verified e-mail addresses that get an account: example.com,example.org. Default: none.",
    "allow_networks": "Networks a server may send to though they are not public: 10.1.0.0/16,fd00::/8. Default: none.",
}

_SECRETS: Final = ("token", "oidc_client_secret")
_SERVERS: Final = ("database", "ray", "oidc_issuer", "oidc_client_id", "oidc_admit", "allow_networks")
"""What no ./budwood.toml may say: it may have come with somebody's files."""


@dataclass(frozen=True, slots=True)
class SignOn:
    """The identity provider of a server. ``admit`` are domains, in lower case."""

    issuer: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    admit: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """``registry`` is None when nothing names a folder, ``url`` empty when nothing names a server; ``found`` says
    where the value came from. ``token`` is for ``url`` alone; ``database`` may hold a password."""

    registry: Path | None
    url: str
    found: str
    token: str
    store: str
    author: str
    threads: int
    grace_s: float
    database: str = field(default="", repr=False)
    store_endpoint: str = ""
    direct: bool = True
    cold_store: str = ""
    cold_class: str = ""
    cold_endpoint: str = ""
    push_as: str = ""
    tier_share: float = 0.25
    tier_threads: int = 1
    ray: str = ""
    cache_bytes: int = 0
    allow_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    requests_kept_s: float = 30 * 86_400
    sign_on: SignOn | None = None


def load(*, registry: str | Path | None = None, folder: Path | None = None) -> Settings:
    """Settings as seen from ``folder`` (default: the current one). Raises BadValue."""
    here = _here(folder)
    layers = [_environment(), _file(here / FILE_NAME), _file(_user_folder() / "config.toml")]
    for word in _SERVERS:
        if word in layers[1]:
            # The driver offers a database whatever password it finds; a provider says who is an admin.
            hint = f"Set BUDWOOD_{word.upper()}, or write it to {_user_folder() / 'config.toml'}."
            raise BadValue(f"{here / FILE_NAME} sets {word}.", hint=hint)
    merged = {key: value for layer in reversed(layers) for key, value in layer.items()}
    environment = layers[0]
    setting = str(registry or merged.get("registry", ""))
    url = server_url(setting) if "://" in setting else ""
    path, found = (None, "url") if url else _registry(registry, merged.get("registry", ""), here)
    # A budwood.toml that came with somebody's files may name a server; the token in the environment is not for it.
    named = bool(registry or environment.get("registry") or "registry" not in layers[1])
    return Settings(
        registry=path,
        url=url,
        found=found,
        token=environment.get("token", "") if named else "",
        store=merged.get("store", ""),
        author=merged.get("author", ""),
        threads=_whole(merged, "threads", min(8, os.cpu_count() or 1)),
        grace_s=_number(merged, "grace_hours", 24.0) * 3600,
        database=merged.get("database", ""),
        store_endpoint=_endpoint(merged.get("store", "")),
        direct=_yes(merged, "direct", default=True),
        cold_store=merged.get("cold_store", ""),
        cold_class=merged.get("cold_class", ""),
        cold_endpoint=_endpoint(merged.get("cold_store", "")),
        push_as=_one_of(merged, "push_as", ("small", "quick", "raw")),
        tier_share=_percent(merged, "tier_share", 25.0),
        tier_threads=_whole(merged, "tier_threads", 1),
        ray=merged.get("ray", ""),
        cache_bytes=int(_number(merged, "cache_gb", 10.0) * 1e9),
        allow_networks=_networks(merged.get("allow_networks", "")),
        requests_kept_s=_number(merged, "requests_kept_days", 30.0) * 86_400,
        sign_on=_sign_on(merged),
    )


def _networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Raises BadValue."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    try:
        return tuple(ip_network(word) for word in words)
    except ValueError as error:
        hint = "Such as 10.1.0.0/16,fd00::/8; one address is 10.1.2.3/32."
        raise BadValue(f"allow_networks must be networks, separated by commas: {error}.", hint=hint) from error


def _sign_on(values: Mapping[str, str]) -> SignOn | None:
    """Raises BadValue."""
    issuer, client_id = values.get("oidc_issuer", ""), values.get("oidc_client_id", "")
    if not issuer:
        return None
    parts = urlsplit(issuer)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise BadValue("oidc_issuer must be an address such as https://login.example.com, as its tokens say it.")
    if not client_id:
        raise BadValue("oidc_issuer needs oidc_client_id beside it.", hint="The provider gives it to each application.")
    admit = tuple(word.strip().lower() for word in values.get("oidc_admit", "").split(",") if word.strip())
    if wrong := [word for word in admit if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", word)]:
        raise BadValue(f"oidc_admit must be domains, separated by commas, not {wrong[0]!r}.")
    return SignOn(issuer, client_id, values.get("oidc_client_secret", ""), admit)


def _endpoint(store: str) -> str:
    """Where an S3 store is when not at Amazon. Its keys and region the library finds by itself."""
    if not store.startswith("s3:"):
        return ""
    names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
    return next((found for name in names if (found := os.environ.get(name))), "")


@dataclass(frozen=True, slots=True)
class JobIssuer:
    """Where a job of GitHub Actions asks for a token that says which job it is, and what it shows there."""

    url: str
    token: str = field(repr=False)


def job_issuer() -> JobIssuer | None:
    """None outside of such a job, or when it was not given the permission ``id-token: write``."""
    url, token = (os.environ.get(f"ACTIONS_ID_TOKEN_REQUEST_{word}", "") for word in ("URL", "TOKEN"))
    return JobIssuer(url, token) if url and token else None


def handed_on() -> dict[str, str]:
    """The environment for programs of the user's own that we start, without what only we are to know."""
    kept_back = {f"BUDWOOD_{name.upper()}" for name in (*_SECRETS, "database")}
    return {name: value for name, value in os.environ.items() if name not in kept_back}


def server_url(text: str) -> str:
    """The address of a server in the one form it is remembered by. Raises BadValue."""
    try:
        parts = urlsplit(text.strip())
        port, host = parts.port, parts.hostname or ""
    except ValueError as error:
        raise BadValue(f"The registry {text[:200]!r} is not a URL: {error}.") from error
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        hint = "Give a folder, or a server as https://host[:port]. Where packs lie is the setting 'store'."
        raise BadValue(f"The registry {_no_secret(text)!r} is not the address of a server.", hint=hint)
    if parts.username or parts.password:
        raise BadValue("A registry's URL must hold no user or password.", hint="Use 'budwood login URL'.")
    shown = f"[{host}]" if ":" in host else host
    usual = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{shown}{f':{port}' if port and port != usual else ''}{parts.path.rstrip('/')}"


def user_cache(name: str) -> Path:
    """A folder for what may be lost: the cache of blocks, and what is remembered of the files pushed to one server."""
    if root := os.environ.get("XDG_CACHE_HOME"):
        return Path(root) / "budwood" / name
    from platformdirs import user_cache_path

    return user_cache_path("budwood") / name


def credentials_file() -> Path:
    """Where 'budwood login' keeps tokens."""
    return _user_folder() / "credentials.json"


def checkpoints_file() -> Path:
    """Where the last checkpoint seen of each registry is kept."""
    return _user_folder() / "checkpoints.json"


def _no_secret(text: str) -> str:
    scheme, _, rest = text.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"[:200]


@dataclass(frozen=True, slots=True)
class MlflowCredentials:
    """What MLflow's own clients send, by the variables they read it from."""

    user: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)


def mlflow_credentials() -> MlflowCredentials:
    """For the server that is imported from, or exported to."""
    names = ("USERNAME", "PASSWORD", "TOKEN")
    return MlflowCredentials(*(os.environ.get(f"MLFLOW_TRACKING_{name}", "") for name in names))


def user_registry() -> Path:
    """The registry in the user's data folder, used when no other is found."""
    if root := os.environ.get("XDG_DATA_HOME"):
        return Path(root) / "budwood" / "registry"
    from platformdirs import user_data_path

    return user_data_path("budwood") / "registry"


def _user_folder() -> Path:
    if root := os.environ.get("XDG_CONFIG_HOME"):
        return Path(root) / "budwood"
    from platformdirs import user_config_path

    return user_config_path("budwood")


def _registry(given: str | Path | None, setting: str, here: Path) -> tuple[Path | None, str]:
    if given:
        return _folder(given, here), "given"
    if setting:
        return _folder(setting, here), "setting"
    for folder in (here, *here.parents):
        # os.path never raises for a folder that may not be looked into.
        if os.path.isdir(folder / FOLDER_NAME):  # noqa: PTH112
            return folder / FOLDER_NAME, "nearest"
    return None, ""


def _here(folder: Path | None) -> Path:
    try:
        return (folder or Path.cwd()).resolve()
    except OSError as error:
        raise BadValue("The current folder is gone.", hint="Change to a folder that exists.") from error


def _folder(text: str | Path, here: Path) -> Path:
    """A registry's folder. Raises BadValue for what cannot be one."""
    if "\0" in str(text):
        raise BadValue("A registry's path cannot contain a NUL character.")
    try:
        return here / Path(text).expanduser()
    except RuntimeError as error:
        raise BadValue(f"The registry {str(text)!r} names no home that is known.") from error


def _environment() -> dict[str, str]:
    return {key: value for key in SETTINGS if (value := os.environ.get(f"BUDWOOD_{key.upper()}", ""))}


def _file(path: Path) -> dict[str, str]:
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        raise BadValue(f"{path} cannot be read: {error}.", hint="It must be TOML; see docs/settings.md.") from error
    if secrets := [word for word in _SECRETS if word in content]:
        hint = f"Use 'budwood login', or BUDWOOD_{secrets[0].upper()} in the environment."
        raise BadValue(f"{path} holds a {secrets[0]}; it does not belong in a file that is shared.", hint=hint)
    if unknown := sorted(set(content) - set(SETTINGS)):
        raise BadValue(f"{path} has the unknown setting {unknown[0]!r}.", hint=f"Known: {', '.join(SETTINGS)}.")
    return {key: str(value) for key, value in content.items()}


def _yes(values: Mapping[str, str], key: str, *, default: bool) -> bool:
    text = values.get(key, "").lower()
    if text not in ("", "yes", "no", "true", "false"):
        raise BadValue(f"{key} must be yes or no, not {values[key]!r}.")
    return text in ("yes", "true") if text else default


def _one_of(values: Mapping[str, str], key: str, words: tuple[str, ...]) -> str:
    text = values.get(key, "")
    if text and text not in words:
        raise BadValue(f"{key} must be one of {', '.join(words)}, not {text!r}.")
    return text


def _percent(values: Mapping[str, str], key: str, default: float) -> float:
    number = _number(values, key, default)
    if not 1 <= number <= 100:
        raise BadValue(f"{key} must be from 1 to 100, not {values[key]!r}.")
    return number / 100


def _whole(values: Mapping[str, str], key: str, default: int) -> int:
    number = _number(values, key, float(default))
    if number != int(number) or not 1 <= number <= 256:
        raise BadValue(f"{key} must be a whole number from 1 to 256, not {values[key]!r}.")
    return int(number)


def _number(values: Mapping[str, str], key: str, default: float) -> float:
    text = values.get(key, "")
    try:
        number = float(text) if text else default
    except ValueError as error:
        raise BadValue(f"{key} must be a number, not {text!r}.") from error
    if not 0 <= number < 1e9:
        raise BadValue(f"{key} is out of range: {text!r}.")
    return number
