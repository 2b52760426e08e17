"""The result of imputing a table, in the table's own units."""

from __future__ import annotations

import copy
from functools import cached_property

import numpy as np
import pandas as pd
from torch import Tensor

from ...data import IncompleteData
from ...data.errors import InputError
from ..diagnostics import khat_threshold
from .at_random import at_random_cells
from .beside import beside, lines
from .cells import MissingCells, as_numpy
from .stream import Estimates

#: a row whose proposal was refined gets this many times the particles asked for
REFINED_PARTICLES = 4


class Imputation:
    """Completed tables, with diagnostics of how far to trust them.

    Arrays are in the data's own units and float64. Cells: (n, p), observed cells as they were
    given, to the last bit. Rows: (n,).

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
        particles: int,
        rule: str,
        khat_before: Tensor,
        refined: Tensor,
    ) -> None:
        self.data = data
        self._modelled: Imputation | None = None
        #: of the check by :func:`absentia.fit` or :func:`absentia.impute`, where there was one:
        #: what the slopes of the mechanism on the values themselves rest on, a row a column
        self.identification: pd.DataFrame | None = None
        self.particles = particles
        self.rule = rule
        self.log_evidence = as_numpy(estimates.log_evidence)
        self.ess = as_numpy(estimates.ess)
        self.khat = as_numpy(estimates.khat)
        self.khat_before = as_numpy(khat_before)
        self.refined = refined.numpy()
        #: particles a row, (n,): refined rows had more
        self.row_particles = np.where(self.refined, REFINED_PARTICLES * particles, particles)
        self._cells = MissingCells.of(estimates, data.s)

    @cached_property
    def mean(self) -> np.ndarray:
        """The table (n, p) completed with posterior means, which minimise squared error.

        Of counts and of the codes 0, 1, ... of binary and ordinal columns too; a categorical
        column of three levels or more has no mean, and its most probable code stands here.
        """
        table = self._completed(self._cells.mean, moments=True)
        for j, column in enumerate(self.data.schema):
            if column.kind == "categorical" and column.num_values > 2:
                table[:, j] = self.point[:, j]
        return table

    @cached_property
    def point(self) -> np.ndarray:
        """The table (n, p) completed with one possible value per cell.

        Means of real columns and of counts (to be rounded), medians of ordinal codes, the most
        probable level of binary and categorical ones. What :meth:`to_frame` fills in.
        """
        return self._completed(self._cells.points(self.data.schema), moments=True)

    def probabilities(self, column: str) -> pd.DataFrame:
        """Return posterior level probabilities of a binary, categorical or ordinal column.

        One row a missing value, under the table's row labels; one column a level.

        Raises:
            ValueError: for a column without levels, or of another name.
        """
        if column not in self.data.columns:
            raise InputError(f"there is no column '{column}'; give one of {self.data.columns}")
        of = self.data.schema[column]
        if not of.levels:
            raise InputError(
                f"column '{column}' is {of.kind}; probabilities are of binary, categorical and "
                f"ordinal columns, use mean and interval() for others"
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

        Those of counts and of codes are values that the column takes; a categorical column of three
        levels or more has no order, and its most probable code stands here.

        Raises:
            ValueError: if q is outside [0, 1], or no draws were kept.
        """
        if not 0 <= q <= 1:
            raise InputError(f"q is {q}; a quantile lies between 0 and 1")
        kept = self._kept()
        if 0 < q < 1 and min(q, 1 - q) * (len(kept) + 1) < 1:
            raise InputError(
                f"{len(kept)} draws do not reach the {q:g} quantile; impute with draws=200"
            )
        return self._completed(self._cells.quantiles(self.data.schema, q))

    def interval(self, level: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
        """Return lower and upper ends (n, p) of equal-tailed posterior intervals."""
        if not 0 < level < 1:
            raise InputError(f"level is {level}; give a probability such as 0.9")
        return self.quantile((1 - level) / 2), self.quantile((1 + level) / 2)

    def draws(self, m: int) -> np.ndarray:
        """Return m completed tables (m, n, p): draws of the missing cells given x_o and s.

        Within a table all cells of a row come from one particle, so dependence is kept. The
        model's parameters are those of the fit: uncertainty about them is not in the draws.

        Raises:
            ValueError: if more are asked for than were kept.
        """
        kept = self._kept()
        if not 1 <= m <= len(kept):
            raise InputError(
                f"{m} draws asked for, {len(kept)} kept; impute with draws={m} or more"
            )
        return np.stack([self._completed(draw) for draw in kept[:m]])

    @property
    def num_draws(self) -> int:
        """The number of draws that were kept."""
        return len(self._cells.draws)

    def to_frame(self, values: np.ndarray | None = None) -> pd.DataFrame:
        """Return the completed table, by default with :attr:`point`, in its original dtypes."""
        return self.data.to_frame(self.point if values is None else values)

    def frames(self, m: int) -> list[pd.DataFrame]:
        """Return m completed tables in their original dtypes, for multiple imputation."""
        return [self.data.to_frame(values) for values in self.draws(m)]

    @property
    def modelled(self) -> Imputation:
        """Return the imputation of the model's own columns, without constant ones."""
        return self if self._modelled is None else self._modelled

    def beside_constants(self) -> Imputation:
        """Return the imputation with constant columns, whose missing cells are certain."""
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
        """Tabulate means by column beside those under missing at random, in data units.

        One row a column with missing values that has a mean (no categories): how many are
        ``missing``, ``observed_mean``, ``imputed_mean``, ``at_random_mean``, the ``lowest`` and
        ``highest`` observed value, and ``outside``, whether the imputed mean lies outside them. At
        random means by probabilistic PCA, a short EM on the model's scale
        (:mod:`absentia.inference.imputing.at_random`): a yardstick, not a fit. Where the two
        differ, the assumed mechanism makes the difference.
        """
        own = self.modelled  # a constant has nothing to compare, and would be a column of it
        return beside(own.data, own.mean[own._cells.rows, own._cells.columns], own._at_random)

    @cached_property
    def _at_random(self) -> np.ndarray:
        return at_random_cells(self.data)

    def rows(self) -> pd.DataFrame:
        """Tabulate diagnostics per row: log evidence, ESS, k-hat before and after refinement.

        ``weights_good`` is :attr:`reliable`: it judges the importance weights, not the model.
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

        It says that the importance sampling gives what the fitted model implies. Whether the model
        and its mechanism are right it does not say: see :meth:`by_column` and
        :func:`absentia.check.check_identification`.
        """
        return self.khat <= khat_threshold(self.particles)

    def summary(self) -> dict[str, float]:
        """Return six numbers that summarise the diagnostics."""
        threshold = khat_threshold(self.particles)
        return {
            "particles": self.particles,
            "median_ess_share": float(np.median(self.ess / self.row_particles)),
            "khat_threshold": threshold,
            "weights_good_before": float(np.mean(self.khat_before <= threshold)),
            "weights_good": float(np.mean(self.reliable)),
            "refined_rows": float(np.mean(self.refined)),
        }

    def __repr__(self) -> str:
        """Show cells, particles, the quality of the weights, and means beside those at random."""
        share = 100 * np.mean(self.reliable)
        first = (
            f"Imputation({len(self._cells)} cells, {self.particles} particles, weights good in "
            f"{share:.1f} % of rows)"
        )
        return "\n".join([first, *lines(self.by_column(), self.data.schema)])

    def _kept(self) -> np.ndarray:
        if not len(self._cells.draws):
            raise InputError("no draws were kept; impute with draws=200")
        return self._cells.draws

    def _completed(self, cells: np.ndarray, moments: bool = False) -> np.ndarray:
        table = self._cells.at(cells, self.data.values.shape)
        values = self.data.scaler.invert(table)
        if moments:  # those of warped columns come in the data's own units already
            values = np.where(self.data.scaler.linear, values, table)
        return self.data.fill(values)

    def _spread(self, cells: np.ndarray) -> np.ndarray:
        table = self._cells.at(cells, self.data.values.shape)
        scaler = self.data.scaler
        return np.asarray(table * np.where(scaler.linear, scaler.scale, 1.0))
