"""One question under each of the three factorisations of values and mask."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from ...data import IncompleteData
from ...models import PPCA, NotMIWAEPPCA, missing
from ..fitting.loop import fit
from ..uncertainty.multiple import multiple_imputation
from .curve import FIT, analysed, rows_of
from .delta import delta_sensitivity, shiftable


def answers(
    data: IncompleteData,
    column: str,
    analysis: Callable[[pd.DataFrame], Any],
    *,
    deltas: Sequence[float] = (-0.5, 0.5),
    latent_dim: int | None = None,
    m: int = 20,
    level: float = 0.95,
    fit_options: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Return the pooled answers for ``column`` at random, by itself, by a cause, or with a shift.

    - *missing at random*: its absence depends on nothing that is missing.
    - *selection*: p(x) p(s | x), the log-odds of being missing are linear in the value itself; the
      slope is learnt, and rests on the shape of p(x) where nothing else identifies it.
    - *shared parameter*: p(z) p(x | z) p(s | z), value and absence have a common cause and nothing
      else in common.
    - *pattern mixture*: p(s) p(x | s), missing values are ``delta`` sd away from what is expected
      at random; nothing in the data speaks for a delta.

    All by factor analysis of the same size, with the parameters' uncertainty. They agree on what
    was observed and differ in what they assume (Little & Rubin, *Statistical Analysis with Missing
    Data*, 2019, chapter 15).

    Args:
        analysis: of one completed table: what :func:`absentia.pool` takes, a number or Series.
        deltas: shifts, in sd of the column as observed.

    Returns:
        One row per assumption and estimand: estimate, se, lower, upper, fmi.

    Raises:
        ValueError: for a column that is not there or is not continuous.

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
    options = {**FIT, **(fit_options or {}), "seed": seed}
    shape: dict[str, Any] = {"latent_dim": latent_dim, "scale": "column", "seed": seed}
    models = {
        "missing at random": PPCA(data, **shape),
        "selection": NotMIWAEPPCA(data, missing({column: f"`{column}`"}), **shape),
        "shared parameter": NotMIWAEPPCA(data, missing({column: "latent"}), **shape),
    }
    tables = {
        name: multiple_imputation(fit(model, data, **options), data, m, seed=seed)
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
