"""When sampling settles, when it stops, and what it costs; on a clock of its own."""

from __future__ import annotations

import gc
import random
import time

import numpy as np
import pytest

from resgen.profiling.modes import host_timed
from resgen.profiling.sampling import Limits, overhead, sample


@pytest.fixture(autouse=True, scope="module")
def fresh():
    """As in a new process, there is little to collect before samples are taken."""
    gc.freeze()
    yield
    gc.unfreeze()


class World:
    """A clock that moves only when something takes time."""

    def __init__(self, seconds):
        self.now = 100.0
        self.calls = 0
        self.seconds = seconds

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds

    def call(self):
        took = self.seconds(self.calls)
        self.calls += 1
        self.now += took
        return took

    def sample(self, limits, **options):
        return sample(self.call, limits, clock=self.clock, sleep=self.sleep, **options)


def noisy(median=1e-3, spread=0.01, seed=0):
    drawn = random.Random(seed)
    return lambda n: median * drawn.lognormvariate(0, spread)


def test_warm_up_lasts_until_windows_agree():
    # Half a second of clocks rising: 3 ms falling to 1 ms.
    draw = noisy()
    world = World(lambda n: draw(n) * max(1.0, 3.0 - n / 120))
    taken = world.sample(Limits())
    assert taken.warm_up["settled"]
    assert taken.warm_up["calls"] > 200
    windows = taken.warm_up["windows"]
    assert windows[0] > 1.5 * windows[-1]
    assert np.median(taken.samples.seconds) == pytest.approx(1e-3, rel=0.01)


def test_warm_up_that_never_settles_ends_and_says_so():
    world = World(lambda n: 1e-3 * (1 + n / 300))
    taken = world.sample(Limits(warm_up=2.0, seconds=1.0))
    assert not taken.warm_up["settled"]
    assert taken.warm_up["seconds"] == pytest.approx(2.0, abs=0.1)


def test_it_stops_as_soon_as_the_median_is_known():
    taken = World(noisy()).sample(Limits(seconds=1000, least_seconds=0.2))
    assert taken.stopped == "narrow"
    assert len(taken.samples.seconds) < 1000
    wide = World(noisy(spread=0.3)).sample(Limits(seconds=1000, least_seconds=0.2))
    assert wide.stopped == "narrow"
    assert len(wide.samples.seconds) > 3 * len(taken.samples.seconds)


def test_what_never_gets_narrow_ends_with_the_time():
    world = World(noisy(spread=1.0))
    taken = world.sample(Limits(seconds=2.0, half_width=1e-4))
    assert taken.stopped == "time"
    last = taken.samples.at[-1] + taken.samples.seconds[-1]
    assert last == pytest.approx(2.0, abs=0.1)


def test_slow_calls_still_give_a_sample():
    taken = World(lambda n: 30.0).sample(Limits(seconds=10.0, warm_up=5.0))
    assert taken.stopped == "time"
    assert taken.samples.seconds == (30.0,)
    assert taken.warm_up["calls"] == 1


def test_nothing_is_discarded_and_time_stamps_are_those_of_the_calls():
    spikes = World(lambda n: 0.1 if n % 50 == 49 else 1e-3)
    taken = spikes.sample(Limits(seconds=3.0, half_width=0.0))
    seconds = np.array(taken.samples.seconds)
    share = (seconds > 0.05).mean()
    assert share == pytest.approx(1 / 50, rel=0.2)
    ends = np.array(taken.samples.at) + seconds
    np.testing.assert_allclose(ends[:-1], taken.samples.at[1:], atol=1e-9)
    assert taken.samples.at[0] == 0.0


def test_correlated_neighbours_are_blocks():
    drawn = random.Random(1)
    level = [0.0]

    def seconds(n):
        level[0] = 0.98 * level[0] + drawn.gauss(0, 0.01)
        return 1e-3 * (1 + max(-0.5, level[0]))

    limits = Limits(seconds=3.0, half_width=0.0)
    assert World(noisy()).sample(limits).samples.block <= 3
    assert World(seconds).sample(limits).samples.block > 10


def test_a_camera_paces_the_calls_and_drops_what_comes_late():
    world = World(noisy(median=5e-3))
    taken = world.sample(Limits(seconds=4.0, half_width=0.0, interval=1 / 30))
    gaps = np.diff(taken.samples.at)
    np.testing.assert_allclose(gaps, 1 / 30, rtol=1e-6)
    assert taken.late == 0
    slow = World(noisy(median=50e-3))
    late = slow.sample(Limits(seconds=4.0, half_width=0.0, interval=1 / 30))
    assert late.late >= len(late.samples.at) - 1
    assert min(np.diff(late.samples.at)) > 0.04


def test_what_runs_before_is_not_timed():
    world = World(noisy())
    flushed = []

    def flush():
        flushed.append(world.now)
        world.now += 0.01

    taken = world.sample(Limits(seconds=1.0, half_width=0.0), before=flush)
    assert max(taken.samples.seconds) < 2e-3
    assert len(flushed) == world.calls


def test_what_is_seen_of_the_machine_is_seen_between_warm_up_and_samples():
    world = World(noisy())
    at = []

    def look():
        at.append((world.calls, world.now))
        world.now += 0.5

    limits = Limits(seconds=1.0, half_width=0.0)
    taken = world.sample(limits, warm=look)
    ((calls, now),) = at
    assert calls == taken.warm_up["calls"]
    # One call fills the caches again, and then nothing lies between it and the samples.
    assert world.calls == calls + 1 + len(taken.samples.seconds)
    assert world.now - (now + 0.5) == pytest.approx(1.0, abs=0.1)


def test_an_interrupt_keeps_what_was_taken():
    world = World(noisy())

    def interrupted():
        if world.calls == 500:
            raise KeyboardInterrupt
        return world.call()

    taken = sample(interrupted, Limits(seconds=100, half_width=0.0), clock=world.clock)
    assert taken.stopped == "interrupted"
    assert 100 < len(taken.samples.seconds) < 500
    assert min(taken.samples.seconds) > 0
    assert gc.isenabled()


def test_an_interrupt_before_the_first_sample_is_one():
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sample(interrupted, Limits(warm_up=0.0))
    assert gc.isenabled()


def test_the_share_of_time_is_told():
    shares = []
    World(noisy()).sample(Limits(seconds=1.0, half_width=0.0), progress=shares.append)
    assert shares == sorted(shares)
    assert shares[0] < 0.2
    assert shares[-1] == 1.0


@pytest.mark.quiet
def test_sampling_costs_less_than_a_hundredth_of_a_millisecond():
    assert 0 < overhead(host_timed) < 1e-5


@pytest.mark.slow
@pytest.mark.quiet
def test_the_least_samples_agree_with_a_bare_loop():
    # Minima, since a busy machine only ever adds.
    rows = np.random.default_rng(0).normal(size=(120, 120))
    work = lambda: rows @ rows  # noqa: E731
    taken = sample(host_timed(work), Limits(seconds=0.5, warm_up=0.2, half_width=0.0))
    bare = []
    end = time.perf_counter() + 0.5
    while time.perf_counter() < end:
        begin = time.perf_counter()
        work()
        bare.append(time.perf_counter() - begin)
    least = np.quantile(taken.samples.seconds, 0.02), np.quantile(bare, 0.02)
    assert least[0] == pytest.approx(least[1], rel=0.25)
