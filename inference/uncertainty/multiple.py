"""Multiple imputation: completed tables that carry the uncertainty about the parameters, too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from ...data import IncompleteData
from ...data.system.backends import on_backend
from ..fitting.result import FitResult
from ..imputing.tables import imputed
from ..prepare import prepared, programs_of
from .rubin import Pooled, pool
from .sources import Parameters, Source, sources


@dataclass(frozen=True)
class MultipleImputation:
    """The m completed tables of a multiple imputation, each with its own parameters.

    Iterating gives the tables as frames.

    Attributes:
        data: the table that was imputed.
        values: (m, n, p) the completed tables in the data's own units, with observed cells as they
            were given.
        parameters: the source of the parameters.
        khat: Pareto k-hat of a Normal approximation of the parameters, which is good up to 0.7; nan
            where there is no approximation.
        ess: (m, n) the effective number of particles from which each row was sampled.
    """

    data: IncompleteData
    values: np.ndarray
    parameters: str
    khat: float
    ess: np.ndarray

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[pd.DataFrame]:
        return (self.data.to_frame(table) for table in self.values)

    def __getitem__(self, number: int) -> pd.DataFrame:
        """Return one of the completed tables, counted from 0, in its original dtypes."""
        return self.data.to_frame(self.values[number])

    def frames(self) -> list[pd.DataFrame]:
        """Return the completed tables, in their original dtypes."""
        return list(self)

    def pool(self, analysis: Callable[[pd.DataFrame], Any] | str, **options: Any) -> Pooled:
        """Pool the analyses of all tables into one answer; see :func:`absentia.pool`."""
        return pool(self, analysis, **options)

    def __repr__(self) -> str:
        """Show how many tables there are, and the source of their parameters."""
        khat = "" if np.isnan(self.khat) else f", k-hat {self.khat:.2f}"
        return f"MultipleImputation({len(self)} tables, parameters: {self.parameters}{khat})"


def multiple_imputation(
    fitted: FitResult,
    data: IncompleteData,
    m: int = 20,
    *,
    parameters: Parameters = "auto",
    particles: int = 200,
    steps: int | None = None,
    jobs: int = 1,
    backend: str | None = None,
    seed: int = 0,
    progress: bool = False,
) -> MultipleImputation:
    """Sample m completed tables, for :func:`absentia.pool`.

    ``impute(...).frames()`` samples all its tables with the parameters of the fit, as if these were
    known, and intervals pooled from them are too narrow. Here every table has parameters of its
    own, and is sampled from p(x_m | x_o, s) at these (proper multiple imputation, Rubin 1987).

    Args:
        fitted: the result of :func:`absentia.fit` or :func:`absentia.load`.
        data: the table that it was fitted to.
        m: the number of tables.
        parameters: the source of the parameters.

            - ``"posterior"``: the draws of a fit that averaged over forms of the mechanism.
            - ``"laplace"``: the posterior of decoder and mechanism, by :class:`ParameterPosterior`;
              for models of up to 600 parameters.
            - ``"bootstrap"``: refits to rows sampled with replacement, started from the fit.
            - ``"ensemble"``: refits to all rows from new initial weights. They show how far
              networks trained alike differ, which is not the sampling uncertainty
              (Lakshminarayanan et al., NeurIPS 2017).
            - ``"mechanism"``: the posterior of the mechanism, with the decoder held at the fit. It
              is the ``coefficient_guide`` where coefficients have priors, else as ``"laplace"``.
            - ``"fixed"``: the parameters of the fit; improper, for comparison.
            - ``"auto"``: ``"posterior"`` where the fit has draws, ``"laplace"`` if the model is
              small enough, its mechanism reads no latent and no missing levels are sampled, else
              ``"bootstrap"``.

        particles: importance samples per row and table, of which one is sampled by weight.
        steps: the steps of a refit; by default a quarter of the fit's for ``"bootstrap"``, and as
            many as the fit's for ``"ensemble"``. A fit that held-out rows have ended counts for the
            steps to its best state.
        jobs: the number of refits that run at once.
        backend: whose workers refit: ``"loky"`` (this machine's), ``"dask"``, ``"ray"`` or a name
            that was registered with joblib; those of ``joblib.parallel_config`` when left out. A
            cluster that you are connected to is used, else one is started on this machine.
        seed: the seed of the random numbers.
        progress: show a progress bar.

    A warning is given where a Normal approximation of the parameters is unreliable (k-hat above
    0.7).

    Raises:
        ValueError: the source is unknown, m is below 1, or the data have other
            columns than the fit.

    >>> import numpy as np
    >>> import absentia as ab
    >>> rng = np.random.default_rng(0)
    >>> rows = rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], size=200)
    >>> rows[rng.random(200) < 1 / (1 + np.exp(-2 * rows[:, 1])), 0] = np.nan
    >>> data = ab.IncompleteData.from_numpy(rows, columns=["a", "b"])
    >>> fitted = ab.fit(ab.NotMIWAEPPCA(data, "a ~ b"), data, steps=300, progress=False)
    >>> tables = ab.multiple_imputation(fitted, data, m=5)
    >>> pooled = tables.pool(lambda table: (table["a"].mean(), table["a"].var() / len(table)))
    >>> len(tables), bool(abs(pooled.table.loc["estimate", "estimate"]) < 0.3)
    (5, True)
    """
    _, data = prepared(fitted, data)
    with on_backend(backend, jobs):
        kind, khat, models = sources(fitted, data, m, parameters, steps=steps, jobs=jobs, seed=seed)
        parts = tables_of(models, data, particles, seed)
        found = list(tqdm(parts, total=m, desc="tables", disable=not progress, leave=False))
    values, ess = (np.stack(part) for part in zip(*found, strict=True))
    return MultipleImputation(data, values, kind, khat, ess)


def tables_of(
    models: Iterable[Source], data: IncompleteData, particles: int, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Return a completed table (n, p) and its ESS (n,) from each of the models."""
    for k, (model, coefficients) in enumerate(models):
        parameter = next(model.parameters(), data.x)
        own = data.to(device=parameter.device, dtype=parameter.dtype)
        programs = programs_of(model, coefficients)
        found = imputed(model, own, programs, particles, draws=1, seed=seed + k)
        yield found.draws(1)[0], found.ess
