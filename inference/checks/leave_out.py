"""Leave-one-row-out prediction of models, by Pareto-smoothed importance sampling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import logsumexp

from ...data import IncompleteData
from ...data.errors import InputError
from ..fitting.result import FitResult
from ..held_out import check_same_density
from .few_rows import warn_if_few_rows_decide


def compare(
    fits: Mapping[str, FitResult],
    data: IncompleteData,
    *,
    draws: int = 400,
    particles: int = 200,
    seed: int = 0,
    **options: Any,
) -> Any:
    """Return ArviZ's table of expected log predictive densities of log p(x_o, s), best model first.

    A row left out is a unit, with its mask, in the data's own units: models may read columns on
    other scales. Those with an ignorable mechanism leave the mask's density out and are not
    comparable with others; give such a model a mechanism that reads observed columns only. Draws
    are of the parameters (see :func:`absentia.to_arviz`), so that leaving a row out means
    something; with ``parameters="fixed"`` nothing is left out. Where a hundredth of the rows, the
    outlying ones, decide which model is best, there is a warning.

    Args:
        fits: fits by name, all of this data.

    Raises:
        ValueError: fewer than two fits, or masks of which some have no density.

    >>> import numpy as np
    >>> import absentia as ab
    >>> rng = np.random.default_rng(0)
    >>> rows = rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], size=100)
    >>> rows[rng.random(100) < 1 / (1 + np.exp(-2 * rows[:, 1])), 0] = np.nan
    >>> data = ab.IncompleteData.from_numpy(rows, columns=["a", "b"])
    >>> fits = {why: ab.fit(ab.NotMIWAEPPCA(data, why, scale="column"), data, progress=False)
    ...     for why in ("a ~ b", "a ~ 1")}
    >>> ab.check.compare(fits, data, particles=20, draws=200).index[0]
    'a ~ b'
    """
    from ..export.compat import compare as arviz_compare
    from ..export.tree import to_arviz  # xarray is slow to import

    if len(fits) < 2:
        raise InputError(f"{len(fits)} model(s) to compare; give at least two, by name")
    check_same_density({name: f.model.missingness for name, f in fits.items()}, data)
    predicts = [name for name, fitted in fits.items() if fitted.model.predictor is not None]
    if predicts and len(predicts) < len(fits) and data.target is not None:
        raise InputError(
            f"'{predicts[0]}' has the target's density and another model has none; compare "
            f"data.without_target()"
        )
    exports = {
        name: to_arviz(fitted, data, draws=draws, particles=particles, seed=seed, **options)
        for name, fitted in fits.items()
    }
    warn_if_few_rows_decide({name: _of_rows(tree) for name, tree in exports.items()})
    return arviz_compare(exports)


def _of_rows(tree: Any) -> np.ndarray:
    """Return log p(x_o, s) of each row, averaged over the draws of the parameters."""
    values = np.asarray(tree["log_likelihood"]["row"])
    density: np.ndarray = logsumexp(values, axis=(0, 1)) - np.log(values.shape[0] * values.shape[1])
    return density
