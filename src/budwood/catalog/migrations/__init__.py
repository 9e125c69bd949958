"""The history of the catalog's schema: forward only, one revision a file, each safe to run on a live registry.

``HEAD`` and ``KNOWN`` are kept here as plain values, so that opening an up-to-date catalog need not import
Alembic. A test proves that they, the scripts and ``sql/tables.py`` say the same.
"""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sqlalchemy import Connection

KNOWN: Final = tuple(f"{number:04d}" for number in range(1, 23))
HEAD: Final = KNOWN[-1]


def upgrade(connection: "Connection") -> None:
    """Bring the schema to HEAD inside the transaction that the connection is in."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "budwood.catalog:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
