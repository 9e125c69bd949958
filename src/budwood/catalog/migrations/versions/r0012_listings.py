"""Titles, descriptions and sources of models and versions, long tags, and names of webhooks."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    _model_listing()
    _model_tag()
    _version_listing()
    _version_text()
    _webhook_listing()
    op.create_index(op.f("ix_version_model_id_stage_number"), "version", ["model_id", "stage", "number"])
    op.execute(
        "INSERT INTO model_listing (model_id, namespace_id, title, updated_ms, description)"
        " SELECT model.id, namespace.id, model.name, model.created_ms, ''"
        " FROM model JOIN namespace ON namespace.name = model.namespace"
    )
    op.execute(
        "INSERT INTO version_listing"
        " (version_id, model_id, namespace_id, updated_ms, run, logged, source, location, run_link, description)"
        " SELECT id, model_id, namespace_id, created_ms, '', '', '', '', '', '' FROM version"
    )


def _words(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, TEXT, nullable=False) for name in names]


def _big(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def _key(name: str) -> sa.Column[int]:
    return sa.Column(name, ID, autoincrement=False, nullable=False)


def _index(table: str, *columns: str) -> None:
    op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, list(columns), unique=False)


def _primary(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=op.f(f"pk_{table}"))


def _of(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [target], name=op.f(f"fk_{table}_{column}"), ondelete="CASCADE")


def _model_listing() -> None:
    op.create_table(
        "model_listing",
        _key("model_id"),
        _big("namespace_id"),
        *_words("title"),
        _big("updated_ms"),
        *_words("description"),
        _primary("model_listing", "model_id"),
        sa.UniqueConstraint("namespace_id", "title", name=op.f("uq_model_listing_namespace_id_title")),
        _of("model_listing", "model_id", "model.id"),
    )
    _index("model_listing", "namespace_id", "updated_ms")


def _model_tag() -> None:
    op.create_table(
        "model_tag",
        _key("model_id"),
        *_words("key"),
        _big("namespace_id"),
        *_words("head", "value"),
        _primary("model_tag", "model_id", "key"),
        _of("model_tag", "model_id", "model.id"),
        sqlite_with_rowid=False,
    )
    _index("model_tag", "namespace_id", "key", "head", "model_id")


def _version_listing() -> None:
    op.create_table(
        "version_listing",
        _key("version_id"),
        sa.Column("model_id", ID, nullable=False),
        _big("namespace_id"),
        _big("updated_ms"),
        *_words("run", "logged", "source", "location", "run_link", "description"),
        _primary("version_listing", "version_id"),
        _of("version_listing", "version_id", "version.id"),
    )
    _index("version_listing", "namespace_id", "updated_ms")
    _index("version_listing", "model_id", "updated_ms")
    _index("version_listing", "namespace_id", "run", "version_id")


def _version_text() -> None:
    op.create_table(
        "version_text",
        _key("version_id"),
        *_words("key", "value"),
        _primary("version_text", "version_id", "key"),
        _of("version_text", "version_id", "version.id"),
        sqlite_with_rowid=False,
    )


def _webhook_listing() -> None:
    op.create_table(
        "webhook_listing",
        _key("webhook_id"),
        *_words("title", "description", "events"),
        _big("updated_ms"),
        _primary("webhook_listing", "webhook_id"),
        _of("webhook_listing", "webhook_id", "webhook.id"),
    )
