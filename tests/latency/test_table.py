"""What a table says of networks that nobody timed: against a machine of our own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import resgen
from resgen.errors import ResgenError
from resgen.graph.ir import Graph
from resgen.latency.kernels import Kernel, runs
from resgen.latency.regression import Regression
from resgen.latency.table import (
    LEAST,
    TABLE,
    Conditions,
    Held,
    Network,
    Record,
    Table,
    held_out,
    load,
)

HERE = Conditions("onnxruntime", "1.30", "cpu", "a processor", 1, 1)
NEAR = Held(names=0.01, others=1.0, known=0.0)
WIDTHS = (16, 20, 24, 32, 36, 40, 48, 64, 72, 80, 96, 100)


def truth(kernel: Kernel) -> float:
    """A machine of 40 GMACs a second and 10 GB/s, whose channels come in eights."""
    inner = kernel.channels // kernel.groups
    wasted = -(-inner // 8) * 8 / inner
    moved = 4 * (kernel.reads + kernel.writes + kernel.weights)
    return 2e-6 + kernel.macs * wasted / 40e9 + moved / 10e9


def network(width: int, size: int) -> Graph:
    changes = [f"/stages/{at}/width={width * 2**at}" for at in range(3)]
    spec = resgen.load("resnet20_cifar", [*changes, f"/input=[3,{size},{size}]"])
    return resgen.expand(spec)


def table(graphs: list[Graph], cost: float = 0.0) -> Record:
    """What a profiler would say that adds its cost to each kernel."""
    generator = np.random.default_rng(0)
    places: dict[Kernel, int] = {}
    networks = []
    for graph in graphs:
        kernels = [run.kernel for run in runs(graph)]
        times = [truth(k) * generator.uniform(0.97, 1.03) for k in kernels]
        ran = [
            (places.setdefault(kernel, len(places)), seconds + cost)
            for kernel, seconds in zip(kernels, times, strict=True)
        ]
        whole = sum(map(truth, kernels)) * 1.05
        name = str(kernels[-1].channels)  # a network of another width is another
        networks.append(Network(name, "", whole, tuple(ran)))
    held = held_out(tuple(places), networks)
    return Record(HERE, tuple(places), tuple(networks), held, "", "")


@pytest.fixture(scope="module")
def record() -> Record:
    return table([network(width, size) for width in WIDTHS for size in (24, 40)])


def test_a_network_of_other_widths_is_predicted_with_its_parts(record: Record) -> None:
    whole = Table(record)
    for width, size in ((28, 32), (52, 40), (88, 28)):
        graph = network(width, size)
        found = whole.predict(graph)
        took = 1.05 * sum(truth(run.kernel) for run in runs(graph))
        assert found.interval is not None
        assert found.seconds == pytest.approx(took, rel=0.1)
        assert found.interval[0] < found.seconds < found.interval[1]
        assert found.measured < 0.5
        assert found.unknown == ()
        sections = [part for part in found.parts if part.kind == "section"]
        assert sum(part.seconds for part in sections) == pytest.approx(found.seconds)
        layer1 = [p for p in found.parts if p.path.startswith("layer1.")]
        assert sum(p.seconds for p in layer1) == pytest.approx(sections[1].seconds)


def test_what_was_timed_is_told_as_it_was(record: Record) -> None:
    graph = network(16, 40)
    found = Table(record).predict(graph)
    took = 1.05 * sum(truth(run.kernel) for run in runs(graph))
    assert found.seconds == pytest.approx(took, rel=0.03)
    assert found.measured == pytest.approx(1.0)


def test_what_a_profiler_adds_is_taken_off() -> None:
    """It is half of what kernels of small networks take."""
    whole = Table(table([network(width, 16) for width in WIDTHS], cost=4e-6))
    for width in (16, 32):
        graph = network(width, 16)
        took = 1.05 * sum(truth(run.kernel) for run in runs(graph))
        assert whole.seconds(graph) == pytest.approx(took, rel=0.03)
    changes = ["/stages/0/depth=9", "/input=[3,16,16]"]
    deeper = resgen.expand(resgen.load("resnet20_cifar", changes))
    took = 1.05 * sum(truth(run.kernel) for run in runs(deeper))
    assert whole.seconds(deeper) == pytest.approx(took, rel=0.05)


def test_how_well_it_predicts_is_what_it_did_for_networks_left_out(
    record: Record,
) -> None:
    whole = Table(record)
    assert len(record.held_out) == len(record.networks)
    close = whole.close()
    assert close is not None
    assert close > 0.9
    # A machine that does as it likes is not promised to be predicted.
    generator = np.random.default_rng(1)
    wild = [
        replace(n, seconds=n.seconds * float(np.exp(generator.normal(0, 0.5))))
        for n in record.networks[:12]
    ]
    told = held_out(record.kernels, wild)
    worse = Table(replace(record, networks=tuple(wild), held_out=told))
    assert worse.close() < 0.5  # type: ignore[operator]
    assert worse.within[1] > 1.5  # type: ignore[index]


def slower(network: Network) -> Network:
    """Three times as slow, whatever of it is timed."""
    kernels = tuple((place, 3 * seconds) for place, seconds in network.kernels)
    return replace(network, seconds=3 * network.seconds, kernels=kernels)


def test_kernels_are_not_blamed_for_what_disturbed_the_whole(record: Record) -> None:
    first, *rest = record.networks
    networks = (replace(first, seconds=3 * first.seconds), *rest)
    found = Table(replace(record, networks=networks)).seconds(network(16, 24))
    assert found == pytest.approx(first.seconds, rel=0.3)


def test_how_fast_the_machine_was_is_told_from_how_kernels_do() -> None:
    """Its clock is that of a shared host: all of a network's kernels keep its pace."""
    generator = np.random.default_rng(0)
    changes = [[f"/stages/2/width={width}"] for width in range(64, 64 + 8 * 14, 8)]
    graphs = [resgen.expand(resgen.load("resnet20_cifar", c)) for c in changes]
    told = table(graphs)
    paces = np.exp(generator.normal(0, 0.2, len(graphs)))
    networks = tuple(
        replace(
            each,
            seconds=each.seconds * pace,
            kernels=tuple((at, took * pace) for at, took in each.kernels),
        )
        for each, pace in zip(told.networks, paces.tolist(), strict=True)
    )
    whole = Table(replace(told, networks=networks))
    found = np.array([whole.seconds(graph) for graph in graphs])
    took = np.array([network.seconds for network in told.networks])
    off = found / took
    assert np.std(np.log(off)) < np.std(np.log(paces)) / 3


