"""One interface to ArviZ 0.23 (InferenceData) and ArviZ 1.x (DataTree).

The only module that imports ArviZ; it is imported where it is needed, not with absentia.
"""

from __future__ import annotations

import functools
import warnings
from typing import Any

import numpy as np

with warnings.catch_warnings():
    # version 0.23 announces 1.0 at its first import of the day
    warnings.simplefilter("ignore", FutureWarning)
    import arviz

#: whether this is ArviZ 1.x
IS_ONE = int(arviz.__version__.split(".")[0]) >= 1


def from_groups(
    groups: dict[str, dict[str, np.ndarray]],
    coords: dict[str, Any] | None = None,
    dims: dict[str, list[str]] | None = None,
) -> Any:
    """Make an InferenceData (0.23) or DataTree (1.x) of these groups.

    Args:
        groups: the arrays of each group by variable, by the group's name; sampled
            groups (posterior, ...) have leading dimensions chain and draw.
        coords, dims: labels of the further dimensions, as in ArviZ.

    >>> import numpy as np
    >>> from absentia.inference.export.compat import from_groups
    >>> posterior = {"slope": np.zeros((1, 5, 2))}
    >>> tree = from_groups({"posterior": posterior}, dims={"slope": ["column"]})
    >>> tree["posterior"]["slope"].dims
    ('chain', 'draw', 'column')
    """
    # this function has two signatures, and type checkers see only the one that is installed
    from_dict: Any = arviz.from_dict
    if IS_ONE:
        return from_dict(groups, coords=coords, dims=dims)
    return from_dict(**groups, coords=coords, dims=dims)


def from_datasets(groups: dict[str, Any]) -> Any:
    """Make an InferenceData (0.23) or DataTree (1.x) of xarray datasets, by group.

    >>> import xarray as xr
    >>> from absentia.inference.export.compat import from_datasets
    >>> tree = from_datasets({"observed_data": xr.Dataset({"x": ("row", [1.0, 2.0])})})
    >>> tree["observed_data"]["x"].sum().item()
    3.0
    """
    if IS_ONE:
        import xarray

        return xarray.DataTree.from_dict(groups)
    with warnings.catch_warnings():
        # it warns of groups and names that are not in its schema, such as sample_stats per row
        warnings.simplefilter("ignore", UserWarning)
        return arviz.InferenceData(**groups)


def loo(tree: Any) -> Any:
    """Compute ArviZ's PSIS-LOO of an export's log-likelihood, row by row."""
    return arviz.loo(tree, pointwise=True)


def compare(trees: dict[str, Any]) -> Any:
    """Return ArviZ's table of PSIS-LOO over models."""
    with warnings.catch_warnings():
        # pandas warns of ArviZ's own code
        warnings.simplefilter("ignore", DeprecationWarning)
        return arviz.compare(trees)


def psis(log_weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return ArviZ's smoothed log-weights and k-hat: (K, n) -> (K, n), (n,); -inf where equal.

    >>> import numpy as np
    >>> from absentia.inference.export.compat import psis
    >>> smoothed, khat = psis(np.random.default_rng(0).normal(size=(500, 3)))
    >>> smoothed.shape, khat.shape
    ((500, 3), (3,))
    """
    columns = np.ascontiguousarray(np.asarray(log_weight, dtype=np.float64).T)
    size = np.maximum(np.abs(columns).max(1), 1.0)
    uneven = np.ptp(columns, axis=1) > 64 * np.finfo(np.float64).eps * size
    # equal weights have no tail to smooth, and 1.x refuses them
    smoothed = np.full(columns.shape, -np.log(columns.shape[1]))
    khat = np.full(len(columns), -np.inf)
    if uneven.any():
        smoothed[uneven], khat[uneven] = _psis(columns[uneven])
    return smoothed.T, khat


def _psis(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if not IS_ONE:
        smoothed, khat = arviz.psislw(columns)
        return np.asarray(smoothed), np.asarray(khat)
    results = [_psis_of_column(column) for column in columns]
    return np.stack([one for one, _ in results]), np.array([khat for _, khat in results])


def _psis_of_column(log_weight: np.ndarray) -> tuple[np.ndarray, float]:
    """Smooth one row's log-weights by ArviZ 1.x, which refuses a tail of equal values."""
    from arviz_stats.base import array_stats

    try:
        smoothed, khat = array_stats.psislw(_sign_of_weights() * log_weight, axis=-1)
    except ValueError:
        return log_weight - np.logaddexp.reduce(log_weight), -np.inf
    return np.asarray(smoothed), float(khat)


@functools.cache
def _sign_of_weights() -> int:
    """Return what log-weights must be multiplied by, which changed between versions of ArviZ 1.x.

    At first ``psislw`` took log-weights; later it takes log-likelihoods, whose negatives are the
    log-weights of leaving one observation out.
    """
    from arviz_stats.base import array_stats

    rising = np.linspace(-1.0, 1.0, 200)
    smoothed = np.asarray(array_stats.psislw(rising, axis=-1)[0])
    return 1 if smoothed[-1] > smoothed[0] else -1
