"""Points of a sweep: a function of its file alone."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from bitcell_sim.config.sweep import Factor, Sweep
from bitcell_sim.config.writing import toml_value
from bitcell_sim.errors import MissingToolError
from bitcell_sim.random_streams import Stream

Floats = npt.NDArray[np.float64]
Point = tuple[Any, ...]
EXTRA = "pip install 'bitcell-sim[sweep]'"


def points_of(sweep: Sweep) -> list[Point]:
    """Value of every factor at every point, in the order of the design.

    Parameters
    ----------
    sweep : Sweep
        The checked file.

    Raises
    ------
    MissingToolError
        If the method needs a library that is not installed; says the command.
    """
    if sweep.method == "grid":
        return list(itertools.product(*(_levels(factor) for factor in sweep.factor)))
    assert sweep.points is not None
    make = {"latin-hypercube": _latin_hypercube, "sobol": _sobol, "saltelli": _saltelli}[sweep.method]
    shares = make(sweep.points, len(sweep.factor), sweep.design_seed)
    return [tuple(_at(f, float(u)) for f, u in zip(sweep.factor, row, strict=True)) for row in shares]


def options_of(sweep: Sweep, point: Point) -> tuple[str, ...]:
    """``key.path=value`` options of a point: what holds everywhere, then the factors."""
    own = (f"{factor.key}={toml_value(value)}" for factor, value in zip(sweep.factor, point, strict=True))
    return (*sweep.set, *own)


def _levels(factor: Factor) -> Sequence[Any]:
    if factor.values:
        return factor.values
    return [_at(factor, place / (factor.count - 1)) for place in range(factor.count)]


def _at(factor: Factor, share: float) -> Any:
    """Value at a share, from 0 to 1, of a factor's range or list."""
    if factor.values:
        return factor.values[min(len(factor.values) - 1, int(share * len(factor.values)))]
    assert factor.low is not None
    assert factor.high is not None
    if share in (0.0, 1.0):
        value = factor.high if share else factor.low
    elif factor.scale == "log":
        value = math.exp(math.log(factor.low) + share * (math.log(factor.high) - math.log(factor.low)))
    else:
        value = factor.low + share * (factor.high - factor.low)
    return round(value) if factor.whole else value


def _latin_hypercube(points: int, dimensions: int, seed: int) -> Floats:
    """Points with one in each of as many equal slices of every dimension.

    References
    ----------
    McKay, Beckman, Conover: A comparison of three methods for selecting values of input variables in the analysis of
    output from a computer code, Technometrics 21 (1979) 239-245.
    """
    order, place = Stream.of(seed, "sweep.slice"), Stream.of(seed, "sweep.place")
    columns = []
    for dimension in range(dimensions):
        keys = [order.bits(dimension, row) for row in range(points)]
        slices = np.argsort(np.array(keys, dtype=np.uint64), kind="stable")
        within = np.array([place.uniform(dimension, row) for row in range(points)])
        columns.append((slices + within) / points)
    return np.column_stack(columns)


def _sobol(points: int, dimensions: int, seed: int) -> Floats:
    """First points of a scrambled Sobol sequence."""
    try:
        from scipy.stats import qmc
    except ImportError as error:
        raise MissingToolError(f"method 'sobol' needs scipy ({error}): {EXTRA}") from error
    whole = qmc.Sobol(dimensions, scramble=True, rng=np.random.default_rng(seed)).random_base2(
        max(0, math.ceil(math.log2(points)))
    )
    return np.asarray(whole[:points], dtype=np.float64)


def _saltelli(points: int, dimensions: int, seed: int) -> Floats:
    """Points crossed as Sobol's indices of first and total order need them."""
    from bitcell_sim.analysis.sensitivity import saltelli_points

    return saltelli_points(points, dimensions, seed)
