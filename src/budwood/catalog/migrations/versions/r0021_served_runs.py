"""Who answered what lies together as it came, so that each request is no page of its own."""

import json
import zlib
from collections.abc import Sequence
from hashlib import blake2b
from itertools import groupby, islice
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DAY_MS = 86_400_000
RUN, SLOT = 32_768, 128


def upgrade() -> None:
    """What was kept by the requests' ids goes into runs of a day at most."""
    run = op.create_table(
        "served_run",
        sa.Column("id", ID, nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("from_ms", "until_ms", "requests", "slots")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_served_run")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_served_run_until_ms"), "served_run", ["until_ms"], unique=False)
    slot = op.create_table(
        "served_slot",
        sa.Column("run_id", ID, autoincrement=False, nullable=False),
        sa.Column("slot", ID, autoincrement=False, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "slot", name=op.f("pk_served_slot")),
        sqlite_with_rowid=False,
    )
    old = op.get_bind().execute(sa.text(_OLD).execution_options(stream_results=True, yield_per=1_000))
    for _, day in groupby(old, key=lambda row: row.at_ms // DAY_MS):
        while rows := list(islice(day, RUN)):
            _add(run, slot, rows)
    op.drop_table("served")


_OLD = "SELECT request, at_ms, endpoint_id, generation, number, code, latency_us, unit FROM served ORDER BY at_ms"


def _add(run: sa.Table, slot: sa.Table, rows: Sequence[Any]) -> None:
    slots: list[list[bytes]] = [[] for _ in range(-(-len(rows) // SLOT))]
    for row in rows:
        at = int.from_bytes(blake2b(row.request.encode(), digest_size=7).digest()) % len(slots)
        slots[at].append(json.dumps(list(row), separators=(",", ":")).encode())
    values = {"from_ms": rows[0].at_ms, "until_ms": rows[-1].at_ms, "requests": len(rows), "slots": len(slots)}
    key = op.get_bind().execute(sa.insert(run).values(values)).inserted_primary_key
    assert key is not None, "a row that is added has a key"
    bodies = (zlib.compress(b"\n".join(lines), 1) for lines in slots)
    op.bulk_insert(slot, [{"run_id": key[0], "slot": number, "body": body} for number, body in enumerate(bodies)])
