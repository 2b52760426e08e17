"""Multiple imputation: completed tables that carry the uncertainty about the parameters, too."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed
from tqdm.auto import tqdm

from ..data import IncompleteData
from ..models import rebuild
from .fit import FitResult, fit
from .impute import imputed, prepared, programs_of
from .laplace import MOST_PARAMETERS
from .parameters import ParameterPosterior
from .pool import Pooled, pool
from .randomness import seeded

Parameters = Literal["auto", "laplace", "bootstrap", "ensemble", "mechanism", "fixed"]
_PROPOSALS = 200  # draws of the parameters, from which m are taken by weight
_SHORTER = 4  # a warm-started refit takes this part of the fit's steps


@dataclass(frozen=True)
class MultipleImputation:
    """m completed tables, each with parameters of its own.

    ``values`` (m, n, p) in the data's own units; observed cells as they were given. ``parameters``
    says where the parameters came from, ``khat`` how far a Normal approximation of them can be
    trusted (nan where there is none), ``ess`` (m, n) how many particles each row was drawn from.
    Iterating gives the tables as frames.
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

    def frames(self) -> list[pd.DataFrame]:
        """The completed tables, in the dtypes they came in."""
        return list(self)

    def pool(self, analysis: Callable[[pd.DataFrame], Any], **options: Any) -> Pooled:
        """One answer from the analyses of all tables; see :func:`absentia.pool`."""
        return pool(self, analysis, **options)

    def __repr__(self) -> str:
        """How many, and where the parameters came from."""
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
    seed: int = 0,
    progress: bool = False,
) -> MultipleImputation:
    """Draw m completed tables, for :func:`absentia.pool`.

    ``impute(...).frames()`` draws all its tables with the parameters of the fit, as if they were
    known: intervals pooled from them are too narrow. Here every table has parameters of its own,
    and is drawn from p(x_m | x_o, s) at them (proper multiple imputation, Rubin 1987).

    :param parameters: where they come from.

        - ``"laplace"``: their posterior, decoder and mechanism, by :class:`ParameterPosterior`;
          for models of up to 600 parameters.
        - ``"bootstrap"``: refits to rows drawn with replacement, started from the fit.
        - ``"ensemble"``: refits to all rows from fresh weights: how far networks trained alike
          differ, which is not the sampling uncertainty (Lakshminarayanan et al., NeurIPS 2017).
        - ``"mechanism"``: the posterior of the mechanism alone, the decoder held as it is: its
          ``coefficient_guide`` where coefficients have priors, else as ``"laplace"``.
        - ``"fixed"``: those of the fit, improper; to compare with.
        - ``"auto"``: ``"laplace"`` where the model is small enough and its mechanism reads no
          latent, else ``"bootstrap"``.
    :param particles: importance samples a row and table, of which one is drawn by weight.
    :param steps: of a refit; a quarter of the fit's (bootstrap), or as many (ensemble).
    :param jobs: refits at once.
    :raises ValueError: for an unknown kind, fewer than one table, or data of other columns.

    Warns where a Normal approximation of the parameters is unreliable (k-hat above 0.7).

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
    if parameters not in get_args(Parameters):
        raise ValueError(
            f"parameters {parameters!r} is not one of {', '.join(get_args(Parameters))}"
        )
    if m < 1:
        raise ValueError(f"m is {m}; give at least 1 table")
    _, data = prepared(fitted, data)
    if parameters == "auto":
        small = sum(p.numel() for p in _learnt(fitted.model)) <= MOST_PARAMETERS
        # turning the latents turns a mechanism that reads them, too: no Normal is near that
        turns = {"z", "z_mask"} & set(fitted.model.missingness.asks)
        parameters = "laplace" if small and not turns else "bootstrap"
    parts: Iterable[tuple[np.ndarray, np.ndarray]]
    if parameters in ("bootstrap", "ensemble"):
        shorter = _SHORTER if parameters == "bootstrap" else 1
        steps = max(fitted.settings.steps // shorter, 1) if steps is None else steps
        again = _bootstrapped if parameters == "bootstrap" else _from_scratch
        parallel = Parallel(n_jobs=jobs, return_as="generator")
        parts = parallel(
            delayed(_refitted)(again, fitted, data, steps, particles, seed + 7919 * k)
            for k in range(m)
        )
        khat = np.nan
    else:
        khat, parts = _of_posterior(fitted, data, parameters, m, particles, seed)
    found = list(tqdm(parts, total=m, desc="tables", disable=not progress, leave=False))
    values, ess = (np.stack(part) for part in zip(*found, strict=True))
    return MultipleImputation(data, values, parameters, khat, ess)


def _learnt(model: Any) -> list[torch.nn.Parameter]:
    parts = (model.decoder, model.missingness)
    return [p for part in parts for p in part.parameters() if p.requires_grad]


def _table(
    model: Any, coefficients: Any, data: IncompleteData, particles: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """One completed table (n, p) and its ESS (n,)."""
    found = imputed(
        model, data, programs_of(model, coefficients), particles, num_draws=1, seed=seed
    )
    return found.draws(1)[0], found.ess


def _refitted(
    again: Callable[..., Any],
    fitted: FitResult,
    data: IncompleteData,
    steps: int,
    particles: int,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    return _table(again(fitted, data, steps, seed), None, data, particles, seed)


def _settings(fitted: FitResult, steps: int, seed: int) -> dict[str, Any]:
    plan = {**fitted.settings.to_dict(), "steps": steps, "seed": seed}
    # all rows count, and the last state is the result: nothing is chosen by held-out rows
    return {**plan, "validation": 0.0, "patience": None, "evaluations": 1, "progress": False}


def _bootstrapped(fitted: FitResult, data: IncompleteData, steps: int, seed: int) -> Any:
    rows = np.random.default_rng(seed).integers(len(data), size=len(data))
    model = copy.deepcopy(fitted.model)
    return fit(model, data.rows(np.sort(rows)), **_settings(fitted, steps, seed)).model


def _from_scratch(fitted: FitResult, data: IncompleteData, steps: int, seed: int) -> Any:
    with seeded(seed):
        model = rebuild(fitted.model.config)
    model.missingness.initialise(data.s.cpu().to(torch.get_default_dtype()).mean(0))
    model.to(data.x)
    return fit(model, data, **_settings(fitted, steps, seed)).model


def _of_posterior(
    fitted: FitResult, data: IncompleteData, parameters: str, m: int, particles: int, seed: int
) -> tuple[float, Iterator[tuple[np.ndarray, np.ndarray]]]:
    """k-hat of the parameters' draws, and the tables."""
    model = copy.deepcopy(fitted.model)
    guide = getattr(model, "coefficient_guide", None)
    if parameters == "fixed":
        return np.nan, (_table(model, None, data, particles, seed + k) for k in range(m))
    if parameters == "mechanism" and guide is not None:
        with seeded(seed), torch.no_grad():
            drawn = [{k: v.detach() for k, v in guide().items()} for _ in range(m)]
        tables = (_table(model, c, data, particles, seed + k) for k, c in enumerate(drawn))
        return np.nan, tables
    posterior = ParameterPosterior(
        fitted, data, decoder="joint" if parameters == "laplace" else "fixed", seed=seed
    )
    draws = posterior.draws(max(_PROPOSALS, 2 * m), seed)
    if not draws.reliable:
        warnings.warn(
            f"a Normal approximation of the {len(posterior.target)} parameters is poor (k-hat "
            f"{draws.khat:.2f}): the intervals are rough; give parameters='bootstrap', fit with "
            f"more steps, or identify the mechanism better",
            stacklevel=3,
        )
    tables = drawn_tables(posterior, draws.resampled(m, seed), data, particles, seed)
    return draws.khat, tables


def drawn_tables(
    posterior: ParameterPosterior,
    vectors: np.ndarray,
    data: IncompleteData,
    particles: int,
    seed: int,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """A completed table (n, p) and its ESS (n,) for each of the parameter vectors (m, q)."""
    data = data.to(dtype=torch.float64)
    for k, vector in enumerate(vectors):
        model, sites = posterior.model_at(vector)
        yield _table(model, sites, data, particles, seed + k)
