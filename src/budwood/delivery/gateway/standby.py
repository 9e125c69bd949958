"""``python -m budwood.delivery.gateway.standby FOLDER ENVOY``: stands behind a keeper, and starts it again when it
ends before it should.

The keeper looks after this process in turn, so whoever kills one of them finds both again. It does nothing else, and
imports nothing that it does not need for that.
"""

import os
import subprocess
import sys
import time
from typing import Final

_AGAIN_S: Final = 1.0


def main() -> None:
    """Until a keeper says that there is nothing left to keep, or that another one took over."""
    folder, envoy = sys.argv[1:3]
    keeper = [sys.executable, "-m", "budwood.delivery.gateway.keep", folder, envoy, str(os.getpid())]
    while subprocess.run(keeper, check=False).returncode:
        time.sleep(_AGAIN_S)


if __name__ == "__main__":
    main()
