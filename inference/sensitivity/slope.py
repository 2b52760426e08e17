"""Selection models: the answer as a function of a slope that is given instead of learnt."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
import torch
from tqdm import tqdm

from ...data import IncompleteData
from ...data.errors import AbsentiaWarning, InputError
from ...models import NotMIWAEPPCA, missing
from ...models.programs.base import RowModel
from ..fitting.loop import fit
from ..fitting.result import FitResult
from ..uncertainty.multiple import multiple_imputation, tables_of
from ..uncertainty.parameters import ParameterDraws, ParameterPosterior
from .curve import SensitivityCurve, analysed, fit_settings, rows_of
from .profile import refined

#: draws of the parameters at each slope
_PROPOSALS = 200
#: a refit starts from the nearest slope, and takes the number of steps divided by this
_SHORTER = 4

Family = Callable[[float], RowModel]


def slope_sensitivity(
    family: Family | str,
    data: IncompleteData,
    analysis: Callable[[pd.DataFrame], Any] | str,
    slopes: Sequence[float],
    *,
    anchor: float = 0.0,
    reweight: bool = True,
    m: int = 20,
    particles: int = 200,
    level: float = 0.95,
    fit_options: Mapping[str, Any] | None = None,
    seed: int = 0,
    progress: bool = False,
) -> SensitivityCurve:
    """Return the answer for each given slope of a mechanism, from the anchor outward.

    The model is fitted at the anchor. If it is small (up to 600 parameters), its parameters have
    approximately the posterior N(maximum, inverse information) there. At the next slope the same
    Normal, moved to the maximum at that slope, proposes parameters, and importance weights towards
    the posterior *at that slope* correct them (as moment matching does in Paananen et al.,
    Statistics and Computing 2021). Where the Pareto k-hat of these weights is above 0.7, the model
    is refitted, and the curve continues from this fit. At each draw of the parameters, missing
    values are sampled from p(x_m | x_o, s). The profile likelihood is followed to its maximum and
    to both ends of the interval of slopes that the data support, even between the given slopes and
    up to four times as far out.

    A larger model is refitted at every slope, starting from the nearest one. Its profile consists
    of bounds on the log-likelihood, at the given slopes only.

    Args:
        family: a function from a slope to a model, such as ``lambda a: ab.NotMIWAEPPCA(data,
            ab.missing("income ~ income + age", fixed={"income": a}))``. The models may differ in
            the value of the slope only. A column's name stands for a factor analysis in which the
            log-odds of the column being missing are linear in its own value.
        data: the table.
        analysis: the analysis of one completed table. It returns what :func:`absentia.pool` takes
            (a formula stands for a linear regression),
            or a number or a Series; these describe the table itself, and get the variance 0.
        slopes: slopes of the log-odds of being **missing**, per standard deviation of the column.
        anchor: the slope of the first fit; 0 is missing at random.
        reweight: whether weights may replace refits; False refits at every slope.
        m: the number of completed tables per slope.
        particles: importance samples per row.
        level: the coverage of the intervals, a probability.
        fit_options: arguments of :func:`absentia.fit`; by default all rows are fitted, by L-BFGS
            or, where that cannot fit a model, by 2,000 steps of Adam.
        seed: the seed of all random numbers.
        progress: show a progress bar.

    Raises:
        ValueError: for fewer than two slopes, the anchor included, or a column that the table does
            not have.

    >>> import numpy as np
    >>> import absentia as ab
    >>> rng = np.random.default_rng(0)
    >>> rows = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], size=200)
    >>> rows[rng.random(200) < 0.3, 0] = np.nan
    >>> data = ab.IncompleteData.from_numpy(rows, columns=["a", "b"])
    >>> mean, options = lambda t: t["a"].mean(), {"steps": 300}
    >>> curve = ab.sensitivity.slope_sensitivity("a", data, mean, [-1, 0, 1], m=5,
    ...     fit_options=options)
    >>> curve.of()["estimate"].is_monotonic_increasing
    True
    """
    slopes = sorted({float(slope) for slope in slopes} | {float(anchor)})
    if len(slopes) < 2:
        raise InputError("one slope is no curve; give at least one besides the anchor")
    column = family if isinstance(family, str) else "the mechanism"
    sweep = _Sweep(
        _by_column(family, data) if isinstance(family, str) else family,
        data,
        {"check": False, **(fit_options or {}), "seed": seed},
        reweight,
        particles,
        m,
        seed,
    )
    found, profile = [], {}
    # outward from the anchor, so that each slope starts from a near one
    outward = sorted(slopes, key=lambda slope: abs(slope - anchor))
    for slope in tqdm(outward, desc="slopes", disable=not progress, leave=False):
        tables, how, khat, height = sweep.at(slope)
        found.append(rows_of(analysed(tables, analysis, level), slope, how, khat))
        profile[slope] = height
    profile = sweep.refined(profile, level, anchor)
    table = pd.concat(found, ignore_index=True).sort_values("at", kind="stable")
    return SensitivityCurve(
        table.reset_index(drop=True),
        "slope of the log-odds of being missing, per sd,",
        column,
        level,
        pd.Series(profile, name="log_likelihood").sort_index(),
    )


def _by_column(column: str, data: IncompleteData) -> Family:
    """Return factor analyses in which only the column itself explains its absence."""
    if column not in data.columns:
        raise InputError(f"there is no column '{column}'; give one of {', '.join(data.columns)}")

    def family(slope: float) -> RowModel:
        given = missing({column: f"`{column}`"}, fixed={column: slope})
        return NotMIWAEPPCA(data, given, scale="column")

    return family


class _Sweep:
    """A sweep over slopes, each of which starts from the nearest one that has been fitted."""

    def __init__(
        self,
        family: Family,
        data: IncompleteData,
        options: dict[str, Any],
        reweight: bool,
        particles: int,
        m: int,
        seed: int,
    ) -> None:
        self.family, self.data, self.options, self.reweight = family, data, options, reweight
        self.particles, self.m, self.seed = particles, m, seed
        self.fits: dict[float, FitResult] = {}
        self.posteriors: dict[float, ParameterPosterior] = {}
        #: the maximum at every slope so far, from which the search at the next one starts
        self.maxima: dict[float, ParameterPosterior] = {}

    def at(self, slope: float) -> tuple[Iterator[pd.DataFrame], str, float, float]:
        """Return completed tables, how they were made, k-hat, and the maximal log-likelihood."""
        if not self.fits:
            return self._fitted(slope, "fitted")
        near = min(self.fits, key=lambda other: abs(other - slope))
        if not self.reweight or near not in self.posteriors:
            return self._fitted(slope, "refitted", near)
        moved = self._moved(slope, near)
        draws = moved.draws(_PROPOSALS, self.seed)
        if not draws.reliable:
            return self._fitted(slope, "refitted", near)
        return self._tables(moved, draws), "reweighted", draws.khat, moved.height()

    def _moved(self, slope: float, near: float) -> ParameterPosterior:
        """Move the posterior at ``near`` to the maximum at this slope."""
        model = self.family(slope)
        _copy_parameters(model, self.fits[near].model)
        start = min(self.maxima, key=lambda other: abs(other - slope))
        self.maxima[slope] = self.posteriors[near].moved_to(
            model, self.data, self.maxima[start].maximum.at
        )
        return self.maxima[slope]

    def refined(
        self, profile: dict[float, float], level: float, anchor: float
    ) -> dict[float, float]:
        """Add slopes near the profile's maximum and its ends; large models have none added."""
        if len(self.posteriors) < len(self.fits):
            return profile

        def height(slope: float) -> float:
            near = min(self.fits, key=lambda other: abs(other - slope))
            return self._moved(slope, near).height()

        return refined(profile, height, level, anchor)

    def _fitted(
        self, slope: float, how: str, near: float | None = None
    ) -> tuple[Iterator[pd.DataFrame], str, float, float]:
        """Fit at this slope, starting from the one at ``near``; return what :meth:`at` does."""
        model = self.family(slope)
        options = fit_settings(model, self.data, self.options)
        if near is not None:
            _copy_parameters(model, self.fits[near].model)
            if "steps" in options:  # L-BFGS sees by itself that little is left to do
                options["steps"] = max(options["steps"] // _SHORTER, 1)
        fitted = self.fits[slope] = fit(model, self.data, **options)
        try:
            posterior = ParameterPosterior(fitted, self.data, seed=self.seed)
        except ValueError:  # too many parameters for a Normal approximation
            several = multiple_imputation(
                fitted,
                self.data,
                self.m,
                parameters="bootstrap",
                particles=self.particles,
                seed=self.seed,
            )
            return iter(several), how, several.khat, fitted.bound * len(self.data)
        self.posteriors[slope] = self.maxima[slope] = posterior
        draws = posterior.draws(_PROPOSALS, self.seed)
        if not draws.reliable:
            warnings.warn(
                f"at slope {slope:g} a Normal approximation of the parameters is poor (k-hat "
                f"{draws.khat:.2f}), and the interval is rough; the data may contradict a slope "
                f"of this size",
                AbsentiaWarning,
                stacklevel=4,
            )
        return self._tables(posterior, draws), how, draws.khat, posterior.height()

    def _tables(
        self, posterior: ParameterPosterior, draws: ParameterDraws
    ) -> Iterator[pd.DataFrame]:
        """Complete m tables, each under parameters that are resampled from the draws."""
        models = map(posterior.model_at, draws.resampled(self.m, self.seed))
        found = tables_of(models, self.data, self.particles, self.seed)
        return (self.data.to_frame(values) for values, _ in found)


@torch.no_grad()
def _copy_parameters(model: RowModel, of: RowModel) -> None:
    """Give a model the parameters of the model at another slope."""
    own = dict(model.named_parameters())
    for name, parameter in of.named_parameters():
        own[name].copy_(parameter)
