"""The schema of a catalog in SQLite, looked at and brought up to date by hand; opening one does the latter too."""

from pathlib import Path

from budwood.catalog import migrations
from budwood.catalog.sql.sqlite import SqliteCatalog, revision_at
from budwood.domain.results import SchemaState


def state(path: Path) -> SchemaState:
    """The schema as it is. Raises RegistryNotFound, TooNew, CatalogDamaged, StorageFailed."""
    found = revision_at(path)
    return SchemaState(str(path), found, found, migrations.HEAD)


def upgrade(path: Path) -> SchemaState:
    """Run the missing migrations. Raises the same, and RegistryBusy."""
    before = revision_at(path)
    SqliteCatalog(path, create=False).close()
    return SchemaState(str(path), before, migrations.HEAD, migrations.HEAD)
