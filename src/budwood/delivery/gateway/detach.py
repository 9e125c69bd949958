"""``python -m budwood.delivery.gateway.detach PIDFILE LOG PROGRAM [ARGUMENT ...]``: start a program that outlives us.

Envoy asks the kernel to end it when its parent ends. So the parent must be gone before the program begins: this process
forks, ends, and the child waits until somebody else is its parent before it becomes the program.
"""

import os
import sys
import time
from pathlib import Path
from typing import Final

_STEP_S: Final = 0.002


def main() -> None:
    """The process number is in the file before the program starts."""
    pid_file, log, *command = sys.argv[1:]
    parent = os.getpid()
    if os.fork():
        os._exit(0)
    os.setsid()
    while os.getppid() == parent:
        time.sleep(_STEP_S)
    new = Path(f"{pid_file}.new")
    new.write_text(str(os.getpid()), encoding="ascii")
    new.replace(pid_file)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, source in enumerate((nothing, output, output)):
        os.dup2(source, number)
    os.execv(command[0], command)  # noqa: S606  (it becomes the program, there is no shell)


if __name__ == "__main__":
    main()
