"""Several threads encode and decode at once, each in buffers of its own."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from budwood.store.encodings import decode_block, encode_block

Weights = Callable[[str, int, int], bytes]
Tuned = Callable[[bytes, int, int], bytes]


def test_four_threads_get_their_own_bytes_back(weights: Weights, tuned: Tuned) -> None:
    def there_and_back(seed: int) -> bool:
        dtype, width = (("bf16", 2), ("f32", 4), ("f16", 2))[seed % 3]
        base = weights(dtype, 20_000 + seed, seed)
        raw = tuned(base, width, seed + 1)
        right = True
        for parent in (None, memoryview(base)):
            encoded = encode_block(memoryview(raw), dtype=dtype, base=parent)
            written = b"".join(encoded.parts)
            target = bytearray(len(raw))
            decode_block(encoded.tag, memoryview(written), base=parent, target=memoryview(target))
            right = right and target == raw
        return right

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(there_and_back, range(200)))
