"""The first admin: a token that is printed once, good for one use, becomes a person who may do everything.

Of every token only the SHA-256 is kept. Secrets are made by whoever calls, and are as ``NEW_TOKEN`` says.
"""

import hashlib
import hmac
from typing import Final

from budwood.catalog.api import Transaction
from budwood.domain.asks import Bootstrapped, IssuedToken
from budwood.domain.names import PrincipalName
from budwood.domain.people import PrincipalKind, TokenRecord
from budwood.errors import NameTaken, Unauthenticated
from budwood.verbs.house import House

TOKEN_PREFIX: Final = "bw_"  # noqa: S105
BOOTSTRAP_PREFIX: Final = "bw_boot_"
_OFFER: Final = "bootstrap"
_USED: Final = "used"


def offer(house: House, secret: str, *, anew: bool = False) -> bool:
    """Let ``secret`` be exchanged for the first admin. False, and nothing changed, when there was an offer before.

    ``anew`` replaces one that nobody has used.
    """

    def work(transaction: Transaction) -> bool:
        before = transaction.meta(_OFFER)
        if before == _USED or (before and not anew):
            return False
        transaction.set_meta(_OFFER, _digest(secret).hex())
        return True

    return house.catalog.write(work)


def bootstrap(house: House, secret: str, name: str, token: str) -> Bootstrapped:
    """Use the offer up. ``token`` becomes the admin's. Raises Unauthenticated, BadName, NameTaken."""
    wanted, now = PrincipalName(name), house.clock()

    def work(transaction: Transaction) -> Bootstrapped:
        offered = transaction.meta(_OFFER)
        if not hmac.compare_digest(offered, _digest(secret).hex()):
            hint = "It is printed when the server first starts, and good for one use."
            raise Unauthenticated("This is no bootstrap token, or it was used.", hint=hint)
        if transaction.principal(wanted) is not None:
            raise NameTaken(f"There is somebody named {wanted!r} already.", name=wanted)
        transaction.set_meta(_OFFER, _USED)
        admin = transaction.add_principal(wanted, PrincipalKind.PERSON, at_ms=now, is_admin=True)
        record = TokenRecord(house.ids()[:16], admin.id, admin.name, "bootstrap", now)
        transaction.add_token(record, _digest(token))
        transaction.add_ledger(now, wanted, "registry.bootstrapped", wanted, {"token": record.id})
        return Bootstrapped(admin, IssuedToken(token, record))

    return house.catalog.write(work)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
