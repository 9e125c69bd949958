"""Bringing a PostgreSQL database to the newest schema. Only ``budwood db upgrade`` asks for it.

All missing migrations run in one transaction, so one that is interrupted leaves what was there and can be run
again. It waits for the writers of every process and keeps them out; of two upgrades at once the second waits and
finds it done.
"""

from typing import Final

import psycopg

from budwood.catalog import migrations
from budwood.catalog.sql.postgres import WRITE_LOCK, revision_of
from budwood.catalog.sql.postgres_session import PostgresDialect, PostgresSession, open_session, place_of, translated
from budwood.domain.results import SchemaState
from budwood.errors import CatalogDamaged, TooNew

_UPGRADE_LOCK: Final = WRITE_LOCK + 1
_TABLES: Final = "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()"


def state(dsn: str) -> SchemaState:
    """The schema as it is. Raises TooNew, CatalogDamaged, StorageFailed, RegistryNotFound for no such database."""
    session = open_session(dsn, PostgresDialect())
    try:
        found = _revision(session, place_of(dsn))
        return SchemaState(place_of(dsn), found, found, migrations.HEAD)
    finally:
        session.close()


def upgrade(dsn: str) -> SchemaState:
    """Run the missing migrations.

    Raises TooNew, CatalogDamaged for another program's database, RegistryBusy, StorageFailed, RegistryNotFound.
    """
    session = open_session(dsn, PostgresDialect())
    try:
        # Another upgrade may take longer than a writer would wait; those who write now must not wait for ever.
        session.control("SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0")
        session.control(f"SELECT pg_advisory_lock({_UPGRADE_LOCK})")
        session.control("SET lock_timeout = '60s'")
        before = _revision(session, place_of(dsn))
        if before != migrations.HEAD:
            _migrate(session, place_of(dsn))
        return SchemaState(place_of(dsn), before, migrations.HEAD, migrations.HEAD)
    finally:
        session.close()


def _revision(session: PostgresSession, place: str) -> str:
    """The schema's revision, empty for an empty database. Raises TooNew, CatalogDamaged for one that is not ours."""
    found = revision_of(session)
    if found is None and session.control(_TABLES) != ("0",):
        raise CatalogDamaged(f"{place} holds tables of another program.", hint="Make a database for Budwood alone.")
    if found is not None and found not in migrations.KNOWN:
        raise TooNew(f"{place} has schema {found}; this Budwood knows up to {migrations.HEAD}.")
    return found or ""


def _migrate(session: PostgresSession, place: str) -> None:
    from sqlalchemy import create_engine
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.pool import StaticPool

    connection = session.lend()
    connection.autocommit = False
    engine = create_engine("postgresql+psycopg://", creator=lambda: connection, poolclass=StaticPool)
    try:
        with engine.begin() as begun:
            begun.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITE_LOCK})")
            migrations.upgrade(begun)
    except DBAPIError as error:
        raise (translated(error.orig, place) if isinstance(error.orig, psycopg.Error) else error) from error
    finally:
        engine.dispose()
