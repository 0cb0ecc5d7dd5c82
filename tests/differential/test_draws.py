"""The draw kernels agree bit by bit with plain Python, and are distributed as they say."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from scipy import stats

from bitcell_sim.errors import InputError
from bitcell_sim.kernels import draws, draws_plain
from bitcell_sim.random_streams import Stream, stream_key

INT64 = st.integers(-(2**63), 2**63 - 1)
UINT64 = st.integers(0, 2**64 - 1)
PAIRS = [(getattr(draws, name), getattr(draws_plain, name)) for name in ("uniform", "exponential", "normal", "gamma2")]


def test_mix64_is_splitmix64_with_published_values() -> None:
    # Seed 0 of splitmix64, first three outputs (prng.di.unimi.it/splitmix64.c).
    gamma = 0x9E3779B97F4A7C15
    published = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    states = [(gamma * step) & (2**64 - 1) for step in (1, 2, 3)]
    assert [int(draws.mix64(np.uint64(state))) for state in states] == published
    assert [draws_plain.mix64(state) for state in states] == published


@given(UINT64, INT64, INT64, INT64)
@settings(deadline=None, max_examples=500)
def test_same_bits_and_same_floats(key: int, a: int, b: int, c: int) -> None:
    assert int(draws.hash4(np.uint64(key), a, b, c)) == draws_plain.hash4(key, a, b, c)
    for kernel, plain in PAIRS:
        assert kernel(np.uint64(key), a, b, c) == plain(key, a, b, c)
    assert draws.pareto(np.uint64(key), a, b, c, 1.5) == draws_plain.pareto(key, a, b, c, 1.5)


def test_same_floats_on_many_neighbouring_ids() -> None:
    # Neighbouring small ids are what the model uses, and 20,000 of them reach all three branches but the far tail.
    key = stream_key(1, "test")
    for kernel, plain in PAIRS:
        block = _block(kernel, np.uint64(key), 40, 50, 10)
        assert block == [plain(key, a, b, c) for a in range(40) for b in range(50) for c in range(10)]


@pytest.mark.parametrize("p", [2.0**-53, 1e-15, 1e-12, 1e-6, 0.074, 0.0751, 0.3, 0.5, 0.9, 1 - 1e-9, 1 - 2.0**-53])
def test_normal_quantile_in_every_branch(p: float) -> None:
    assert draws.normal_quantile(p) == draws_plain.normal_quantile(p)
    assert draws.normal_quantile(p) == pytest.approx(float(stats.norm.ppf(p)), rel=1e-13, abs=1e-15)


def test_a_uniform_is_never_0_or_1() -> None:
    for bits in (0, 1, 2**11 - 1, 2**64 - 1):
        value = draws.unit_interval(np.uint64(bits))
        assert value == draws_plain.unit_interval(bits)
        assert 0.0 < value < 1.0
    assert draws.unit_interval(np.uint64(2**64 - 1)) == 1 - 2.0**-53


def test_a_signed_key_is_the_same_key() -> None:
    # numba types a Python int below 2**63 as int64: the draw must not depend on that.
    assert draws.hash4(5, 1, 2, 3) == draws.hash4(np.uint64(5), 1, 2, 3)


@pytest.mark.parametrize(
    ("name", "distribution"),
    [
        ("uniform", stats.uniform()),
        ("exponential", stats.expon()),
        ("normal", stats.norm()),
        ("gamma2", stats.gamma(2.0)),
    ],
)
@pytest.mark.parametrize("varying", ["a", "b", "c", "key"])
def test_distribution_when_one_id_counts_up(name: str, distribution: stats.rv_frozen, varying: str) -> None:
    sample = _series(getattr(draws, name), varying, 50_000)
    assert stats.kstest(sample, distribution.cdf).pvalue > 1e-4


def test_pareto_distribution() -> None:
    key = np.uint64(stream_key(3, "test.pareto"))
    sample = [draws.pareto(key, a, 0, 0, 2.5) for a in range(20_000)]
    assert min(sample) >= 1.0
    assert stats.kstest(sample, stats.pareto(2.5).cdf).pvalue > 1e-4


def test_neighbouring_ids_are_independent() -> None:
    # Chi-square on a 16 x 16 grid of (draw, its neighbour), for each way of being a neighbour, keys too.
    for varying in ("a", "b", "c", "key"):
        sample = _series(draws.uniform, varying, 50_001)
        counts, _, _ = np.histogram2d(sample[:-1], sample[1:], bins=16, range=[[0, 1], [0, 1]])
        assert stats.chisquare(counts.ravel()).pvalue > 1e-4, varying
    here = np.array([draws.uniform(np.uint64(9), a, b, 0) for a in range(150) for b in range(150)])
    swapped = np.array([draws.uniform(np.uint64(9), b, a, 0) for a in range(150) for b in range(150)])
    off_diagonal = ~np.eye(150, dtype=bool).ravel()
    assert abs(np.corrcoef(here[off_diagonal], swapped[off_diagonal])[0, 1]) < 0.03


def test_avalanche_one_changed_bit_flips_half_the_output() -> None:
    flips = np.zeros((4, 64))
    samples = 200
    for sample in range(samples):
        inputs = [draws_plain.hash4(77, sample, which, 0) for which in range(4)]
        base = draws_plain.hash4(inputs[0], *inputs[1:])
        for which in range(4):
            for bit in range(64):
                changed = list(inputs)
                changed[which] ^= 1 << bit
                flips[which, bit] += (draws_plain.hash4(changed[0], *changed[1:]) ^ base).bit_count()
    mean = flips / (samples * 64)
    assert np.abs(mean - 0.5).max() < 0.03


def test_stream_key_separates_seed_name_and_ids() -> None:
    keys = {
        stream_key(seed, name, *ids)
        for seed in (-1, 0, 1, 12, 2**80)
        for name in ("a", "b", "1|a", "")
        for ids in ((), (0,), (1,), (1, 2), (12,), (2, 1))
    }
    # (1, "1|a") style clashes would shrink the set; 5 * 4 * 6 distinct inputs stay distinct.
    assert len(keys) == 120
    assert all(0 <= key < 2**64 for key in keys)


def test_stream_key_is_pure_whatever_was_asked_before() -> None:
    plain = stream_key(1, "pure", 1)
    assert stream_key(np.int64(1), "pure", np.int32(1)) == plain
    assert stream_key(True, "pure", True) == plain
    with pytest.raises(TypeError):
        stream_key(1.0, "pure", 1)  # type: ignore[arg-type]


def test_same_key_in_another_process() -> None:
    code = "from bitcell_sim.random_streams import Stream; s = Stream.of(5, 'x', 1); print(s.key, s.normal(1, 2, 3))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    stream = Stream.of(5, "x", 1)
    assert printed == [str(stream.key), repr(stream.normal(1, 2, 3))]
    # BLAKE2b("5,1|x")[:8], frozen: a change would silently change every stored run.
    assert stream.key == FROZEN_KEY


def test_stream_gives_the_kernels_draws() -> None:
    stream = Stream.of(5, "x", 1)
    for kernel_name in ("uniform", "exponential", "normal", "gamma2"):
        kernel = getattr(draws, kernel_name)
        assert getattr(stream, kernel_name)(4, 5, 6) == kernel(np.uint64(stream.key), 4, 5, 6)
    assert stream.bits(4) == draws_plain.hash4(stream.key, 4, 0, 0)
    assert stream.pareto(1.2, 4) == draws_plain.pareto(stream.key, 4, 0, 0, 1.2)
    assert stream.lognormal(20.0, 0.5, 4) == 20.0 * math.exp(0.5 * stream.normal(4))
    counts = np.bincount([stream.below(7, a) for a in range(14_000)], minlength=7)
    assert len(counts) == 7
    assert stats.chisquare(counts).pvalue > 1e-4
    with pytest.raises(InputError, match="count is 0"):
        stream.below(0)


FROZEN_KEY = 7191117152476976136


def _block(kernel: object, key: np.uint64, n_a: int, n_b: int, n_c: int) -> list[float]:
    return [kernel(key, a, b, c) for a in range(n_a) for b in range(n_b) for c in range(n_c)]  # type: ignore[operator]


def _series(kernel: object, varying: str, count: int) -> np.ndarray:
    @njit
    def fill(which: int) -> np.ndarray:
        out = np.empty(count)
        for i in range(count):
            if which == 0:
                out[i] = kernel(np.uint64(11), i, 2, 3)  # type: ignore[operator]
            elif which == 1:
                out[i] = kernel(np.uint64(11), 2, i, 3)  # type: ignore[operator]
            elif which == 2:
                out[i] = kernel(np.uint64(11), 2, 3, i)  # type: ignore[operator]
            else:
                out[i] = kernel(np.uint64(i), 2, 3, 4)  # type: ignore[operator]
        return out

    return fill(("a", "b", "c", "key").index(varying))
