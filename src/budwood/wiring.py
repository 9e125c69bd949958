"""The one place that chooses concrete parts: settings in, a ready registry out."""

import contextlib
import hashlib
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from budwood.catalog.sql.sqlite import SqliteCatalog
from budwood.client.capture import capture_author
from budwood.client.near import Near
from budwood.client.registry import Registry
from budwood.config import (
    FOLDER_NAME,
    Settings,
    SignOn,
    checkpoints_file,
    credentials_file,
    job_issuer,
    load,
    server_url,
    user_cache,
    user_registry,
)
from budwood.domain.limits import VALUE_BYTES
from budwood.domain.people import WhoAmI
from budwood.domain.results import Restored, SchemaState
from budwood.domain.storage_tiers.values import Arrival
from budwood.domain.targets import Network
from budwood.errors import BadValue, FrameworkMissing, NotFound, NotOffered, RegistryNotFound, StorageFailed
from budwood.store.api import Objects, Progress
from budwood.store.backends.folder import FolderObjects, make_root
from budwood.store.backends.memory import MemoryObjects
from budwood.store.ballast import FolderBallast
from budwood.store.cache import BlockCache
from budwood.store.cache_room import CacheRoom
from budwood.store.crew import Crew
from budwood.verbs.bootstrap import BOOTSTRAP_PREFIX
from budwood.verbs.house import House, NoRoom
from budwood.verbs.restore import restore as restore_house
from budwood.verbs.tag import check_text

if TYPE_CHECKING:
    from budwood.catalog.sql.postgres import PostgresCatalog
    from budwood.client.training import TrainingRun
    from budwood.domain.asks import IssuedToken
    from budwood.domain.asks_people import LoginOffer
    from budwood.domain.canon import Json
    from budwood.domain.policy.case import Said
    from budwood.domain.routes.route import Route
    from budwood.govern.expressions import Expressions

CATALOG_FILE: Final = "catalog.sqlite3"
CACHE_FOLDER: Final = "cache"
BLOCK_CACHE: Final = "blocks"


def connect(
    path: str | Path | None = None,
    *,
    author: str = "",
    create: bool = True,
    threads: int | None = None,
    token: str = "",
) -> Registry:
    """Open the registry at ``path``, or the one settings name, or the nearest ``.budwood``, or the user's own.

    ``path`` may be the URL of a server; ``token`` is what it knows the caller by, by default what settings or
    'budwood login' gave. A folder is made when there is none and ``create`` is true. ``author`` is who the changes
    are recorded under; by default the one settings or git name, and with a server who the token says.
    Raises RegistryNotFound, TooNew, StorageFailed, StorageFull; ServerUnreachable, Unauthenticated.
    """
    if threads is not None and not 1 <= threads <= 256:
        raise BadValue(f"threads must be a whole number from 1 to 256, not {threads}.")
    settings = load(registry=path)
    if settings.url:
        return _far(settings, token, threads or settings.threads)
    root = settings.registry or user_registry()
    made = not settings.database and not _exists(root / CATALOG_FILE)
    if made and not create:
        raise RegistryNotFound(f"There is no registry at {root}.", path=str(root))
    catalog = _catalog(root, settings, create=create)
    house = House(
        catalog=catalog,
        objects=_objects(root, settings),
        clock=_now_ms,
        ids=_fresh_id,
        author=_checked(author) or capture_author(settings.author),
        threads=threads or settings.threads,
        scratch=root / CACHE_FOLDER,
        expressions=_LateExpressions(),
        networks=settings.allow_networks,
        ballast=NoRoom() if settings.database else FolderBallast(root / CATALOG_FILE),
        bell=catalog,
        push_as=Arrival(settings.push_as) if settings.push_as else None,
        has_cold_store=bool(settings.cold_store or settings.cold_class),
        cluster=_cluster(root, settings),
        tier_threads=settings.tier_threads,
        requests_kept_s=settings.requests_kept_s,
    )
    # What lies in a folder is near enough.
    cache = _block_cache(settings, settings.store) if settings.store else None
    return Registry(Near(house, str(root), made, settings.grace_s, cache), checkpoints_file())


