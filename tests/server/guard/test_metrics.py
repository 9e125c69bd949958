"""What Prometheus is given: bounded series, one page for all processes of a port."""

import re
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from budwood.server.exchange import Exchange
from budwood.server.metrics import SERIES, Metrics

LINE = re.compile(r'[a-z_]+\{([a-z]+="(?:[^"\\]|\\["\\n])*",?)*\} (?:[0-9.e+-]+|nan|inf)')


def exchange(**known: Any) -> Exchange:
    made = Exchange("id1", "GET", 0.0)
    for name, value in known.items():
        setattr(made, name, value)
    return made


def lines(page: bytes) -> list[str]:
    return page.decode().splitlines()


def test_requests_are_counted_by_route_method_and_class_of_status() -> None:
    metrics = Metrics("1", {}, started=5.0)
    for status in (200, 204, 404):
        metrics(exchange(route="version.show", status=status, bytes_out=10, seconds=0.003))
    page = lines(metrics.page(0))
    labels = 'route="version.show",method="GET",status="2xx",process="1"'
    assert f"budwood_http_requests_total{{{labels}}} 2" in page
    assert f"budwood_http_response_bytes_total{{{labels}}} 20" in page
    assert 'budwood_http_request_seconds_bucket{route="version.show",le="0.0025",process="1"} 0' in page
    assert 'budwood_http_request_seconds_bucket{route="version.show",le="0.005",process="1"} 3' in page
    assert 'budwood_http_request_seconds_bucket{route="version.show",le="+Inf",process="1"} 3' in page
    assert 'process_start_time_seconds{process="1"} 5' in page
    assert any(line.startswith("process_resident_memory_bytes{") for line in page)


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=9), st.integers(0, 599)), max_size=20))
def test_every_line_of_a_page_parses_and_every_metric_is_announced_once(seen: list[tuple[str, str, int]]) -> None:
    metrics = Metrics("1", {"pushes_open": lambda: 3.0}, started=5.0)
    for route, method, status in seen:
        # Routes are names of the table; line breaks of other kinds cannot be in one.
        metrics(exchange(route=re.sub(r"[^ -~]", "", route), method=method, status=status, seconds=0.1))
    page = lines(metrics.page(0))
    announced = [line for line in page if line.startswith("# TYPE")]
    assert len(announced) == len(set(announced))
    assert [line for line in page if not line.startswith("# ") and not LINE.fullmatch(line)] == []


def test_clients_cannot_make_series() -> None:
    metrics = Metrics("1", {}, started=5.0)
    for number in range(SERIES * 2):
        metrics(exchange(method=f"M{number}", status=404))
        metrics(exchange(route=f"r{number}", status=404))
    assert len([line for line in lines(metrics.page(0)) if "requests_total{" in line]) <= SERIES + 1


def test_a_gauge_that_fails_is_left_out_of_the_page() -> None:
    def broken() -> float:
        raise OSError("gone")

    page = Metrics("1", {"broken": broken, "write_queue_length": lambda: 7.0}, started=5.0).page(0)
    assert b'budwood_write_queue_length{process="1"} 7' in page
    assert b"broken" not in page


def test_whichever_process_is_asked_gives_the_pages_of_all_that_live(tmp_path: Path) -> None:
    one, two, gone = (Metrics(name, {}, started=1.0, shared=tmp_path) for name in ("11", "12", "13"))
    one(exchange(route="r", status=200))
    two(exchange(route="r", status=200))
    two(exchange(route="r", status=200))
    two.leave(1_000_000.0)
    gone.leave(1_000_000.0 - 1_000)
    (tmp_path / "14.metrics").write_bytes(b"[[garbage")
    page = lines(one.page(1_000_000.0))
    counts = [line for line in page if line.startswith("budwood_http_requests_total")]
    assert [line.rsplit(",", 1)[1] for line in counts] == ['process="11"} 1', 'process="12"} 2']
    assert not any('process="13"' in line for line in page)
