"""Room for what frees room: deleting and sweeping may use what is kept on the registry's disk for them."""

from collections.abc import Callable
from typing import TypeVar

from budwood.errors import StorageFull
from budwood.verbs.house import House

T = TypeVar("T")


def with_room(house: House, act: Callable[[], T]) -> T:
    """Run what frees room. ``act`` begins again when it found none; what it did before stays done."""
    house.ballast.give_up_when_full()
    try:
        return act()
    except StorageFull:
        if not house.ballast.give_up():
            raise
        return act()
    finally:
        house.ballast.take_back()
