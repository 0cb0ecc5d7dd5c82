"""The compiled field multiplication against Python's integers, its plain twin."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bitcell_sim.kernels import montgomery, montgomery_plain
from bitcell_sim.kernels.montgomery import MODULUS
from bitcell_sim.kernels.montgomery_plain import RADIX, from_limbs, to_limbs

LIMB = st.sampled_from([0, 1, 2**32, 2**63, 2**64 - 2, 2**64 - 1]) | st.integers(0, 2**64 - 1)
NUMBER = st.one_of(
    st.integers(0, MODULUS - 1),
    st.integers(0, 20),
    st.integers(1, 20).map(lambda below: MODULUS - below),
    st.tuples(LIMB, LIMB, LIMB, LIMB).map(lambda limbs: sum(v << 64 * i for i, v in enumerate(limbs)) % MODULUS),
)


def test_the_modulus_is_the_curve_s() -> None:
    # BN254's base field from its parameter: p(t) = 36 t^4 + 36 t^3 + 24 t^2 + 6 t + 1.
    t = 4965661367192848881
    assert 36 * t**4 + 36 * t**3 + 24 * t**2 + 6 * t + 1 == MODULUS
    assert pow(3, MODULUS - 1, MODULUS) == 1


@given(st.lists(st.tuples(NUMBER, NUMBER), min_size=1, max_size=30))
def test_same_products(pairs: list[tuple[int, int]]) -> None:
    a, b = (np.stack([to_limbs(pair[i]) for pair in pairs]) for i in (0, 1))
    fast, slow = np.empty_like(a), np.empty_like(a)
    montgomery.products(a, b, fast)
    montgomery_plain.products(a, b, slow)
    assert fast.tobytes() == slow.tobytes()
    for row, (x, y) in zip(fast, pairs, strict=True):
        # Not through the twin: the definition.
        assert from_limbs(row) * RADIX % MODULUS == x * y % MODULUS
        assert from_limbs(row) < MODULUS


def test_a_million_random_products() -> None:
    draws = np.random.Generator(np.random.PCG64(7))
    limbs = draws.integers(0, 2**64 - 1, (2, 1_000_000, 4), np.uint64, endpoint=True)
    limbs[..., 3] %= np.uint64(MODULUS >> 192)  # below the modulus
    a, b = limbs
    once, twice, back = np.empty_like(a), np.empty_like(a), np.empty_like(a)
    montgomery.products(a, b, once)
    montgomery.products(b, a, twice)
    assert np.array_equal(once, twice)
    montgomery.products(once, np.broadcast_to(to_limbs(RADIX**2 % MODULUS), once.shape).copy(), back)
    for i in range(0, 1_000_000, 997):
        assert from_limbs(back[i]) == from_limbs(a[i]) * from_limbs(b[i]) % MODULUS


@given(NUMBER, NUMBER, st.integers(0, 60))
def test_same_chain(value: int, factor: int, count: int) -> None:
    fast, slow = to_limbs(value), to_limbs(value)
    montgomery.chain(fast, to_limbs(factor), count)
    montgomery_plain.chain(slow, to_limbs(factor), count)
    assert fast.tobytes() == slow.tobytes()
    assert from_limbs(fast) == value * pow(factor * pow(RADIX, -1, MODULUS), count, MODULUS) % MODULUS


@given(st.integers(0, 2**256 - 1))
def test_limbs_and_back(value: int) -> None:
    assert from_limbs(to_limbs(value)) == value
