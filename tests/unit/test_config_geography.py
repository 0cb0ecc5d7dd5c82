"""Fibre floors against figures computed apart from the same coordinates (haversine, R = 6371.0088 km, n = 1.468)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitcell_sim.config.geography import fibre_floor_rtt_ms, great_circle_km

VIRGINIA = (38.9694, -77.3864)
CALIFORNIA = (37.3542, -121.9542)
OREGON = (45.5236, -122.675)
FRANKFURT = (50.1167, 8.6833)
SINGAPORE = (1.3667, 103.75)
SYDNEY = (-33.8683, 151.2086)

FLOORS = [
    (VIRGINIA, CALIFORNIA, 3861.5, 37.82),
    (VIRGINIA, OREGON, 3747.0, 36.70),
    (VIRGINIA, FRANKFURT, 6547.7, 64.12),
    (VIRGINIA, SINGAPORE, 15528.4, 152.08),
    (VIRGINIA, SYDNEY, 15681.5, 153.58),
    (CALIFORNIA, OREGON, 910.4, 8.92),
    (OREGON, SINGAPORE, 13094.4, 128.24),
    (CALIFORNIA, SYDNEY, 11960.2, 117.13),
    (FRANKFURT, SINGAPORE, 10251.7, 100.40),
    (FRANKFURT, SYDNEY, 16482.6, 161.42),
    (SINGAPORE, SYDNEY, 6313.0, 61.83),
]
places = st.tuples(st.floats(-90, 90), st.floats(-180, 180))


@pytest.mark.parametrize(("one", "other", "km", "floor_ms"), FLOORS)
def test_known_floors(one: tuple[float, float], other: tuple[float, float], km: float, floor_ms: float) -> None:
    assert great_circle_km(*one, *other) == pytest.approx(km, abs=0.051)
    assert fibre_floor_rtt_ms(*one, *other) == pytest.approx(floor_ms, abs=0.0051)


@given(places, places)
def test_distance_is_symmetric_and_at_most_half_the_globe(one: tuple[float, float], other: tuple[float, float]) -> None:
    there, back = great_circle_km(*one, *other), great_circle_km(*other, *one)
    assert there == pytest.approx(back, abs=1e-6)
    assert 0 <= there <= 20015.2


@given(places)
def test_a_place_is_nowhere_from_itself_and_half_the_globe_from_its_antipode(one: tuple[float, float]) -> None:
    latitude, longitude = one
    assert fibre_floor_rtt_ms(*one, *one) == 0
    assert great_circle_km(*one, -latitude, longitude + 180) == pytest.approx(20015.115, abs=0.01)
