"""What tells a mechanism that depends on the missing value itself from chance: a check by data."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import kurtosis, skew

from ...data import IncompleteData
from ..imputing.impute import impute, prepared

_LITTLE = 0.05  # of a column's variance that others explain


def check_identification(
    fitted: Any, data: IncompleteData, *, particles: int = 500, seed: int = 0
) -> pd.DataFrame:
    """Of every column whose absence depends on its own value: what the answer rests on.

    A slope on the value itself is identified by a column that goes with the value and that the
    mechanism does not read: an exclusion restriction, or shadow variable (Miao & Tchetgen
    Tchetgen, Biometrika 2016; Wang, Shao & Kim, Statistica Sinica 2014). Without one it rests on
    the shape that the decoder gives p(x) alone: skewed values that are missing completely at random
    then look to a Gaussian like values missing for being high. The check warns there.

    :returns: one row such a column: ``r2``, the share of its variance that the columns its
        mechanism does not read explain, in a table completed by the model; ``by``, those of them
        that go with it most; ``skewness`` and ``kurtosis`` (excess) of what was observed;
        ``known``, what was said of the slope ("given", "prior", "direction", or nothing);
        ``identified``.
    :raises ValueError: for data of other columns.

    >>> import numpy as np
    >>> import absentia as ab
    >>> rng = np.random.default_rng(0)
    >>> rows = rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], size=300)
    >>> rows[rng.random(300) < 1 / (1 + np.exp(-2 * rows[:, 0])), 0] = np.nan
    >>> data = ab.IncompleteData.from_numpy(rows, columns=["a", "b"])
    >>> fitted = ab.fit(ab.NotMIWAEPPCA(data, "a ~ a"), data, steps=300, progress=False)
    >>> bool(ab.check_identification(fitted, data).loc["a", "identified"])
    True
    """
    model, data = prepared(fitted, data)
    names = list(data.columns)
    mechanism = model.missingness
    reads = mechanism.reads(len(names)).cpu().numpy()
    ignored = mechanism.ignorable_columns(len(names)).cpu().numpy()
    gone = ~data.s.cpu().numpy()
    own = [j for j in range(len(names)) if gone[:, j].any() and reads[j, j] and not ignored[j]]
    rows = {}
    filled = impute(fitted, data, particles, refine=False, num_draws=1, seed=seed) if own else None
    for j in own:
        assert filled is not None
        table = data.scaler.apply(filled.draws(1)[0])
        outside = [k for k in range(len(names)) if k != j and not reads[j, k]]
        r2, order = _explained(table, j, outside)
        seen = data.values[~gone[:, j], j]
        known = mechanism.known(j)
        good = known in ("given", "prior") or r2 >= _LITTLE
        by = ", ".join(names[k] for k in order[:3]) if r2 >= _LITTLE else ""
        rows[names[j]] = (r2, by, float(skew(seen)), float(kurtosis(seen)), known or "", good)
        if not good:
            warnings.warn(
                f"nothing but the shape of the decoder identifies why '{names[j]}' is missing: the "
                f"columns that its mechanism does not read explain {100 * r2:.0f} % of its "
                f"variance. What was observed of it has skewness {skew(seen):.2f}, and a decoder "
                f"of another shape takes that for a mechanism. Look at slope_sensitivity, or add a "
                f"column that goes with '{names[j]}' and not with its being missing",
                stacklevel=2,
            )
    columns = ["r2", "by", "skewness", "kurtosis", "known", "identified"]
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    frame.index.name = "column"
    return frame


def _explained(table: np.ndarray, j: int, others: list[int]) -> tuple[float, list[int]]:
    """Adjusted R2 of column j on others, and those by their correlation with it."""
    n, q = len(table), len(others)
    if not others or n - q - 1 < 1:
        return 0.0, []
    centred = table - table.mean(0)
    y, x = centred[:, j], centred[:, others]
    residual = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    r2 = 1 - (residual @ residual) / max(y @ y, np.finfo(float).tiny)
    with np.errstate(invalid="ignore", divide="ignore"):
        size = np.abs(x.T @ y) / np.sqrt((x**2).sum(0) * (y @ y))
    order = np.argsort(-np.nan_to_num(size))
    adjusted = 1 - (1 - r2) * (n - 1) / (n - q - 1)
    return float(max(adjusted, 0.0)), [others[k] for k in order]
