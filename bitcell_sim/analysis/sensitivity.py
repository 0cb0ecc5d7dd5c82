"""Which factor of a sweep moves a figure: Sobol's indices, computed by SALib."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bitcell_sim.errors import InputError, MissingToolError

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
EXTRA = "pip install 'bitcell-sim[sweep]'"
RESAMPLES = 1000


def _problem(names: Sequence[str]) -> dict[str, Any]:
    return {"num_vars": len(names), "names": list(names), "bounds": [[0.0, 1.0]] * len(names)}


def saltelli_points(points: int, dimensions: int, seed: int) -> Floats:
    """Points of the unit cube, crossed as Sobol's indices of first and total order need them.

    Parameters
    ----------
    points : int
        Base points; a power of two keeps the balance of the sequence.
    dimensions, seed : int
        Number of factors; seed of the scrambling.

    Returns
    -------
    ndarray of float64, shape (points * (dimensions + 2), dimensions)

    References
    ----------
    Saltelli et al.: Variance based sensitivity analysis of model output, Computer Physics Communications 181 (2010)
    259-270. Points and indices are SALib's: Herman, Usher, JOSS 2 (2017) 97.
    """
    try:
        from SALib.sample import sobol
    except ImportError as error:
        raise MissingToolError(f"method 'saltelli' needs SALib ({error}): {EXTRA}") from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the number of points is no power of two: said in the reference
        names = [str(number) for number in range(dimensions)]
        found = sobol.sample(_problem(names), points, calc_second_order=False, seed=seed)
    return np.asarray(found, dtype=np.float64)


def sobol_indices(names: Sequence[str], values: Sequence[float | None], seed: int = 1) -> pd.DataFrame:
    """Share of a figure's variance that each factor explains: alone, and with all it interacts with.

    Parameters
    ----------
    names : sequence of str
        Factors, in the order of the design.
    values : sequence of float
        Figure at every point, in the order of :func:`saltelli_points`.
    seed : int
        Seed of the resampling behind the intervals.

    Returns
    -------
    DataFrame
        One row a factor: ``first`` and ``total`` with their 95 % intervals (``first_low`` and so on).

    Raises
    ------
    InputError
        If a point has no value: an index over the points that are left means nothing.
    """
    try:
        from SALib.analyze import sobol
    except ImportError as error:
        raise MissingToolError(f"sensitivity indices need SALib ({error}): {EXTRA}") from error
    import pandas as pd

    missing = sum(value is None or not np.isfinite(value) for value in values)
    if missing:
        raise InputError(f"{missing} of {len(values)} points have no value; indices need every one")
    figures = np.array(values, dtype=np.float64)
    if figures.min() == figures.max():
        zero = dict.fromkeys(("first", "first_low", "first_high", "total", "total_low", "total_high"), 0.0)
        return pd.DataFrame([{"factor": name, **zero} for name in names])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=FutureWarning)
        found = sobol.analyze(
            _problem(names), figures, calc_second_order=False, num_resamples=RESAMPLES, conf_level=0.95, seed=seed
        )
    frame = pd.DataFrame({"factor": list(names)})
    for name, short in (("first", "S1"), ("total", "ST")):
        middle, half = np.asarray(found[short]), np.asarray(found[f"{short}_conf"])
        frame[name], frame[f"{name}_low"], frame[f"{name}_high"] = middle, middle - half, middle + half
    return frame
