"""The number of a namespace: everything that lives in one is kept with it."""

from typing import Final

from sqlalchemy import bindparam, select

from budwood.catalog.sql.people_tables import namespace
from budwood.catalog.sql.session import Session, Statement

_ID: Final = Statement(select(namespace.c.id).where(namespace.c.name == bindparam("name")))


def room_of(session: Session, name: str) -> int:
    """0 for a namespace that is not there; nothing lives under that number."""
    row = session.one(_ID, name=name)
    return int(row[0]) if row is not None else 0


def known_room(session: Session, name: str) -> int:
    """Of a namespace that must be there."""
    room = room_of(session, name)
    assert room, f"there is no namespace {name}"
    return room
