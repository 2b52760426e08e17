"""A check from data of what identifies a mechanism that depends on missing values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ...data import IncompleteData
from ..identification import columns_on_themselves, identification_table, warn_of
from ..imputing.tables import impute
from ..prepare import Fitted, prepared


def check_identification(
    fitted: Fitted, data: IncompleteData, *, particles: int = 500, seed: int = 0
) -> pd.DataFrame:
    """Report what the answer rests on for each column whose absence depends on its value.

    A slope on the value itself is identified by a column that goes with the value and that the
    mechanism does not read: an exclusion restriction, or shadow variable (Miao & Tchetgen
    Tchetgen, Biometrika 2016; Wang, Shao & Kim, Statistica Sinica 2014). Without one it rests on
    the shape that the decoder gives p(x) alone: skewed values that are missing completely at random
    then look to a Gaussian like values missing for being high. The check warns there. A column
    that numbers the rows (a patient's number) is no such variable. :func:`absentia.fit` runs the
    check on some of its rows, :func:`absentia.impute` for a fit that came without it.

    Returns:
        one row per such column: ``r2``, the share of its variance that is explained by columns that
        its mechanism does not read, in a table completed by the model; ``by``, those of them that
        are most associated with it; ``skewness`` and ``kurtosis`` (excess) of the observed values,
        on the scale that the decoder sees (of log(income) for a positive column); ``known``, what
        is known of the slope ("given", "prior", "shrunk", "direction", or nothing); ``rests_on``,
        in words, and ``identified``, False where that is the decoder's shape alone.

    Raises:
        ValueError: the data have other columns than the model.

    >>> import numpy as np
    >>> import absentia as ab
    >>> rng = np.random.default_rng(0)
    >>> rows = rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], size=300)
    >>> rows[rng.random(300) < 1 / (1 + np.exp(-2 * rows[:, 0])), 0] = np.nan
    >>> data = ab.IncompleteData.from_numpy(rows, columns=["a", "b"])
    >>> fitted = ab.fit(ab.NotMIWAEPPCA(data, "a ~ a"), data, steps=300, progress=False)
    >>> bool(ab.check.check_identification(fitted, data).loc["a", "identified"])
    True
    """
    model, data = prepared(fitted, data)
    completed = np.empty(0)
    if columns_on_themselves(model, data):
        options: dict[str, Any] = {"refine": False, "draws": 1, "check": False}
        completed = impute(fitted, data, particles, seed=seed, unfitted=True, **options).draws(1)[0]
    found = identification_table(model, data, completed)
    warn_of(found)
    return found
