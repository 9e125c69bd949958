"""Artifacts in an object store, read below the addresses that whoever imports allowed, and nowhere else.

Credentials come from the environment, as for every program that reads there (``AWS_ACCESS_KEY_ID`` and the like). Where
files lie is what a source says, so an address is compared part by part, and what leads out is refused.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from budwood.client.carrying.folders import parts_of
from budwood.client.carrying.locations import served_path
from budwood.client.carrying.reader import PIECE_BYTES
from budwood.domain.artifacts import artifact_path
from budwood.domain.carrying.records import CarriedFile
from budwood.domain.limits import FILES_PER_VERSION, REQUEST_TRIES
from budwood.errors import BadValue, LimitExceeded, ServerUnreachable, SourceNotFound

if TYPE_CHECKING:
    from obstore.store import ObjectStore

SCHEMES: Final = frozenset({"s3", "s3a", "gs", "az", "azure", "abfs", "abfss"})
_SAME: Final = {"s3a": "s3"}


def is_bucket(address: str) -> bool:
    """Whether an address names a place in an object store."""
    return urlsplit(address).scheme in SCHEMES


@dataclass(frozen=True)
class Bucket:
    """What lies below one address, such as ``s3://team/mlflow``."""

    address: str

    def files(self, location: str) -> Sequence[CarriedFile]:
        """By path. Raises SourceNotFound, UnsafeEntry, LimitExceeded, ServerUnreachable."""
        below = self._below(location)
        found: list[CarriedFile] = []
        with _telling(self.address):
            import obstore

            for page in obstore.list(self._store, prefix=below or None):
                for each in page:
                    path = each["path"][len(below) + 1 :] if below else each["path"]
                    if path and not path.endswith("/"):  # Such a key is a folder that a tool made.
                        found.append(CarriedFile(artifact_path(path), each["size"]))
                if len(found) > FILES_PER_VERSION:
                    raise LimitExceeded(f"{location[:200]!r} holds too many files.", limit="FILES_PER_VERSION")
        return sorted(found, key=lambda each: each.path)

    @contextmanager
    def open(self, location: str, path: str) -> Iterator[Iterator[bytes]]:
        """A file below it, in pieces. Raises SourceNotFound, UnsafeEntry, ServerUnreachable."""
        key = "/".join(part for part in (self._below(location), artifact_path(path)) if part)
        with _telling(self.address):
            import obstore

            yield map(bytes, obstore.get(self._store, key).stream(PIECE_BYTES))

    def holds(self, location: str) -> bool:
        """Whether a location lies below the address; one of a server's own may lie below any."""
        return served_path(location) is not None or self._rest(location) is not None

    def _below(self, location: str) -> str:
        """The key of a location, from the address on. Raises SourceNotFound, UnsafeEntry."""
        served = served_path(location)
        rest = self._rest(location) if served is None else served
        if rest is None:
            raise SourceNotFound(f"{location[:200]!r} lies outside of {self.address}.")
        return "/".join(parts_of(rest))

    def _rest(self, location: str) -> str | None:
        own, asked = _address(self.address), _address(location)
        return asked[len(own) :] if asked == own or asked.startswith(f"{own}/") else None

    @cached_property
    def _store(self) -> "ObjectStore":
        from obstore.store import from_url

        try:
            return from_url(self.address, retry_config={"max_retries": REQUEST_TRIES})
        except Exception as error:
            raise BadValue(f"{self.address[:200]!r} is no address of an object store.") from error


def _address(text: str) -> str:
    parts = urlsplit(text)
    return f"{_SAME.get(parts.scheme, parts.scheme)}://{parts.netloc}{parts.path.rstrip('/')}"


@contextmanager
def _telling(address: str) -> Iterator[None]:
    """What the library raises, as what it means."""
    from obstore.exceptions import BaseError, NotFoundError, PermissionDeniedError, UnauthenticatedError

    try:
        yield
    except (FileNotFoundError, NotFoundError) as error:
        raise SourceNotFound(f"There is no such file below {address} any more.") from error
    except (PermissionError, PermissionDeniedError, UnauthenticatedError) as error:
        hint = "Give the credentials that its own tools take from the environment, such as AWS_ACCESS_KEY_ID."
        raise SourceNotFound(f"What lies below {address} may not be read.", hint=hint) from error
    except (OSError, BaseError) as error:
        raise ServerUnreachable(f"{address} cannot be reached.", url=address) from error
