"""The availability kernel and its slow twin agree to the microsecond."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitcell_sim.analysis.availability_mesh import KINDS, Component, Mesh
from bitcell_sim.kernels import availability, availability_plain
from bitcell_sim.random_streams import stream_key


def _compare(key: int, arguments: tuple[Any, ...]) -> list[tuple[int, ...]]:
    fast = [column.tolist() for column in availability.down_pieces(np.uint64(key), *arguments)]
    slow = [column.tolist() for column in availability_plain.down_pieces(key, *arguments)]
    assert fast == slow
    pieces = list(zip(*fast, strict=True))
    moments = [moment for start, end, _ in pieces for moment in (start, end)]
    assert moments == sorted(moments)
    assert all(start < end for start, end, _ in pieces)
    assert not moments or (moments[0] >= 0 and moments[-1] <= arguments[-1])
    return pieces


@st.composite
def meshes(draw: st.DrawFn) -> Mesh:
    count = draw(st.integers(1, 7))
    nodes = st.lists(st.integers(0, count - 1), max_size=count, unique=True).map(tuple)
    stakes = tuple(draw(st.lists(st.integers(0, 3), min_size=count, max_size=count)))
    rows = draw(
        st.lists(
            st.tuples(
                st.integers(0, len(KINDS) - 1),
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
    return Mesh(parts, stakes, draw(st.integers(0, sum(stakes))), tuple(draw(st.lists(nodes, max_size=2))))


@given(meshes(), st.integers(0, 2**64 - 1), st.sampled_from([0.5, 24.0, 60.0]))
@settings(deadline=None, max_examples=50)
def test_random_meshes(mesh: Mesh, key: int, horizon_h: float) -> None:
    _compare(key, mesh.kernel_arguments(horizon_h))


@pytest.mark.parametrize("seed", range(5))
def test_rc3_like_mesh_with_frequent_faults(seed: int) -> None:
    classes = ((0, 50.0, 900.0, 0.5), (1, 200.0, 7200.0, 0.6), (2, 300.0, 9000.0, 0.9))
    regions = ((0, 1), (2, 3), (4, 5), (6,))
    parts = [Component(kind, node, (node,), m, r, s) for kind, m, r, s in classes for node in range(7)]
    parts += [Component(3, region, nodes, 400.0, 9360.0, 1.1) for region, nodes in enumerate(regions)]
    parts.append(Component(4, 0, tuple(range(7)), 500.0, 3600.0, 1.5))
    mesh = Mesh(tuple(parts), (100,) * 7, 467, (tuple(range(7)),))
    pieces = _compare(stream_key(seed, "test"), mesh.kernel_arguments(1000.0))
    assert len(pieces) > 3
    assert len({cause for _, _, cause in pieces}) > 1


def test_another_component_changes_no_draw_of_the_rest() -> None:
    one = Component(0, 0, (0,), 10.0, 3600.0, 0.5)
    other = Component(1, 0, (1,), 10.0, 3600.0, 0.5)
    alone = _compare(1, Mesh((one,), (1, 1), 2, ()).kernel_arguments(1000.0))
    # The second unit has no stake and is in no group: only the first matters, whatever stands before it in the list.
    beside = _compare(1, Mesh((other, one), (1, 0), 1, ()).kernel_arguments(1000.0))
    assert alone == beside
    assert alone


def test_changes_at_the_same_microsecond() -> None:
    # Microsecond faults, so that one often ends just as the other begins: one episode, not two, in both versions.
    twins = tuple(Component(kind, 0, (0,), 1e-9, 3e-6, 0.5) for kind in range(2))
    arguments: tuple[Any, ...] = Mesh(twins, (1,), 1, ()).kernel_arguments(1e-6)
    first, second = (
        availability_plain.fault_intervals(5, int(arguments[0][i]), 3.6, 3.0, 0.5, arguments[-1]) for i in range(2)
    )
    assert len({end for _, end in first} & {start for start, _ in second}) > 10
    _compare(5, arguments)
