"""Distances on the globe, and the shortest round trip that light in fibre allows."""

from __future__ import annotations

import math

EARTH_RADIUS_KM = 6371.0088
SPEED_OF_LIGHT_KM_PER_MS = 299.792458
FIBRE_INDEX = 1.468


def great_circle_km(lat1_deg: float, lon1_deg: float, lat2_deg: float, lon2_deg: float) -> float:
    """Kilometres between two places along the surface.

    Parameters
    ----------
    lat1_deg, lon1_deg, lat2_deg, lon2_deg : float
        Latitudes and longitudes, degrees; north and east are positive.

    Notes
    -----
    Haversine on a sphere with the mean radius of the Earth, 6371.0088 km.

    Examples
    --------
    >>> round(great_circle_km(38.9694, -77.3864, 1.3667, 103.75), 1)
    15528.4
    """
    lat1, lat2 = math.radians(lat1_deg), math.radians(lat2_deg)
    half_lat = (lat2 - lat1) / 2
    half_lon = math.radians(lon2_deg - lon1_deg) / 2
    haversine = math.sin(half_lat) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin(half_lon) ** 2
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(min(1.0, haversine)))


def fibre_floor_rtt_ms(lat1_deg: float, lon1_deg: float, lat2_deg: float, lon2_deg: float) -> float:
    """Milliseconds of the shortest possible round trip in fibre between two places.

    Parameters
    ----------
    lat1_deg, lon1_deg, lat2_deg, lon2_deg : float
        Latitudes and longitudes, degrees; north and east are positive.

    Notes
    -----
    ``2 d n / c`` with the great-circle distance ``d`` and the group index ``n`` = 1.468.

    References
    ----------
    Corning SMF-28 Ultra product information (PI1424): effective group index of refraction 1.4682 at 1550 nm.

    Examples
    --------
    >>> round(fibre_floor_rtt_ms(38.9694, -77.3864, 50.1167, 8.6833), 2)
    64.12
    """
    distance_km = great_circle_km(lat1_deg, lon1_deg, lat2_deg, lon2_deg)
    return 2 * distance_km * FIBRE_INDEX / SPEED_OF_LIGHT_KM_PER_MS
