"""What each gateway has of each endpoint: a row each, so that a change writes only what changed."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Until now a gateway's record had all of them, by the endpoints' names."""
    op.create_table(
        "taken",
        sa.Column("gateway", TEXT, nullable=False),
        sa.Column("endpoint_id", ID, autoincrement=False, nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("gateway", "endpoint_id", name=op.f("pk_taken")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_taken_endpoint_id"), "taken", ["endpoint_id"], unique=False)
    connection = op.get_bind()
    endpoints = sa.text(
        "SELECT namespace.name, endpoint.name, endpoint.id FROM endpoint"
        " JOIN namespace ON namespace.id = endpoint.namespace_id WHERE endpoint.gone = 0"
    )
    ids = {f"{namespace}.{name}": id_ for namespace, name, id_ in connection.execute(endpoints)}
    for name, text in connection.execute(sa.text("SELECT name, body FROM gateway")).all():
        body = json.loads(text)
        for key, generation in body.pop("generations", {}).items():
            if key in ids:
                row = {"gateway": name, "endpoint_id": ids[key], "generation": generation}
                connection.execute(sa.text("INSERT INTO taken VALUES (:gateway, :endpoint_id, :generation)"), row)
        values = {"name": name, "body": json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)}
        connection.execute(sa.text("UPDATE gateway SET body = :body WHERE name = :name"), values)
