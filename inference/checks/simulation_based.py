"""Simulation-based calibration: for data from the model, truths rank uniformly among draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ...data import IncompleteData
from ...data.errors import InputError
from ..imputing.tables import impute
from ..prepare import Fitted, prepared
from ..replicate import replicates

Infer = Callable[[IncompleteData], np.ndarray]


@dataclass(frozen=True)
class Calibration:
    """Ranks of the truth among ``draws`` posterior draws, by quantity.

    ``table`` has one row per quantity: the number of ranks, the chi-square p-value of the
    hypothesis that they are uniform over 0..draws, and ``bias``, the mean rank less one half in
    standard errors (negative where the truth tends to lie below the draws).
    """

    ranks: Mapping[str, np.ndarray]
    draws: int
    bins: int

    @property
    def table(self) -> pd.DataFrame:
        """Return a table with one row per quantity."""
        from scipy.stats import chisquare  # takes half a second to import

        rows = {}
        for name, rank in self.ranks.items():
            place = (rank + 0.5) / (self.draws + 1)
            bias = (place.mean() - 0.5) * np.sqrt(12 * len(rank))
            rows[name] = (len(rank), chisquare(self.counts(name)).pvalue, bias)
        return pd.DataFrame.from_dict(rows, orient="index", columns=["ranks", "p_value", "bias"])

    @property
    def p_value(self) -> float:
        """Return one p-value of all quantities together, from the sum of their chi-squares."""
        from scipy.stats import chi2  # takes half a second to import

        p = self.table["p_value"].clip(lower=1e-300)
        each = chi2.isf(p, self.bins - 1)
        return float(chi2.sf(each.sum(), (self.bins - 1) * len(p)))

    def counts(self, name: str) -> np.ndarray:
        """Count the ranks that fall into each bin, for a histogram."""
        edges = np.linspace(0, self.draws + 1, self.bins + 1)
        return np.histogram(self.ranks[name], edges)[0]


def calibration(
    model: Fitted,
    data: IncompleteData,
    *,
    rows: int = 2000,
    draws: int = 99,
    particles: int = 1000,
    bins: int = 10,
    infer: Infer | None = None,
    seed: int = 0,
) -> Calibration:
    """Calibrate a whole model's imputations by simulation (Talts et al., 2018).

    A table of ``rows`` rows is drawn from the model, z, x and s; every value that its mask hides is
    ranked among draws from p(x_m | x_o, s). Where weights, guide and draws are right, ranks are
    uniform, whatever the model's parameters: every row is a simulation of its own. The model's
    parameters are taken as they are, what is tested is the inference.

    Args:
        model: a fit, or a model of yours.
        data: a table with the columns, scale and covariates that the model was made for; its rows
            are repeated where more are wanted.
        infer: your own inference, a function from a table with missing values to draws (m, n, p) in
            the data's units; :func:`absentia.impute` when left out.
        bins: the number of bins of the histogram that is tested.

    Raises:
        ValueError: if bins do not divide draws + 1, or nothing goes missing.

    >>> import numpy as np
    >>> import absentia as ab
    >>> table = np.random.default_rng(0).normal(size=(50, 2))
    >>> table[:20, 0] = np.nan
    >>> data = ab.IncompleteData.from_numpy(table)
    >>> model = ab.NotMIWAEPPCA(data, sign="+", latent_dim=1)
    >>> found = ab.check.calibration(model, data, rows=400, particles=200)
    >>> found.p_value > 1e-3
    True
    """
    if (draws + 1) % bins:
        raise InputError(f"{bins} bins do not divide the {draws + 1} ranks; give bins that do")
    of, data = prepared(model, data)
    if of.missingness.alpha != 1:
        raise InputError("with alpha other than 1 the model's weights are not of what it draws")
    data = data.rows(np.arange(rows) % len(data)).without_target()  # labels go with real rows
    x, s = replicates(of, data, seed=seed)
    if s.all():
        raise InputError("no value of the simulated table is missing; there is nothing to rank")
    hidden = data.with_values(np.where(s, x, np.nan))
    if infer is None:

        def infer(table: IncompleteData) -> np.ndarray:
            found = impute(
                model, table, particles, draws=draws, seed=seed + 1, check=False, unfitted=True
            )
            return found.draws(draws)

    several = infer(hidden)
    generator = np.random.default_rng(seed)
    ranks = {}
    for j, name in enumerate(data.columns):
        missing = ~s[:, j]
        if not missing.any():
            continue
        truth, sampled = x[missing, j], several[:draws, missing, j]
        below = (sampled < truth).sum(0)
        # equal values are ranked in a random order
        ties = (sampled == truth).sum(0)
        ranks[name] = below + generator.integers(0, ties + 1)
    return Calibration(ranks, draws, bins)