def _far(settings: Settings, token: str, threads: int) -> Registry:
    from budwood.client.far.credentials import token_for
    from budwood.client.far.place import Far
    from budwood.client.far.transport import Transport
    from budwood.client.far.work import FarWork
    from budwood.domain.routes.about import WHOAMI

    token = token or settings.token or token_for(credentials_file(), settings.url)
    transport = Transport(settings.url, token, ids=_fresh_id, connections=threads + 8)
    work = FarWork(
        transport,
        author=transport.call(WHOAMI).name,
        threads=threads,
        clock=_now_ms,
        ids=_fresh_id,
        scratch=user_cache(hashlib.sha256(settings.url.encode()).hexdigest()[:16]),
        push_as=Arrival(settings.push_as or Arrival.SMALL),
        cache=_block_cache(settings, settings.url),
    )
    return Registry(Far(transport, work), checkpoints_file())


@dataclass(frozen=True, slots=True)
class Served:
    """A registry opened to be served. ``folder`` is for files on their way through; ``near``: the catalog is in this
    machine's own file, so that a point read takes microseconds. ``tier_share`` of its time, its background work on
    storage tiers works."""

    house: House
    place: str
    folder: Path
    grace_s: float
    near: bool
    sign_on: SignOn | None = None
    tier_share: float = 0.25

    @property
    def allow_networks(self) -> Sequence[Network]:
        """Those an admin opened for what is sent out."""
        return self.house.networks


def served(registry: str | Path | None = None, *, threads: int | None = None) -> Served:
    """Open the registry that settings name for a server. Raises what ``connect`` raises, and NotOffered for a URL."""
    settings = load(registry=registry)
    if settings.url:
        message = f"A registry is served where it lies, not through another server ({settings.url})."
        raise NotOffered(message, hint="Give its folder: budwood --registry PATH serve")
    house = connect(registry, author="server", threads=threads).house
    house.ballast.keep()
    root = settings.registry or user_registry()
    folder = root / "tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageFailed(f"{folder} cannot be made: {error.strerror}.", path=str(folder)) from error
    near, share = not settings.database, settings.tier_share
    return Served(house, str(root), folder, settings.grace_s, near, settings.sign_on, tier_share=share)


def log_in(url: str, token: str, name: str = "") -> WhoAmI:
    """Keep a token for a server, once the server knows it. A bootstrap token is exchanged for an admin's own.

    ``name`` is the first admin's, by default the author that settings or git name, as far as a name may say it.
    Raises BadValue, BadName, Unauthenticated, ServerUnreachable, StorageFailed.
    """
    from budwood.client.far.credentials import keep_token
    from budwood.client.far.transport import Transport
    from budwood.domain.asks import Bootstrap
    from budwood.domain.routes.about import BOOTSTRAP, WHOAMI

    address = server_url(url)
    if not token or not token.isascii() or not token.isprintable():
        raise BadValue("That is no token.", hint="A token begins with bw_; who runs the server gives it out.")
    if token.startswith(BOOTSTRAP_PREFIX):
        asked = Bootstrap(name or _as_name(capture_author(load().author)))
        token = Transport(address, token, ids=_fresh_id).call(BOOTSTRAP, body=asked).token.secret
    who: WhoAmI = Transport(address, token, ids=_fresh_id).call(WHOAMI)
    keep_token(credentials_file(), address, token)
    return who


def login_offer(url: str) -> "LoginOffer | None":
    """Where people of a server log in with a browser; None where they do not. Raises BadValue, ServerUnreachable."""
    from budwood.client.far.transport import Transport
    from budwood.domain.routes.logins import OFFER

    try:
        offer: LoginOffer = Transport(server_url(url), "", ids=_fresh_id).call(OFFER)
    except NotFound:
        return None
    return offer if offer.issuer else None


def log_in_with_browser(
    url: str, offer: "LoginOffer", show: Callable[[str], None], paste: Callable[[], str] | None = None
) -> WhoAmI:
    """Keep the token of whoever logs in at the address that ``show`` is given. ``paste`` gives what the server's page
    shows them there; without it the browser comes back to this machine.

    Raises BadValue, Unauthenticated, Forbidden, ServerUnreachable, StorageFailed.
    """
    from budwood.client.far.browser import Attempt, listening, pasted
    from budwood.domain.routes.logins import CODE, FINISH

    address, secret = server_url(url), partial(secrets.token_urlsafe, 48)
    if paste is not None:
        attempt = Attempt.begin(offer, address + CODE.path, secret)
        show(attempt.address)
        return _keep_issued(address, FINISH, attempt.finished(pasted(paste())))
    with listening() as listener:
        attempt = Attempt.begin(offer, listener.uri, secret)
        listener.expect(attempt)
        show(attempt.address)
        finished = attempt.finished(listener.wait())
    return _keep_issued(address, FINISH, finished)


