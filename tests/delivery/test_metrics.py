"""What a scraper reads of a gateway: every version's requests, errors and latencies, and no more series."""

from dataclasses import replace

from budwood.delivery.gateway import admin
from budwood.domain.traffic.endpoint import Endpoint, Routing
from budwood.domain.traffic.segments import first_table

from .conftest import Gateway, Says, eventually


def page(gateway: Gateway) -> list[str]:
    text = admin.asked(gateway.folder / "admin.sock", "/stats/prometheus?filter=budwood").decode()
    return [line for line in text.splitlines() if "budwood_" in line and not line.startswith("#")]


def test_every_version_is_counted_and_nothing_else_is(
    gateway: Gateway, endpoint: Endpoint, backends: dict[str, Says]
) -> None:
    gateway.obey(Routing(endpoint, 1, first_table({"stable": 5_000, "canary": 5_000})))
    backends["canary"].answers = 503
    for number in range(40):
        gateway.ask("/predict/fraud", {"x-user-id": f"user-{number}", "x-request-id": f"r-{number}"})
        gateway.ask(f"/predict/nothing-{number}")
    stable, canary = (f'endpoint="default.fraud",version="fraud-detector@v{number}"' for number in (1, 2))
    of_both = [f"envoy_budwood_requests{{{each}}}" for each in (stable, canary)]
    eventually(lambda: sum(counted(gateway).get(each, 0) for each in of_both) == 40, told=lambda: counted(gateway))
    counts = counted(gateway)
    assert counts[f"envoy_budwood_errors{{{canary}}}"] == counts[f"envoy_budwood_requests{{{canary}}}"]
    assert f"envoy_budwood_errors{{{stable}}}" not in counts
    buckets = [line for line in page(gateway) if line.startswith("envoy_budwood_latency_us_bucket")]
    assert any(stable in line for line in buckets)
    before = len(page(gateway))
    for code in (200, 201, 404, 418, 599):
        backends["canary"].answers = code
        for _ in range(8):
            gateway.ask("/predict/fraud", {"x-budwood-tenant": f"t{code}"})
    eventually(lambda: sum(counted(gateway).get(each, 0) for each in of_both) == 80, told=lambda: counted(gateway))
    assert len(page(gateway)) == before
    gateway.obey(replace_generation(endpoint))
    assert len(page(gateway)) == before


def counted(gateway: Gateway) -> dict[str, float]:
    """Requests and errors by series."""
    said = [line for line in page(gateway) if line.startswith(("envoy_budwood_requests", "envoy_budwood_errors"))]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in said}


def replace_generation(endpoint: Endpoint) -> Routing:
    return Routing(replace(endpoint, timeout_s=3.0), 2, first_table({"stable": 10_000}))


def test_envoys_own_figures_of_each_arm_are_few(gateway: Gateway, endpoint: Endpoint) -> None:
    """All of a thousand endpoints' would keep it from hearing a kill switch for as long as somebody reads them."""
    gateway.obey(Routing(endpoint, 1, first_table({"stable": 10_000})))
    gateway.ask("/predict/fraud")
    said = admin.asked(gateway.folder / "admin.sock", "/stats").decode().splitlines()
    of_arm = {line.split(":")[0].removeprefix("cluster.default.fraud.stable.") for line in said if ".stable." in line}
    assert {"membership_healthy", "membership_total"} < of_arm
    assert all(each.startswith(("membership_", "outlier_detection.", "health_check.")) for each in of_arm)
    of_table = [line for line in said if ".rds.endpoint/default.fraud." in line]
    assert [line.split(":")[0].rpartition(".")[2] for line in of_table] == ["update_rejected"]
