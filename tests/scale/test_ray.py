"""Heavy work on a real Ray cluster of two nodes: the same answers, also when a node is lost and one comes back."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import budwood
from budwood.client.near import Near
from budwood.client.registry import Registry
from budwood.domain.storage_tiers.values import Arrival
from budwood.errors import ClusterGone, StorageFailed
from budwood.store.api import Objects
from budwood.store.backends.folder import FolderObjects
from budwood.store.crew import Crew
from budwood.store.ray_crew import RayCrew
from budwood.verbs.tiers.worker import run_tiers

pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")


class Nodes:
    """A head and nodes that come and go, each a set of processes of its own on this machine."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self._options = {"num_cpus": 1, "object_store_memory": 80 << 20}
        head = {**self._options, "include_dashboard": False}
        self._cluster: Any = Cluster(initialize_head=True, head_node_args=head)
        self.address: str = self._cluster.address
        self.second: Any = self.join()

    def join(self) -> Any:
        return self._cluster.add_node(**self._options)

    def lose(self, node: Any) -> None:
        self._cluster.remove_node(node, allow_graceful=False)

    def stop(self) -> None:
        import ray

        ray.shutdown()
        self._cluster.shutdown()


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    # Ray brings libraries of its own, and puts them where every test of this process would find them.
    path = list(sys.path)
    cluster = Nodes()
    yield cluster
    cluster.stop()
    sys.path[:] = path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A registry with a version of some megabytes."""
    with budwood.connect(tmp_path / "registry", author="mara") as registry:
        (tmp_path / "weights.bin").write_bytes(os.urandom(64 << 20))
        registry.push(tmp_path / "weights.bin", "m")
    return tmp_path / "registry"


def verified(folder: Path, ray: str, code: int = 0) -> dict[str, Any]:
    """By the command, as whoever runs it."""
    command = [sys.executable, "-m", "budwood", "--registry", str(folder), "verify", "--read-data", "--json"]
    done = subprocess.run(command, env={**os.environ, "BUDWOOD_RAY": ray}, capture_output=True, text=True, timeout=240)
    assert done.returncode == code, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout or done.stderr)
    return answer


def test_a_cluster_verifies_what_threads_verify(nodes: Nodes, folder: Path) -> None:
    here, there = verified(folder, ""), verified(folder, nodes.address)
    assert {**there, "seconds": 0} == {**here, "seconds": 0}
    assert there["ok"]
    pack = max((folder / "packs").rglob("*"), key=lambda path: path.stat().st_size if path.is_file() else 0)
    content = bytearray(pack.read_bytes())
    content[len(content) // 2] ^= 0xFF
    pack.chmod(0o600)
    pack.write_bytes(content)
    here, there = verified(folder, "", 6), verified(folder, nodes.address, 6)
    assert {**there, "seconds": 0} == {**here, "seconds": 0}
    assert [problem["versions"] for problem in there["problems"]] == [["m@v1"]]


def slowly(objects: Objects, given: int) -> tuple[int, str]:
    import ray

    time.sleep(0.2)
    return given, ray.get_runtime_context().get_node_id()


def test_a_node_that_is_lost_costs_nothing_but_time(nodes: Nodes, tmp_path: Path) -> None:
    crew = RayCrew(nodes.address, Opened(tmp_path))
    seen: list[tuple[int, str]] = []
    for given, (came, node) in crew.each(slowly, range(40)):
        assert came == given
        seen.append((given, node))
        if given == 10:
            nodes.lose(nodes.second)
            nodes.second = nodes.join()
    assert [given for given, _ in seen] == list(range(40))
    assert len({node for _, node in seen}) >= 2


class Losing:
    """A crew that loses a node, and gets another, while it is at work."""

    def __init__(self, crew: RayCrew, nodes: Nodes) -> None:
        self._crew, self._nodes = crew, nodes
        self.lost = False

    def each(self, work: Callable[[Objects, Any], Any], given: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        for number, came in enumerate(self._crew.each(work, given)):
            if number == 2 and not self.lost:
                self._nodes.lose(self._nodes.second)
                self._nodes.second = self._nodes.join()
                self.lost = True
            yield came


def family(folder: Path) -> None:
    """A model and its fine-tune, pushed as they are, and a policy that wants differences."""
    chance = np.random.default_rng(1)
    start = chance.normal(0, 0.05, 5 << 20).astype(np.float32)
    with budwood.connect(folder, author="mara") as opened:
        raw = replace(opened.house, push_as=Arrival.RAW)
        registry = Registry(Near(raw, opened.place, made=True, grace_s=0))
        for number, noise in enumerate((0.0, 1e-5)):
            source = folder.parent / f"{folder.name}-{number}.npz"
            np.savez(source, weights=start + chance.normal(0, noise, start.size).astype(np.float32))
            registry.push(source, "m")
        registry.tiers.put_policy(
            "apiVersion: budwood.dev/v1\nkind: Tiering\nspec: {rules: [{tier: warm, models: [m]}]}\n"
        )


def made_warm(folder: Path, crew: Crew | None) -> dict[bytes, tuple[int, int, bytes]]:
    """How each block lies then."""
    with budwood.connect(folder, author="mara") as opened:
        run_tiers(replace(opened.house, cluster=crew))
        assert opened.verify(read_data=True).problems == ()
        with opened.house.catalog.read() as view:
            return {row.id: (row.encoding, row.length, row.base) for row in view.blocks() if not row.is_manifest}


def test_a_cluster_that_loses_a_node_makes_the_same_blocks_warm(nodes: Nodes, tmp_path: Path) -> None:
    for name in ("here", "there"):
        family(tmp_path / name)
    crew = Losing(RayCrew(nodes.address, Opened(tmp_path / "there")), nodes)
    there = made_warm(tmp_path / "there", crew)
    assert crew.lost
    assert sum(1 for _, _, base in there.values() if base) >= 10
    assert there == made_warm(tmp_path / "here", None)


def refusing(objects: Objects, given: int) -> int:
    raise StorageFailed("The disk is gone.", path="/somewhere")


def test_what_fails_there_is_said_here(nodes: Nodes, tmp_path: Path) -> None:
    with pytest.raises(StorageFailed, match="disk is gone"):
        list(RayCrew(nodes.address, Opened(tmp_path)).each(refusing, range(3)))


def test_a_cluster_that_is_not_there_is_said(folder: Path) -> None:
    command = [sys.executable, "-m", "budwood", "--registry", str(folder), "verify", "--read-data"]
    environment = {**os.environ, "BUDWOOD_RAY": "127.0.0.1:1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == ClusterGone.exit_code
    assert "Ray cluster at 127.0.0.1:1" in done.stderr


class Opened:
    """Opens a folder, wherever it is called."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def __call__(self) -> Objects:
        return FolderObjects(self._root)

    def __hash__(self) -> int:
        return hash(self._root)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Opened) and other._root == self._root
