"""Works on storage tiers in the background, in a thread of its own at the lowest priority, for a share of its time:
a tenth of that while somebody pushes.

Every process looks; a lease lets one of them work. What is found wrong is said in the log, and tried again later.
"""

import logging
import threading
import time
from functools import partial
from typing import Final

from budwood.errors import BudwoodError, LeaseLost, RegistryBusy
from budwood.verbs.house import House
from budwood.verbs.lease import is_pushed_to
from budwood.verbs.tiers.pace import Pace, step_back
from budwood.verbs.tiers.worker import has_work, run_tiers

LOOKING_S: Final = 60.0
_LOG: Final = logging.getLogger("budwood.tiers")


class TierWork:
    """``start`` it once; ``close`` tells it to end, and waits until the block at hand is done. ``share`` is how much of
    its time it works, from 0 to 1."""

    def __init__(self, house: House, share: float, *, looking_s: float = LOOKING_S) -> None:
        self._house = house
        self._share = share
        self._looking_s = looking_s
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="budwood-tiers", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._ending.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        step_back()
        rest_s = self._looking_s
        while not self._ending.wait(rest_s):
            began = time.monotonic()
            try:
                if has_work(self._house):
                    pace = Pace(self._share, wait=self._ending.wait, yields=partial(is_pushed_to, self._house))
                    done = run_tiers(self._house, pace)
                    _LOG.info("brought %d versions to other tiers, %d left", len(done.versions), done.left)
            except (RegistryBusy, LeaseLost):
                # Another process works.
                pass
            except BudwoodError as error:
                _LOG.warning("versions stay in their tiers: %s", error)
            except Exception:
                _LOG.exception("versions stay in their tiers")
            # To look costs time too, where there are very many versions.
            rest_s = max(self._looking_s, (time.monotonic() - began) * (1 - self._share) / self._share)
