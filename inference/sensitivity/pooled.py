"""One question under each of the three factorisations of values and mask."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from ...data import IncompleteData
from ...models import PPCA, NotMIWAEPPCA, missing
from ..fitting.loop import fit
from ..uncertainty.multiple import multiple_imputation
from .curve import analysed, fit_settings, rows_of
from .delta import delta_sensitivity, shiftable


def answers(
    data: IncompleteData,
    column: str,
    analysis: Callable[[pd.DataFrame], Any] | str,
    *,
    deltas: Sequence[float] = (-0.5, 0.5),
    latent_dim: int | None = None,
    m: int = 20,
    level: float = 0.95,
    fit_options: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Return one pooled answer under each of four assumptions on why a column's values are missing.

    - *missing at random*: absence depends on nothing that is missing.
    - *selection*, p(x) p(s | x): the log-odds of being missing are linear in the value itself. The
      slope is learnt, and rests on the shape of p(x) if nothing else identifies it.
    - *shared parameter*, p(z) p(x | z) p(s | z): value and absence have a common cause, the latents
      z, and are independent given these.
    - *pattern mixture*, p(s) p(x | s): missing values are ``delta`` standard deviations away from
      what is expected at random. Nothing in the data tells which delta is right.

    Each is a factor analysis with the same number of latents, and carries the uncertainty about its
    parameters. The models have the same observed data and differ in what they assume (Little &
    Rubin, *Statistical Analysis with Missing Data*, 2019, chapter 15).

    Args:
        data: the table.
        column: the continuous column in question.
        analysis: the analysis of one completed table. It returns what :func:`absentia.pool` takes
            (a formula stands for a linear regression),
            or a number or a Series; these describe the table itself, and get the variance 0.
        deltas: the shifts, in standard deviations of the column's observed values.
        latent_dim: the number of latents of each model; when left out, that of the named models.
        m: the number of completed tables.
        level: the coverage of the intervals, a probability.
        fit_options: arguments of :func:`absentia.fit`; by default all rows are fitted, by L-BFGS
            or, where that cannot fit a model, by 2,000 steps of Adam.
        seed: the seed of all random numbers.

    Returns:
        One row per assumption and estimand, with ``estimate``, ``se``, ``lower``, ``upper`` and
        ``fmi``, the fraction of missing information.

    Raises:
        ValueError: for a column that the table does not have, or that is not continuous.

    >>> import numpy as np
    >>> import absentia as ab
    >>> rng = np.random.default_rng(0)
    >>> rows = rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], size=150)
    >>> rows[rng.random(150) < 1 / (1 + np.exp(-2 * rows[:, 0])), 0] = np.nan
    >>> data = ab.IncompleteData.from_numpy(rows, columns=["a", "b"])
    >>> mean, options = lambda t: t["a"].mean(), {"steps": 300}
    >>> table = ab.sensitivity.answers(data, "a", mean, m=5, fit_options=options)
    >>> found = table["estimate"]
    >>> bool(found["missing at random"] < found["selection"])
    True
    """
    shiftable(data, column)
    shape: dict[str, Any] = {"latent_dim": latent_dim, "scale": "column", "seed": seed}
    models = {
        "missing at random": PPCA(data, **shape),
        "selection": NotMIWAEPPCA(data, missing({column: f"`{column}`"}), **shape),
        "shared parameter": NotMIWAEPPCA(data, missing({column: "latent"}), **shape),
    }
    tables = {
        name: multiple_imputation(
            fit(model, data, **fit_settings(model, data, fit_options), seed=seed),
            data,
            m,
            seed=seed,
        )
        for name, model in models.items()
    }
    found = {name: analysed(several, analysis, level) for name, several in tables.items()}
    rows = [rows_of(pooled, 0.0, "fitted", tables[name].khat) for name, pooled in found.items()]
    names = [name for name, part in zip(found, rows, strict=True) for _ in range(len(part))]
    shifted = delta_sensitivity(
        tables["missing at random"], column, analysis, deltas, level=level
    ).table
    rows.append(shifted)
    names += [f"pattern mixture, {delta:+g} sd" for delta in shifted["at"]]
    table = pd.concat(rows, ignore_index=True)
    table.index = pd.Index(names, name="assumption")
    return table[["estimand", "estimate", "se", "lower", "upper", "fmi"]]
