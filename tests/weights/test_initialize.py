"""Fresh weights against SciPy's distributions, and against themselves elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from scipy.special import ndtri

from resgen.graph.ir import Parameter
from resgen.ops.types import Constant, Initializer, Normal, Uniform
from resgen.weights import random
from resgen.weights.initialize import initialize

#: Of a few draws of each kind, in little-endian order. It may never change: it would
#: change every network that anybody built from a seed.
PINNED = "bbf78fdaec167bb739f9c6fd20099dd4a58b70a5192672df69f57a6ab6269b7b"

#: Run in a process of its own, whose processor or NumPy may be restricted.
DRAW = """
import sys
from hashlib import sha256
from resgen.graph.ir import Parameter
from resgen.weights.initialize import initialize
from resgen.ops.types import Constant, Normal, Uniform
parameters = [
    Parameter("conv1.weight", (900, 333), Normal(0.05)),
    Parameter("fc.weight", (200, 333), Uniform(0.3)),
    Parameter("token.weight", (100, 333), Normal(0.02, truncate=2.0)),
    Parameter("bn1.weight", (7,), Constant(1.0)),
    Parameter("bn1.num_batches_tracked", (), Constant(0.0), False, "int64"),
]
digest = sha256()
for array in initialize(parameters, 7).values():
    digest.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
if "torch" in sys.modules:
    sys.exit("torch was imported")
