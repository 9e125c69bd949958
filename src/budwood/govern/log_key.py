"""The ledger's own Ed25519 key, and checking what it signed.

It is made when it is first needed and kept in the catalog, as the keys of addresses are: every process and host of a
server must sign with the same one, and a restored backup must go on with the same log. So whoever can write the
database can also sign; what stands against them is that clients and auditors keep key and checkpoints of their own.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

from budwood.catalog.api import Transaction, View
from budwood.domain.tree.note import KeyKind, NoteKey, Sign
from budwood.errors import CatalogDamaged, FrameworkMissing

META: Final = "ledger-key"


@dataclass(frozen=True, slots=True)
class LogKey:
    """The public half as others know it, and signing with the other."""

    public: NoteKey
    sign: Sign


def kept_key(view: View) -> LogKey | None:
    """The key there is. Raises CatalogDamaged for one that is none, FrameworkMissing."""
    origin, _, seed = view.meta(META).partition(" ")
    if not origin:
        return None
    try:
        return from_seed(origin, bytes.fromhex(seed))
    except ValueError as error:
        raise CatalogDamaged("The ledger's key in the catalog is none.") from error


def own_key(transaction: Transaction) -> LogKey:
    """The key there is, or a new one. Its log is named after the first key. Raises CatalogDamaged, FrameworkMissing."""
    found = kept_key(transaction)
    if found is not None:
        return found
    seed = new_seed()
    origin = f"budwood/{hashlib.sha256(from_seed('new', seed).public.public).hexdigest()[:16]}"
    transaction.set_meta(META, f"{origin} {seed.hex()}")
    return from_seed(origin, seed)


def check(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether an Ed25519 signature holds. Raises FrameworkMissing."""
    with _driver():
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def new_seed() -> bytes:
    """The secret half of a new key. Raises FrameworkMissing."""
    with _driver():
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    return Ed25519PrivateKey.generate().private_bytes_raw()


def from_seed(name: str, seed: bytes, kind: KeyKind = KeyKind.LOG) -> LogKey:
    """The key of a seed, a log's or a witness's. Raises ValueError, FrameworkMissing."""
    with _driver():
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    private = Ed25519PrivateKey.from_private_bytes(seed)
    return LogKey(NoteKey(name, private.public_key().public_bytes_raw(), kind), private.sign)


class _driver:  # noqa: N801 used as a statement
    """Names what to install where signing is asked for without its library."""

    def __enter__(self) -> None:
        """Nothing is held."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ImportError):
            hint = "pip install 'budwood[signing]'"
            raise FrameworkMissing("Signing the ledger needs the library cryptography.", hint=hint) from error
