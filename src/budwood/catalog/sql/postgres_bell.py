"""Hearing at once that traffic was moved, where the catalog is PostgreSQL: LISTEN on a connection of its own.

Whoever moves it says NOTIFY in the same transaction, with the endpoint's id, so it is heard when that is committed and
not before. When the connection is lost it is opened again, and heard is called once for what may have been missed.
"""

import threading
from typing import Final

import psycopg

from budwood.catalog.sql.folder_bell import Heard
from budwood.catalog.sql.postgres_session import TRAFFIC, missing_from
from budwood.catalog.sql.session import ANYTHING

_LOOK_UP_S: Final = 0.5
_AGAIN_S: Final = 1.0


class PostgresBell:
    """Listens until ``close``."""

    def __init__(self, dsn: str, heard: Heard) -> None:
        self._dsn = dsn
        self._heard = heard
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="budwood-bell", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Hear nothing more."""
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                with psycopg.connect(self._dsn, autocommit=True, **missing_from(self._dsn)) as connection:
                    connection.execute(f"LISTEN {TRAFFIC}")
                    self._heard(())
                    self._listen(connection)
            except psycopg.Error:
                self._ending.wait(_AGAIN_S)

    def _listen(self, connection: "psycopg.Connection[tuple[object, ...]]") -> None:
        while not self._ending.is_set():
            for each in connection.notifies(timeout=_LOOK_UP_S, stop_after=1):
                said = each.payload
                self._heard((int(said),) if said.isdecimal() and int(said) != ANYTHING else ())