def test_small_networks_take_less_where_those_held_out_did(record: Record) -> None:
    """Their caches hold more of them; the parts add up to the whole all the same."""
    took = np.log([network.seconds for network in record.networks])
    off = -0.1 * (took - np.median(took))
    held = tuple(Held(names=o, others=o, known=0.0) for o in off.tolist())
    tilted = Table(replace(record, held_out=held))
    plain = Table(replace(record, held_out=()))
    small, large = network(16, 24), network(100, 40)
    assert tilted.seconds(small) < 0.95 * plain.seconds(small)
    assert tilted.seconds(large) > 1.05 * plain.seconds(large)
    found = tilted.predict(small)
    sections = [part.seconds for part in found.parts if part.kind == "section"]
    assert sum(sections) == pytest.approx(found.seconds)


def test_a_network_is_told_by_others_and_not_by_itself_at_another_width() -> None:
    """One whose kernels are three times as slow looks like nothing else."""
    graphs = [network(width, 24) for width in WIDTHS]
    record = table(graphs)
    odd = [
        replace(slower(n), name="odd") if at % 4 == 0 else n
        for at, n in enumerate([*record.networks, *record.networks[:1]])
    ]
    first, *_, last = held_out(record.kernels, odd)
    for each in (first, last):
        assert np.exp(each.names) < 0.6
        assert np.exp(each.others) == pytest.approx(1.0, rel=0.1)


