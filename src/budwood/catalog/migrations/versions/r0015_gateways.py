"""Gateways on other machines: how far each of a gateway's logs was taken in, by log."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Until now a gateway had one log of requests and one of captures."""
    connection = op.get_bind()
    for name, text in connection.execute(sa.text("SELECT name, body FROM gateway")).all():
        body = json.loads(text)
        had = [(body.pop("log", ""), body.pop("read", 0)), (body.pop("captures", ""), body.pop("captures_read", 0))]
        body["positions"] = {log: read for log, read in had if log}
        values = {"name": name, "body": json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)}
        connection.execute(sa.text("UPDATE gateway SET body = :body WHERE name = :name"), values)