print(digest.hexdigest())
"""


def draw(
    init: Initializer, size: int, *, name: str = "weight", seed: int = 0
) -> np.ndarray:
    return initialize([Parameter(name, (size,), init)], seed)[name].astype(np.float64)


def drawn_elsewhere(root: Path, **environment: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", DRAW],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout.strip()


@pytest.mark.slow
def test_draws_are_pinned(root: Path) -> None:
    assert drawn_elsewhere(root) == PINNED


@pytest.mark.slow
def test_the_processor_changes_nothing(root: Path) -> None:
    """With every vector extension off that this processor has and NumPy can leave."""
    config = np.show_config(mode="dicts")
    found = config["SIMD Extensions"].get("found", [])
    if not found:
        pytest.skip("NumPy dispatches to no vector extension on this processor")
    disabled = " ".join(found)
    assert drawn_elsewhere(root, NPY_DISABLE_CPU_FEATURES=disabled) == PINNED


def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = [
        Parameter("a", (3 * random.BLOCK + 5,), Normal(0.1)),
        Parameter("b", (random.BLOCK + 1,), Uniform(0.1)),
    ]
    drawn = []
    for threads in (1, 4):
        monkeypatch.setattr(
            "resgen.weights.initialize._processors", lambda n=threads: n
        )
        drawn.append(initialize(parameters, 3))
    one, four = drawn
    for name in one:
        np.testing.assert_array_equal(one[name], four[name])


def test_layers_are_independent() -> None:
    first = Parameter("layer1.weight", (64, 9), Normal(0.1))
    last = Parameter("fc.weight", (10, 64), Normal(0.1))
    wider = Parameter("layer1.weight", (128, 9), Normal(0.1))
    before = initialize([first, last], 0)
    after = initialize([wider, last], 0)
    np.testing.assert_array_equal(before["fc.weight"], after["fc.weight"])
    other = initialize([first], 1)
    assert abs(np.corrcoef(before["layer1.weight"].flat, other["layer1.weight"].flat)
               [0, 1]) < 0.2  # fmt: skip
    renamed = draw(Normal(0.1), 4096, name="other.weight")
    assert abs(np.corrcoef(draw(Normal(0.1), 4096), renamed)[0, 1]) < 0.1


def test_blocks_of_a_parameter_differ() -> None:
    weights = draw(Normal(1.0), 2 * random.BLOCK).reshape(2, -1)
    assert abs(np.corrcoef(weights)[0, 1]) < 5 / np.sqrt(random.BLOCK)


def test_shapes_and_types() -> None:
    weights = initialize(
        [
            Parameter("a", (2, 3, 1), Normal(0.1)),
            Parameter("b", (4,), Constant(0.5)),
            Parameter("c", (), Constant(0.0), trainable=False, dtype="int64"),
            Parameter("d", (0,), Uniform(1.0)),
        ],
        0,
    )
    assert [(w.shape, w.dtype.name) for w in weights.values()] == [
        ((2, 3, 1), "float32"),
        ((4,), "float32"),
        ((), "int64"),
        ((0,), "float32"),
    ]
    assert (weights["b"] == 0.5).all()


@pytest.mark.parametrize(
    ("init", "expected"),
    [
        (Normal(0.05), stats.norm(scale=0.05)),
        (Normal(0.02, truncate=2.0), stats.truncnorm(-2, 2, scale=0.02)),
        (Normal(1.0, truncate=0.7), stats.truncnorm(-0.7, 0.7)),
        (Uniform(0.3), stats.uniform(-0.3, 0.6)),
    ],
    ids=["normal", "cut at 2", "cut at 0.7", "uniform"],
)
@pytest.mark.slow
def test_distribution(init: Initializer, expected: stats.rv_continuous) -> None:
    size = 1_000_000
    weights = draw(init, size)
    assert stats.kstest(weights, expected.cdf).pvalue > 0.01
    error = expected.std() / np.sqrt(size)
    assert abs(weights.mean()) < 4 * error
    assert weights.std() == pytest.approx(expected.std(), rel=4 / np.sqrt(size))
    kurtosis = expected.stats("k")
    assert stats.kurtosis(weights) == pytest.approx(kurtosis, abs=0.02)
    low, high = expected.support()
    assert weights.min() >= np.float32(low)
    assert weights.max() <= np.float32(high)


@pytest.mark.slow
def test_tails() -> None:
    """Counts beyond 3 to 5 standard deviations of 10^7 draws, within Poisson's noise.

    Within the edge cells, where lines would not do, the shape is compared as well.
    """
    z = np.abs(draw(Normal(1.0), 10_000_000))
    for limit in (3.0, 3.5, 4.0, 4.2, 4.5, 5.0):
        expected = 2 * stats.norm.sf(limit) * z.size
        low, high = stats.poisson.interval(0.999, expected)
        assert low <= np.count_nonzero(z > limit) <= high, limit
    tail = z[z > 3.5]
    beyond = stats.norm.sf(3.5)
    assert stats.kstest(tail, lambda x: 1 - stats.norm.sf(x) / beyond).pvalue > 0.01


def test_quantile_is_accurate() -> None:
    p = np.concatenate(
        [
            np.logspace(-10.8, -0.31, 50_000),
            1 - np.logspace(-10, -0.31, 50_000),
            np.linspace(0.4, 0.6, 50_000),
            2.0 ** -np.arange(1.0, 34.0),
        ]
    )
    np.testing.assert_allclose(random.quantile(p), ndtri(p), rtol=1e-12)


def test_table_follows_the_quantile() -> None:
    """A draw is the quantile of its word, but for a line's sag within a cell."""
    words = np.arange(0, 1 << 32, 99_991, dtype=np.uint32)
    out = np.empty(words.size, np.float32)
    random.normal(words, 1.0, None, out)
    exact = ndtri((words + 0.5) / 2.0**32)
    # Trapezoid rule: h**2 / 8 times the second derivative, worst beside the edge.
    p = random.EDGE_CELLS / random.CELLS
    z = ndtri(p)
    sag = abs(z) / stats.norm.pdf(z) ** 2 / random.CELLS**2 / 8
    assert np.abs(out - exact).max() < 1.1 * sag


def test_words_are_philox() -> None:
    """NumPy's own words, and a block that starts where no other ends."""
    key = random.key(0, "a")
    philox = np.random.Philox(key=np.array(key, dtype=np.uint64))
    expected = philox.random_raw(4).astype("<u8").view("<u4")
    np.testing.assert_array_equal(random.words(key, 0, 7), expected[:7])
    digest = sha256(b"0:a").digest()
    assert key[0].to_bytes(8, "little") + key[1].to_bytes(8, "little") == digest[:16]
