"""What Alembic runs: the scripts, on the connection that ``migrations.upgrade`` was given. There is no ini file."""

from alembic import context

from budwood.catalog.sql.schema import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
context.run_migrations()