def log_in_as_job(url: str, proof_file: Path | None = None, audience: str = "") -> WhoAmI:
    """Keep a short-lived token for the job this runs in. ``audience`` is by default the server's address.

    Raises BadValue, SourceNotFound, Unauthenticated, Forbidden, ServerUnreachable, StorageFailed.
    """
    from budwood.client.far.workload import proof
    from budwood.domain.asks_people import Proof
    from budwood.domain.routes.logins import WORKLOAD

    address = server_url(url)
    return _keep_issued(address, WORKLOAD, Proof(proof(audience or address, proof_file, job_issuer())))


def _keep_issued(address: str, route: "Route", asked: object) -> WhoAmI:
    from budwood.client.far.credentials import keep_token
    from budwood.client.far.transport import Transport
    from budwood.domain.routes.about import WHOAMI

    issued: IssuedToken = Transport(address, "", ids=_fresh_id).call(route, body=asked)
    who: WhoAmI = Transport(address, issued.secret, ids=_fresh_id).call(WHOAMI)
    keep_token(credentials_file(), address, issued.secret)
    return who


def log_out(url: str) -> str:
    """Forget the token kept for a server; its address. Raises BadValue, StorageFailed."""
    from budwood.client.far.credentials import keep_token

    address = server_url(url)
    keep_token(credentials_file(), address, "")
    return address


def who_am_i(registry: str | Path | None = None) -> WhoAmI:
    """Who the server that settings name knows the caller as. Raises NotOffered for a folder, Unauthenticated."""
    from budwood.client.far.credentials import token_for
    from budwood.client.far.transport import Transport
    from budwood.domain.routes.about import WHOAMI

    settings = load(registry=registry)
    if not settings.url:
        raise NotOffered("A registry in a folder knows no people.", hint="Name a server: --registry URL.")
    token = settings.token or token_for(credentials_file(), settings.url)
    who: WhoAmI = Transport(settings.url, token, ids=_fresh_id).call(WHOAMI)
    return who


def _as_name(author: str) -> str:
    """mara.lind for Mara.Lind@example.com."""
    return re.sub(r"[^a-z0-9._-]+", "-", author.lower().partition("@")[0]).strip("-._")[:128] or "admin"


def in_memory(*, author: str = "someone", clock: Callable[[], int] | None = None) -> Registry:
    """A registry that lives as long as the object: for tests and trials."""
    clock = clock or _now_ms
    house = House(
        catalog=SqliteCatalog.in_memory(),
        objects=MemoryObjects(clock),
        clock=clock,
        ids=_fresh_id,
        author=author,
        threads=2,
        expressions=_LateExpressions(),
    )
    return Registry(Near(house, "memory", made=True, grace_s=0.0))


def training_run(registry: Registry | None = None, *, command: str | None = None, run_by: str = "") -> "TrainingRun":
    """A training run to be measured in a ``with`` block, and pushed with all that is then known of it.

    ``registry`` is where it is pushed to, by default the one that ``connect()`` opens. ``command`` is what was run, by
    default this program with its arguments; "" keeps none. ``run_by`` is who trains, where somebody else will push.
    """
    from budwood.client.training import TrainingRun

    return TrainingRun(registry, command, connect, _now_ms, run_by)


def restore(
    backup: str | Path,
    registry: str | Path | None = None,
    *,
    threads: int | None = None,
    progress: Progress = lambda _: None,
) -> Restored:
    """Make the registry at ``registry`` (a new folder, or an empty database that settings name) from a backup.

    Raises NoBackup, BackupDamaged, TooNew, RegistryNotEmpty, NotOffered for a URL, StorageFull, StorageFailed.
    """
    with connect(registry, threads=threads) as opened:
        return restore_house(opened.house, Path(backup), place=opened.place, progress=progress)


def schema_state(registry: str | Path | None = None) -> SchemaState:
    """The schema of the catalog that settings name, as it is. Raises RegistryNotFound, TooNew, CatalogDamaged."""
    return _schema(registry, upgrade=False)


def upgrade_schema(registry: str | Path | None = None) -> SchemaState:
    """Bring it to the newest; ``before`` says what it was. Raises the same, and RegistryBusy."""
    return _schema(registry, upgrade=True)


def _schema(registry: str | Path | None, *, upgrade: bool) -> SchemaState:
    settings = load(registry=registry)
    if settings.url:
        raise NotOffered("A server's database is not reached through the server.", hint="Run this where it runs.")
    if settings.database:
        with _driver_of_postgres():
            from budwood.catalog.sql import postgres_schema
        return (postgres_schema.upgrade if upgrade else postgres_schema.state)(settings.database)
    from budwood.catalog.sql import sqlite_schema

    path = (settings.registry or user_registry()) / CATALOG_FILE
    return (sqlite_schema.upgrade if upgrade else sqlite_schema.state)(path)


