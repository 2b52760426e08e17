"""The result of imputing a table, in the table's own units."""

from __future__ import annotations

import copy
from functools import cached_property
from typing import Any, Literal, overload

import numpy as np
import pandas as pd
from torch import Tensor

from ...data import IncompleteData
from ...data.columns.constants import whole_table
from ...data.errors import InputError, NameLookupError
from ..diagnostics import khat_threshold
from .at_random import at_random_cells
from .beside import beside, lines
from .calibrated import Calibrate, Calibrated, Refused
from .cells import MissingCells, as_numpy
from .stream import Estimates

#: a row that is refined gets this many times the particles that were asked for
REFINED_PARTICLES = 4


class Imputation:
    """A table's missing values as imputed, with diagnostics of the importance sampling.

    All arrays are float64 and in the data's own units. Tables have shape (n, p), in which observed
    cells are as they were given, to the last bit; diagnostics per row have shape (n,).

    >>> import numpy as np
    >>> import absentia as ab
    >>> data = ab.IncompleteData.from_numpy(np.array([[1.0, 2.0], [3.0, np.nan], [0.0, 1.0]]))
    >>> fitted = ab.fit(ab.PPCA(data, latent_dim=1), data, steps=20, progress=False)
    >>> imputation = ab.impute(fitted, data, particles=100)
    >>> low, high = imputation.interval(0.9)
    >>> bool(low[1, 1] < imputation.mean[1, 1] < high[1, 1])
    True
    >>> imputation.draws(5).shape
    (5, 3, 2)
    """

    def __init__(
        self,
        data: IncompleteData,
        estimates: Estimates,
        particles: int | None,
        rule: str,
        khat_before: Tensor,
        refined: Tensor,
        row_particles: Tensor,
    ) -> None:
        self.data = data
        #: the imputation without constant columns, where this one has them
        self._modelled: Imputation | None = None
        #: what calibrates the intervals, where :func:`absentia.impute` made them
        self.calibrated: Calibrated | None = None
        #: what identifies the mechanism's slopes on the missing values, one row per column, where
        #: :func:`absentia.fit` or :func:`absentia.impute` checked it
        self.identification: pd.DataFrame | None = None
        #: (n,) the particles of each row: refined rows and hard ones had more
        self.row_particles = row_particles.numpy()
        #: the particles per row that were asked for, or what the median row had
        self.particles = int(np.median(self.row_particles)) if particles is None else particles
        #: (n,) the k-hat up to which each row's weights are good
        self._threshold = np.full(len(self.row_particles), khat_threshold(self.particles))
        if particles is None:
            each, where = np.unique(self.row_particles, return_inverse=True)
            self._threshold = np.array([khat_threshold(int(count)) for count in each])[where]
        self.rule = rule
        self.log_evidence = as_numpy(estimates.log_evidence)
        self.ess = as_numpy(estimates.ess)
        self.khat = as_numpy(estimates.khat)
        self.khat_before = as_numpy(khat_before)
        self.refined = refined.numpy()
        self._cells = MissingCells.of(estimates, data.s)

    @cached_property
    def mean(self) -> np.ndarray:
        """The table (n, p) completed with posterior means, which minimise squared error.

        Counts have means, too, and so have the codes 0, 1, ... of binary and ordinal columns. A
        categorical column of three levels or more has no mean; its most probable code stands here.
        """
        table = self._completed(self._cells.mean, moments=True)
        for j, column in enumerate(self.data.schema):
            if column.kind == "categorical" and column.num_values > 2:
                table[:, j] = self.point[:, j]
        return table

    @cached_property
    def point(self) -> np.ndarray:
        """The table (n, p) completed with a single value per cell, suited to its column's kind.

        These are means of real columns and of counts (which :meth:`to_frame` rounds), medians of
        ordinal codes, and the most probable codes of binary and categorical columns.
        """
        return self._completed(self._cells.points(self.data.schema), moments=True)

    def probabilities(self, column: str) -> pd.DataFrame:
        """Return posterior level probabilities of a binary, categorical or ordinal column.

        The result has one row per missing value, with the table's row labels, and one column per
        level.

        Raises:
            ValueError: the column has no levels, or there is no such column.
        """
        if column not in self.data.columns:
            raise InputError(f"there is no column '{column}'; give one of {self.data.columns}")
        of = self.data.schema[column]
        if not of.levels:
            raise InputError(
                f"column '{column}' is {of.kind}, and only binary, categorical and ordinal columns "
                f"have probabilities; use mean and interval() for this one"
            )
        mine = self._cells.columns == self.data.columns.index(column)
        return pd.DataFrame(
            self._cells.probabilities[: of.num_values, mine].T,
            index=self.data.index[self._cells.rows[mine]],
            columns=pd.Index(of.levels),
        )

    @cached_property
    def median(self) -> np.ndarray:
        """The table (n, p) completed with posterior medians, which minimise absolute error."""
        return self.quantile(0.5)

    @cached_property
    def sd(self) -> np.ndarray:
        """The posterior standard deviations (n, p), 0 where observed."""
        return self._spread(np.sqrt(self._cells.variance))

    @cached_property
    def mcse(self) -> np.ndarray:
        """The Monte-Carlo standard errors of ``mean`` (n, p), 0 where observed."""
        return self._spread(self._cells.mcse)

    def quantile(self, q: float) -> np.ndarray:
        """Return the table (n, p) completed with posterior q-quantiles, from the kept draws.

        Quantiles of counts and codes are values that the column can take. A categorical column of
        three levels or more has no order, and its most probable code stands here.

        Raises:
            ValueError: q is outside [0, 1], or too few draws were kept.
        """
        if not 0 <= q <= 1:
            raise InputError(f"q is {q}; give a number between 0 and 1")
        kept = self._kept()
        if 0 < q < 1 and min(q, 1 - q) * (len(kept) + 1) < 1:
            raise InputError(
                f"{len(kept)} draws were kept, which do not reach the {q:g} quantile; impute with "
                f"draws=200"
            )
        return self._completed(self._cells.quantiles(self.data.schema, q))

    # fmt: off
    @overload
    def interval(
        self, level: float = ..., *, calibrate: Calibrate = ..., gamma: float = ...,
        refused: Refused = ..., folds: int = ..., frame: Literal[False] = ...,
    ) -> tuple[np.ndarray, np.ndarray]: ...

    @overload
    def interval(
        self, level: float = ..., *, calibrate: Calibrate = ..., gamma: float = ...,
        refused: Refused = ..., folds: int = ..., frame: Literal[True],
    ) -> tuple[pd.DataFrame, pd.DataFrame]: ...
    # fmt: on

    def interval(
        self,
        level: float = 0.9,
        *,
        calibrate: Calibrate = None,
        gamma: float = 1.0,
        refused: Refused = "error",
        folds: int = 5,
        frame: bool = False,
    ) -> tuple[Any, Any]:
        """Return lower and upper ends (n, p) of equal-tailed posterior intervals.

        With ``calibrate="odds"`` they are stretched about their medians m, column by column, by
        what seen cells show: these are predicted as if they were missing, and the stretch
        v = (x - m) / (u - m) that each would need (on the lower side (m - x) / (m - l)) has the
        weight of its odds o of being missing, since p(x | missing) / p(x | seen) ~ o. The interval
        [l, u] becomes [m - Q (m - l), m + Q (u - m)], where Q is the smallest v_k such that

            sum_{v_i <= v_k} o_i >= level (sum_i o_i + sum_i o_i^2 / sum_i o_i),

        with the odds that the fitted mechanism gives (weighted conformal prediction: Tibshirani et
        al., NeurIPS 2019), or by an exponential tail of the scores where few cells count. If
        these odds are right, such intervals hold their level on average over a column's missing
        cells, whatever the decoder. A fit with draws of its parameters gives as many odds of each
        cell: Q is the 90 % quantile of what they ask for. It is at least 1, so that no interval is
        shortened; see :meth:`calibration`. Columns of levels keep their intervals. The first call
        refits the model and imputes the predicted cells' rows, at most 500 a column and 10,000 in
        all.

        Args:
            level: the coverage, a probability.
            calibrate: ``"odds"`` to calibrate the intervals, None to take those of the model.
            gamma: the factor by which the true odds may differ from the model's in either
                direction; the intervals then hold for all such odds (Jin, Ren & Candes, PNAS 2023).
            refused: what to do where seen cells cannot stand for the missing ones, as beyond a
                limit: ``"error"``, or ``"plain"`` to keep the intervals of such columns as they
                are.
            folds: the number of refits, each without a part of the rows, whose cells it predicts:
                parameters that have seen a cell predict it too well. 0 predicts by the fit as it
                is. A fit that has draws of its parameters needs no refit, since they are weighted,
                nor has one whose rows are not these.
            frame: return two tables in the original dtypes instead of arrays of numbers.

        Raises:
            ValueError: an argument is out of range, or a column cannot be calibrated; the message
                says why.
        """
        if not 0 < level < 1:
            raise InputError(f"level is {level}; give a probability such as 0.9")
        if calibrate not in (None, "odds"):
            raise InputError(f"calibrate is {calibrate!r}; give 'odds' or None")
        if calibrate is None and gamma != 1:
            raise InputError(f"gamma is {gamma} and calibrate is None; give calibrate='odds', too")
        if calibrate is None:
            ends = self.quantile((1 - level) / 2), self.quantile((1 + level) / 2)
        else:
            ends = self._calibrated_ends(level, gamma, refused, folds)
        return (self.to_frame(ends[0]), self.to_frame(ends[1])) if frame else ends

    def calibration(self, level: float = 0.9, gamma: float = 1.0, folds: int = 5) -> pd.DataFrame:
        """Tabulate what calibrated intervals are made of, one row per incomplete column of numbers.

        The columns are ``cells``, the seen cells that were predicted; ``effective``, the number of
        equally weighted cells that they are worth, (sum o)^2 / sum o^2; ``represented``, the sum of
        the odds by the number of missing cells, which is near 1 where seen cells stand for missing
        ones; ``plain``, the share of the weight inside the model's own intervals, which is what
        these cover if the odds are right; ``stretch``, by which they are multiplied; and
        ``refused``, why they are not, empty where they are. Arguments are those of
        :meth:`interval`.
        """
        if not 0 < level < 1:
            raise InputError(f"level is {level}; give a probability such as 0.9")
        self.quantile((1 - level) / 2)  # which refuses too few draws
        return self.calibrating().table(level, gamma, folds)

    def calibrating(self) -> Calibrated:
        """Return what calibrates the intervals of the model's own columns."""
        found = self.modelled.calibrated
        if found is None:
            raise InputError(
                "this imputation does not know its model, and cannot calibrate intervals; take "
                "one from absentia.impute"
            )
        return found

    def _calibrated_ends(
        self, level: float, gamma: float, refused: Refused, folds: int
    ) -> tuple[np.ndarray, np.ndarray]:
        own = self.modelled
        own.quantile((1 - level) / 2)  # which refuses too few draws
        ends = self.calibrating().ends(own._cells, level, gamma, refused, folds)
        low, high = (own._completed(values) for values in ends)
        whole = own.data.whole
        if own is self or whole is None:
            return low, high
        names = own.data.columns
        return whole_table(low, whole.schema, names), whole_table(high, whole.schema, names)

    def cells(
        self,
        level: float = 0.9,
        *,
        calibrate: Calibrate = None,
        gamma: float = 1.0,
        refused: Refused = "error",
        folds: int = 5,
    ) -> pd.DataFrame:
        """Tabulate the imputed cells: one row each, with its value and interval.

        The result has the columns ``row`` (the row's label), ``column``, ``value`` (as in
        :meth:`to_frame`), ``lower``, ``upper`` and ``sd`` (missing for categories). The arguments
        are those of :meth:`interval`.
        """
        rows, columns = self._cells.rows, self._cells.columns
        low, high = self.interval(
            level, calibrate=calibrate, gamma=gamma, refused=refused, folds=folds, frame=True
        )
        tables = {"value": self.to_frame(), "lower": low, "upper": high}
        names = np.array(self.data.columns, dtype=object)[columns]
        found = pd.DataFrame({"row": self.data.index[rows], "column": names})
        for what, table in tables.items():
            found[what] = [table[name].iloc[row] for row, name in zip(rows, names, strict=True)]
        categories = [c.kind == "categorical" and c.num_values > 2 for c in self.data.schema]
        found["sd"] = np.where(np.array(categories)[columns], np.nan, self.sd[rows, columns])
        return found

    def draws(self, m: int) -> np.ndarray:
        """Return m completed tables (m, n, p), with missing cells sampled given x_o and s.

        All cells of a row in one table come from one particle, so that their dependence is kept.
        The parameters are those of the fit: the draws do not carry the uncertainty about them.

        Raises:
            ValueError: more draws are asked for than were kept.
        """
        kept = self._kept()
        if not 1 <= m <= len(kept):
            raise InputError(
                f"{m} draws are asked for and {len(kept)} were kept; impute with draws={m} or "
                f"more, and ask for at least 1"
            )
        return np.stack([self._completed(draw) for draw in kept[:m]])

    @property
    def num_draws(self) -> int:
        """The number of draws that were kept."""
        return len(self._cells.draws)

    def to_frame(self, values: np.ndarray | None = None) -> pd.DataFrame:
        """Return the completed table, by default with :attr:`point`, in its original dtypes."""
        return self.data.to_frame(self.point if values is None else values)

    def __getitem__(self, column: str) -> pd.Series[Any]:
        """Return a completed column in its original dtype, under the table's row labels.

        Raises:
            NameLookupError: there is no column of this name.
        """
        frame = self.to_frame()
        if column not in frame.columns:
            known = ", ".join(map(str, frame.columns[:12]))
            raise NameLookupError(f"there is no column {column!r}; give one of {known}")
        return frame[column]

    def frames(self, m: int) -> list[pd.DataFrame]:
        """Return m completed tables in their original dtypes, for multiple imputation."""
        return [self.data.to_frame(values) for values in self.draws(m)]

    @property
    def modelled(self) -> Imputation:
        """Return the imputation of the model's own columns, without constant ones."""
        return self if self._modelled is None else self._modelled

    def beside_constants(self) -> Imputation:
        """Return the imputation of all columns; a constant column is filled with its one value."""
        whole = self.data.whole
        if whole is None:
            return self
        result = copy.copy(self)
        for name in ("mean", "point", "median", "sd", "mcse", "_at_random"):
            result.__dict__.pop(name, None)  # computed for the model's own columns
        result._modelled, result.data = self, whole
        result._cells = self._cells.with_constants(self.data.columns, whole)
        return result

    def by_column(self) -> pd.DataFrame:
        """Tabulate imputed means by column beside those under missing at random, in data units.

        There is one row per column that has missing values and a mean (categories have none): the
        number of values that are ``missing``, ``observed_mean``, ``imputed_mean``,
        ``at_random_mean``, the ``lowest`` and ``highest`` observed value, and ``outside``, whether
        the imputed mean lies outside these two. ``at_random_mean`` is that of probabilistic PCA,
        fitted by a short EM on the model's scale (:mod:`absentia.inference.imputing.at_random`),
        and serves for comparison only. Where it differs from ``imputed_mean``, the difference comes
        from the assumed mechanism.
        """
        own = self.modelled  # there is nothing to compare in a constant column
        return beside(own.data, own.mean[own._cells.rows, own._cells.columns], own._at_random)

    @cached_property
    def _at_random(self) -> np.ndarray:
        return at_random_cells(self.data)

    def rows(self) -> pd.DataFrame:
        """Tabulate diagnostics per row: log p(x_o, s), effective sample size, Pareto k-hat.

        ``khat_before`` is the k-hat of the pilot run, before rows were refined. ``weights_good``
        is :attr:`reliable`, which judges the importance weights and not the model.
        """
        return pd.DataFrame(
            {
                "log_evidence": self.log_evidence,
                "particles": self.row_particles,
                "ess": self.ess,
                "khat": self.khat,
                "khat_before": self.khat_before,
                "refined": self.refined,
                "weights_good": self.reliable,
            },
            index=self.data.index,
        )

    @property
    def reliable(self) -> np.ndarray:
        """The rows (n,) with good weights: k-hat at most min(1 - 1/log10 L, 0.7) for L particles.

        L is the number that was asked for; where it was chosen row by row, it is the row's own.

        Good weights mean that importance sampling has computed what the fitted model implies. They
        do not mean that the model and its mechanism are right; for that see :meth:`by_column` and
        :func:`absentia.check.check_identification`.
        """
        return self.khat <= self._threshold

    def summary(self) -> dict[str, float]:
        """Return six numbers that summarise the diagnostics of all rows."""
        return {
            "particles": self.particles,
            "median_ess_share": float(np.median(self.ess / self.row_particles)),
            "khat_threshold": khat_threshold(self.particles),
            "weights_good_before": float(np.mean(self.khat_before <= self._threshold)),
            "weights_good": float(np.mean(self.reliable)),
            "refined_rows": float(np.mean(self.refined)),
        }

    def __repr__(self) -> str:
        """Show cells, particles, the quality of the weights, and means beside those at random."""
        share = 100 * np.mean(self.reliable)
        first = (
            f"Imputation({len(self._cells)} cells, {self._shown()} particles, weights good in "
            f"{share:.1f} % of rows)"
        )
        return "\n".join([first, *lines(self.by_column(), self.data.schema)])

    def _shown(self) -> str:
        """Write the number of particles, or their range where it was chosen row by row."""
        usual = self.row_particles[~self.refined]
        if not len(usual) or usual.min() == usual.max():
            return str(self.particles)
        return f"{usual.min()} to {usual.max()}"

    def _kept(self) -> np.ndarray:
        """Return the draws of the missing cells, or raise an error if none were kept."""
        if not len(self._cells.draws):
            raise InputError("no posterior draws were kept; impute with draws=200")
        return self._cells.draws

    def _completed(self, cells: np.ndarray, moments: bool = False) -> np.ndarray:
        """Return the table (n, p) in data units, completed with values of the missing cells."""
        table = self._cells.at(cells, self.data.values.shape)
        values = self.data.scaler.invert(table)
        if moments:  # moments of warped columns are in the data's own units already
            values = np.where(self.data.scaler.linear, values, table)
        return self.data.fill(values)

    def _spread(self, cells: np.ndarray) -> np.ndarray:
        """Return the table (n, p) of standard deviations in data units, from those of the cells."""
        table = self._cells.at(cells, self.data.values.shape)
        scaler = self.data.scaler
        return np.asarray(table * np.where(scaler.linear, scaler.scale, 1.0))
