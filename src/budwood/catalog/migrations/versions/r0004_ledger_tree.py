"""The ledger's tree: a leaf and openings for each entry, also for those there are, tiles and checkpoints."""

import os
from collections.abc import Sequence
from functools import partial
from typing import Any

import sqlalchemy as sa
from alembic import op

from budwood.domain import canon
from budwood.domain.records import LedgerEntry
from budwood.domain.tree.leaf import SALT_BYTES, seal

revision = "0004"
down_revision = "0003"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
PAGE = 1_000


def upgrade() -> None:
    _tables()
    _seal_what_is_there()


def _tables() -> None:
    op.create_table(
        "ledger_leaf",
        sa.Column("sequence", ID, autoincrement=False, nullable=False),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_ledger_leaf")),
    )
    op.create_table(
        "ledger_opening",
        sa.Column("sequence", ID, autoincrement=False, nullable=False),
        sa.Column("field", TEXT, nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("value", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("sequence", "field", name=op.f("pk_ledger_opening")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "ledger_tile",
        sa.Column("level", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("index", ID, autoincrement=False, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "index", name=op.f("pk_ledger_tile")),
    )
    op.create_table(
        "ledger_checkpoint",
        sa.Column("size", ID, autoincrement=False, nullable=False),
        sa.Column("note", sa.LargeBinary(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_ledger_checkpoint")),
    )


def _seal_what_is_there() -> None:
    connection, after = op.get_bind(), 0
    names = "sequence, at_ms, actor, action, subject, namespace, body"
    page = sa.text(f"SELECT {names} FROM ledger WHERE sequence > :after ORDER BY sequence LIMIT {PAGE}")  # noqa: S608
    while rows := connection.execute(page, {"after": after}).all():
        _seal(connection, rows)
        after = rows[-1][0]


def _seal(connection: sa.Connection, rows: Sequence[Any]) -> None:
    leaves, openings, salts = [], [], partial(os.urandom, SALT_BYTES)
    for sequence, at_ms, actor, action, subject, namespace, body in rows:
        written: Any = canon.loads(body)
        one = seal(LedgerEntry(sequence, at_ms, actor, action, subject, written, namespace), salts)
        leaves.append({"sequence": sequence, "leaf": one.leaf})
        for opening in one.openings:
            value = canon.dumps(opening.value).decode()
            openings.append({"sequence": sequence, "field": opening.field, "salt": opening.salt, "value": value})
    connection.execute(sa.text("INSERT INTO ledger_leaf (sequence, leaf) VALUES (:sequence, :leaf)"), leaves)
    if openings:
        connection.execute(
            sa.text(
                "INSERT INTO ledger_opening (sequence, field, salt, value) VALUES (:sequence, :field, :salt, :value)"
            ),
            openings,
        )
