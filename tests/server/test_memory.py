"""What the server does not use goes back to the system."""

import ctypes
import subprocess
import sys

import pytest

PROGRAM = """
import os
from budwood.server.memory import give_back

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

kept = [b"x" * 100_000 for _ in range(800)][::2]
before = resident()
give_back()
print(before - resident())
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="the C library keeps nothing, or for good")
def test_what_was_freed_between_things_in_use_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 20_000_000