def test_an_interval_is_narrower_the_more_alike_is_what_was_measured(
    record: Record,
) -> None:
    wide = []
    for graph in (network(16, 40), network(52, 40), network(400, 40)):
        found = Table(record).predict(graph)
        assert found.interval is not None
        wide.append(np.log(found.interval[1] / found.interval[0]))
    seen, alike, unlike = wide
    assert seen < alike < unlike / 2


def test_networks_as_they_are_and_variants_of_them_are_told_apart(
    record: Record,
) -> None:
    """What is timed again at another size is no new network."""
    seen: set[str] = set()
    held = []
    for each in record.networks:
        varies = each.name in seen
        held.append(Held(names=0.07, others=0.07, known=0.0) if varies else NEAR)
        seen.add(each.name)
    found = Table(replace(record, held_out=tuple(held)))
    assert found.close(0.05) == 1.0
    assert found.close(variants=True) == 1.0
    assert found.close(0.05, variants=True) == 0.0
    told = "\n".join(found.lines())
    assert "a network         100 % within 5 %" in told
    assert "a variant of one  0 % within 5 %, 100 % within 10 %" in told


def test_an_interval_of_a_dozen_networks_has_the_furthest_of_them(
    record: Record,
) -> None:
    networks = record.networks[:12]
    held = (*[Held(0.0, 0.0, known=0.0)] * 11, Held(0.5, 0.5, known=0.0))
    found = Table(replace(record, networks=networks, held_out=held))
    assert found.within is not None
    assert np.log(found.within[1]) == pytest.approx(0.5, rel=0.15)


def test_few_networks_promise_nothing(record: Record) -> None:
    few = replace(record, networks=record.networks[: LEAST - 1], held_out=())
    found = Table(few).predict(network(28, 32))
    assert found.interval is None


def test_kernels_of_other_kinds_are_named(record: Record) -> None:
    graph = resgen.expand(resgen.load("mobilenetv2_050"))
    found = Table(record).predict(graph)
    assert "conv depthwise" in found.unknown


def test_what_is_like_nothing_timed_is_told_and_has_an_interval_that_holds(
    record: Record, tmp_path: Path
) -> None:
    whole = Table(record)
    graph = resgen.expand(resgen.load("mobilenetv2_050"))
    found = whole.predict(graph)
    took = 1.05 * sum(truth(run.kernel) for run in runs(graph))
    assert found.interval is not None
    assert found.interval[0] < took < found.interval[1]
    assert found.unlike > 0.5
    nodes = {node.name for run in runs(graph) for node in run.nodes}
    assert found.places
    assert nodes.issuperset(found.places)
    assert whole.predict(network(28, 32)).unlike == 0
    path = tmp_path / "table.json"
    TABLE.save(record, path)
    said = str(resgen.inspect("mobilenetv2_050", latency=path))
    assert "of it is like nothing in the table, most at" in said


def test_a_table_is_a_file(record: Record, tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    TABLE.save(record, path)
    again = load(path)
    graph = network(28, 32)
    assert again.predict(graph) == Table(record).predict(graph)
    path.write_text('{"resgen_latency_table": 1}')
    with pytest.raises(ResgenError, match="table"):
        load(path)


def test_a_kind_of_which_few_were_timed_is_not_told_wildly() -> None:
    """Sizes in which the few hardly differ tell nothing of others that do."""

    def pool(channels: int, size: int) -> Kernel:
        sizes = channels * size**2
        return Kernel("pool", channels, channels, 1, 9, 4, 0, sizes, sizes // 4, 0)

    few = [pool(64, 56), pool(64, 57), pool(65, 56), pool(65, 57)]
    generator = np.random.default_rng(0)
    timed = {each: truth(each) * generator.uniform(0.9, 1.1) for each in few}
    asked = [pool(8, 14), pool(512, 112), pool(1024, 7)]
    for kernel, seconds in Regression(timed).seconds(asked).items():
        assert truth(kernel) / 4 < seconds < 4 * truth(kernel)
