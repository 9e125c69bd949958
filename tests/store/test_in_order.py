"""Hashing a file in order from several threads."""

import hashlib
import os
import random
import threading
from concurrent.futures import ThreadPoolExecutor

from budwood.store.in_order import InOrder


def test_parts_from_many_threads_give_the_hash_of_the_whole() -> None:
    whole = os.urandom(100_000)
    cuts = [0, *sorted(random.Random(1).sample(range(1, len(whole)), 60)), len(whole)]
    hashing = InOrder(threading.Event())
    with ThreadPoolExecutor(4) as pool:
        for number in range(len(cuts) - 1):
            pool.submit(hashing.update, number, memoryview(whole)[cuts[number] : cuts[number + 1]])
    assert hashing.hexdigest() == hashlib.sha256(whole).hexdigest()


def test_hashing_may_begin_after_what_is_known() -> None:
    hashing = InOrder(threading.Event(), first=1, before=b"header")
    hashing.update(1, memoryview(b"rest"))
    assert hashing.hexdigest() == hashlib.sha256(b"headerrest").hexdigest()


def test_nobody_waits_for_a_part_that_never_comes_once_the_push_has_stopped() -> None:
    stop = threading.Event()
    hashing = InOrder(stop)
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(hashing.update, number, memoryview(b"x")) for number in (1, 2, 3)]
        stop.set()
        hashing.wake()
        for future in waiting:
            future.result(timeout=10)
