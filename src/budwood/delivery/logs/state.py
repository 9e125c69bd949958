"""How the sending of a gateway's logs goes: a value that lies in its folder."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class State:
    """``state`` is sending or waiting, ``why`` it waits; ``waiting_bytes`` were not taken yet, ``lost_bytes`` had to be
    dropped."""

    state: str = "waiting"
    why: str = ""
    waiting_bytes: int = 0
    lost_bytes: int = 0

    @property
    def counts(self) -> tuple[int, int]:
        """Waiting and lost."""
        return self.waiting_bytes, self.lost_bytes
