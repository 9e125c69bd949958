"""What gateways wrote is counted: the logs of those on this machine are read where they lie, the others send theirs.

Either way a piece goes in with its position, in one transaction with all that it changes, so each line counts once. A
gateway that shows a token is never read in place: what it says about paths would be about this machine.
"""

from pathlib import Path
from typing import Final

from budwood.delivery.gateway.config import Place
from budwood.delivery.logs.files import whole_lines
from budwood.delivery.logs.wire import Answer, Piece
from budwood.delivery.shadow.capture import captures_path
from budwood.domain.limits import GATEWAY_LOGS
from budwood.domain.traffic.records import GatewayRecord
from budwood.errors import LimitExceeded
from budwood.verbs.house import House
from budwood.verbs.logs_sent import Sent
from budwood.verbs.shadows import take_captures
from budwood.verbs.taking_lines import take_lines

_PIECE_BYTES: Final = 1 << 20
_CAPTURES_BYTES: Final = 4 << 20


def take_piece(house: House, piece: Piece, namespaces: frozenset[str] | None) -> Answer:
    """What a gateway sent of one of its logs. ``namespaces`` are those it may speak of. Raises LimitExceeded."""
    if len(piece.kept) > GATEWAY_LOGS:
        raise LimitExceeded(f"A gateway has at most {GATEWAY_LOGS} logs.", limit="GATEWAY_LOGS")
    sent = Sent(namespaces, frozenset(piece.kept) | {piece.log}, piece.lost)
    place = (piece.gateway, piece.log, piece.start, piece.content, sent)
    return Answer((take_captures if piece.captures else take_lines)(house, *place).read)


def read_in_place(house: House, name: str, place: Place) -> None:
    """A piece of each log of a gateway on this machine."""
    logs = [Path(place.log), Path(captures_path(place.log))]
    there = {path: f"{path.stat().st_ino:x}" for path in logs if path.is_file()}
    if not there:
        return
    with house.catalog.read() as view:
        known = view.gateway(name) or GatewayRecord(name)
    sent = Sent(kept=frozenset(there.values()))
    for path, number in there.items():
        captures = path == logs[1]
        start = known.positions.get(number, 0)
        whole = whole_lines(path, start, _CAPTURES_BYTES if captures else _PIECE_BYTES)
        if whole:
            (take_captures if captures else take_lines)(house, name, number, start, whole, sent)
