"""The availability kernel and its slow twin agree to the microsecond."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitcell_sim.analysis.availability_theory import Component, Mesh
from bitcell_sim.kernels import availability, availability_plain
from bitcell_sim.random_streams import stream_key


def _compare(key: int, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    fast = availability.long_run(np.uint64(key), *arguments)
    slow = availability_plain.long_run(key, *arguments)
    assert fast[0] == slow[0]
    assert fast[1].tolist() == slow[1].tolist()
    assert fast[2:4] == slow[2:4]
    assert fast[4].tolist() == slow[4].tolist()
    horizon_us = arguments[-2]
    assert fast[0] + int(fast[1].sum()) == horizon_us
    assert int(fast[1].sum()) == int(fast[4].sum())
    return fast


@st.composite
def meshes(draw: st.DrawFn) -> Mesh:
    count = draw(st.integers(1, 7))
    nodes = st.lists(st.integers(0, count - 1), max_size=count, unique=True).map(tuple)
    rows = draw(
        st.lists(
            st.tuples(
                st.integers(0, 4),
                nodes,
                st.sampled_from([0.01, 1.0, 30.0, 300.0, math.inf]),
                st.sampled_from([1e-7, 1.0, 3600.0, 90_000.0]),
                st.sampled_from([0.0, 0.5, 1.5]),
            ),
            max_size=9,
        )
    )
    # The twin needs seconds for thousands of cycles: a component that fails every minute also takes a while to repair.
    parts = tuple(
        Component(kind, entity, where, mtbf_h, max(repair_s, 600.0) if mtbf_h < 1 else repair_s, sigma)
        for entity, (kind, where, mtbf_h, repair_s, sigma) in enumerate(rows)
    )
    return Mesh(parts, count, draw(st.integers(0, count)), draw(nodes))


@given(meshes(), st.integers(0, 2**64 - 1), st.sampled_from([0.5, 24.0, 80.0]), st.sampled_from([0.3, 10.0, 730.0]))
@settings(deadline=None, max_examples=50)
def test_random_meshes(mesh: Mesh, key: int, horizon_h: float, month_h: float) -> None:
    _compare(key, mesh.kernel_arguments(horizon_h, month_h))


@pytest.mark.parametrize("seed", range(5))
def test_rc3_like_mesh_with_frequent_faults(seed: int) -> None:
    classes = ((0, 50.0, 900.0, 0.5), (1, 200.0, 7200.0, 0.6), (2, 300.0, 9000.0, 0.9))
    regions = ((0, 1), (2, 3), (4, 5), (6,))
    parts = [Component(kind, node, (node,), m, r, s) for kind, m, r, s in classes for node in range(7)]
    parts += [Component(3, region, nodes, 400.0, 9360.0, 1.1) for region, nodes in enumerate(regions)]
    parts.append(Component(4, 0, tuple(range(7)), 500.0, 3600.0, 1.5))
    mesh = Mesh(tuple(parts), 7, 5, tuple(range(7)))
    up_us, by_causes, episodes, longest_us, by_month = _compare(stream_key(seed, "test"), mesh.kernel_arguments(2000.0))
    assert up_us > 0
    assert episodes > 3
    assert longest_us <= by_causes.sum()
    assert len(by_month) == 3


def test_another_component_changes_no_draw_of_the_rest() -> None:
    one = Component(0, 0, (0,), 10.0, 3600.0, 0.5)
    other = Component(1, 0, (1,), 10.0, 3600.0, 0.5)
    alone = availability.long_run(np.uint64(1), *Mesh((one,), 2, 2, (0,)).kernel_arguments(1000.0))
    # A backend-less second node with quorum 0: only node 0 matters, whatever stands before it in the list.
    beside = availability.long_run(np.uint64(1), *Mesh((other, one), 2, 0, (0,)).kernel_arguments(1000.0))
    assert alone[0] == beside[0]


def test_changes_at_the_same_microsecond() -> None:
    # Microsecond faults, so that one often ends just as the other begins: one episode, not two, in both versions.
    twins = tuple(Component(kind, 0, (0,), 1e-9, 3e-6, 0.5) for kind in range(2))
    arguments: tuple[Any, ...] = Mesh(twins, 1, 1, (0,)).kernel_arguments(1e-6)
    first, second = (
        availability_plain.fault_intervals(5, int(arguments[0][i]), 3.6, 3.0, 0.5, arguments[-2]) for i in range(2)
    )
    assert len({end for _, end in first} & {start for start, _ in second}) > 10
    _compare(5, arguments)
