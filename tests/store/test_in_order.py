"""Hashing a file in order from several threads."""

import hashlib
import os
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from budwood.store.in_order import Buffers, InOrder


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


def test_nobody_waits_for_parts_that_come_before() -> None:
    hashing, done = InOrder(threading.Event()), list[int]()
    for number in (3, 1, 2):
        hashing.update(number, memoryview(b"%d" % number), partial(done.append, number))
    assert not done
    hashing.update(0, memoryview(b"0"), partial(done.append, 0))
    assert done == [0, 1, 2, 3]
    assert hashing.hexdigest() == hashlib.sha256(b"0123").hexdigest()


def test_who_waits_for_a_buffer_gets_it_once_the_push_has_stopped() -> None:
    stop, buffers = threading.Event(), Buffers(1)
    hashing, held = InOrder(stop), buffers.take()
    with ThreadPoolExecutor(1) as pool:
        # The parts before it never come.
        hashing.update(7, held, partial(buffers.give, held))
        waiting = pool.submit(buffers.take)
        stop.set()
        hashing.wake()
        assert waiting.result(timeout=30) is held
    hashing.update(8, held, partial(buffers.give, held))
    assert buffers.take() is held
