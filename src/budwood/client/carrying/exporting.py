"""``registry.export_mlflow``: a namespace, into an MLflow server."""

import tempfile
from pathlib import Path

from budwood.client.carrying.counts import Counts, Tell
from budwood.client.carrying.journal import Journal
from budwood.client.carrying.ours import Ours
from budwood.client.carrying.planned import Planning
from budwood.client.carrying.sending import Sending
from budwood.client.carrying.sending_files import SendingFiles
from budwood.client.carrying.stock import StockReader
from budwood.client.carrying.stock_writer import StockWriter
from budwood.client.carrying.web import Web
from budwood.client.place import Place
from budwood.config import mlflow_credentials, user_cache
from budwood.domain.carrying.report import Carried

IDS = "The server gave its own ids to all but traces and versions, and its own times to what it keeps."


def export_mlflow(
    place: Place,
    uri: str,
    namespace: str,
    tell: Tell,
    *,
    workspace: str = "",
    with_files: bool = True,
    dry: bool = False,
) -> Carried:
    """Raises BadValue, ServerUnreachable, Malformed, NameTaken, Unauthenticated, Forbidden, NamespaceNotFound."""
    web = Web(uri, mlflow_credentials(), workspace)
    ours, counts = Ours(place, namespace), Counts(tell)
    there = StockWriter(web, StockReader(web))
    try:
        if dry:
            Planning(ours, counts, with_files).all()
        else:
            journal = Journal(user_cache("mlflow"), place.name, namespace, web.name)
            with journal, tempfile.TemporaryDirectory(prefix="budwood-export-") as scratch:
                files = SendingFiles(ours, there, journal, counts, Path(scratch))
                Sending(ours, there, files, counts, with_files).all()
            counts.note(IDS)
        return counts.report(place.name, web.name, namespace, dry=dry)
    finally:
        web.close()
