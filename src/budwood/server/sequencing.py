"""Signs what is new in the ledger, once a second, in a thread of its own. Every process does: the writer is one.

What it finds wrong is said in the log, each second anew, and nothing is signed until somebody looked.
"""

import logging
import threading
from typing import Final

from budwood.errors import BudwoodError
from budwood.govern.sequencer import sequence
from budwood.verbs.house import House

LOOKING_S: Final = 0.5
_LOG: Final = logging.getLogger("budwood.sequencing")


class Sequencing:
    """``start`` it once; ``close`` tells it to end, and waits until it has."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="budwood-sequencing", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._ending.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._ending.wait(LOOKING_S):
            try:
                sequence(self._house.catalog, self._house.clock)
            except BudwoodError as error:
                _LOG.warning("the ledger is not signed: %s", error)
            except Exception:
                _LOG.exception("the ledger is not signed")
