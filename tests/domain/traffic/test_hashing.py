"""The bucket of a user is what xxHash64 says it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.domain.traffic.hashing import BUCKETS, bucket_of, xxh64

xxhash = pytest.importorskip("xxhash")


@given(st.binary(max_size=200))
def test_the_hash_is_that_of_the_reference_library(content: bytes) -> None:
    assert xxh64(content) == xxhash.xxh64(content).intdigest()


def test_the_hash_of_nothing_is_the_published_one() -> None:
    assert xxh64(b"") == 0xEF46DB3751D8E999


def test_buckets_are_uniform_and_salts_are_independent() -> None:
    users = [f"user-{number}" for number in range(20_000)]
    first = {user for user in users if bucket_of("one", user) < BUCKETS // 10}
    second = {user for user in users if bucket_of("two", user) < BUCKETS // 10}
    assert abs(len(first) - 2_000) < 200
    assert abs(len(first & second) - 200) < 70