def block_cache() -> CacheRoom:
    """The cache of blocks that servers and object stores sent to this machine, whatever registry they were of."""
    return CacheRoom(user_cache(BLOCK_CACHE), load().cache_bytes, _now_ms, _fresh_id)


def _block_cache(settings: Settings, registry: str) -> BlockCache | None:
    if not settings.cache_bytes:
        return None
    return BlockCache(CacheRoom(user_cache(BLOCK_CACHE), settings.cache_bytes, _now_ms, _fresh_id), registry)


def _checked(author: str) -> str:
    check_text(author, "The author", VALUE_BYTES, "VALUE_BYTES")
    return author


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise StorageFailed(f"{path} cannot be looked at: {error.strerror}.", path=str(path)) from error


def _catalog(root: Path, settings: Settings, *, create: bool) -> "SqliteCatalog | PostgresCatalog":
    if create:
        try:
            make_root(root)
        except OSError as error:
            raise StorageFailed(f"{root} cannot be made: {error.strerror}.", path=str(root)) from error
    if not settings.database:
        return SqliteCatalog(root / CATALOG_FILE, create=create)
    if settings.found == "given" or not settings.store:
        _refuse_two_catalogs(root)
    with _driver_of_postgres():
        from budwood.catalog.sql.postgres import PostgresCatalog
    return PostgresCatalog(settings.database)


def _refuse_two_catalogs(root: Path) -> None:
    """A folder that has a catalog must not be filled with packs that another one knows."""
    if _exists(root / CATALOG_FILE):
        message = f"{root} holds a catalog of its own, and the setting 'database' names another."
        raise BadValue(message, hint="Unset BUDWOOD_DATABASE for this registry, or name another folder.")


@contextlib.contextmanager
def _driver_of_postgres() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        hint = "pip install 'budwood[postgres]'"
        raise FrameworkMissing("The setting 'database' needs the driver of PostgreSQL.", hint=hint) from error


def _objects(root: Path, settings: Settings) -> Objects:
    near: Objects = FolderObjects(root)
    if settings.store:
        near = _remote(settings.store, settings.store_endpoint, settings)
    if not settings.cold_store and not settings.cold_class:
        return near
    from budwood.store.backends.tiered import TieredObjects

    if settings.cold_class and "://" not in (settings.cold_store or settings.store):
        raise BadValue("cold_class is for an object store; a folder has none.", hint="Set cold_store to a URL.")
    if settings.cold_store and "://" not in settings.cold_store:
        return TieredObjects(near, FolderObjects(root / Path(settings.cold_store).expanduser()))
    place = settings.cold_store or settings.store
    endpoint = settings.cold_endpoint if settings.cold_store else settings.store_endpoint
    return TieredObjects(near, _remote(place, endpoint, settings, settings.cold_class))


def _cluster(root: Path, settings: Settings) -> Crew | None:
    if not settings.ray:
        return None
    from budwood.store.ray_crew import RayCrew

    # What travels to the workers is what it takes to open the store, and nothing else.
    alone = replace(settings, token="", database="", sign_on=None)
    return RayCrew(settings.ray, partial(_objects, root.absolute(), alone))


def _remote(place: str, endpoint: str, settings: Settings, storage_class: str = "") -> Objects:
    from budwood.store.backends.remote import RemoteObjects

    options = {"endpoint": endpoint} if endpoint else None
    return RemoteObjects(place, options, signs=settings.direct, storage_class=storage_class)


class _LateExpressions:
    """``govern.expressions``, imported when a policy first has one: few commands ever meet any."""

    def __init__(self) -> None:
        self._found: Expressions | None = None

    def evaluate(self, expressions: Sequence[str], variables: "Mapping[str, Json]") -> "Mapping[str, Said]":
        return self._expressions().evaluate(expressions, variables)

    def check(self, expression: str) -> str:
        return self._expressions().check(expression)

    def close(self) -> None:
        if self._found is not None:
            self._found.close()

    def _expressions(self) -> "Expressions":
        from budwood.govern.expressions import Expressions

        self._found = self._found or Expressions()
        return self._found


def _fresh_id() -> str:
    return secrets.token_hex(16)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


__all__ = ["FOLDER_NAME", "connect", "in_memory"]
