"""The interface of a missingness mechanism: (x, context) -> the distribution of the mask s."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ...data import IncompleteData, Standardiser
from ...data.errors import InputError
from ..configurable import Configurable
from ..distributions.mask import MaskDistribution
from ..distributions.shapes import broadcast
from ..fitted import Fit
from .affine import Affine, Link
from .dependence import Dependence
from .description import ColumnDescription, Description
from .identification import identified, resting_on_others
from .inputs import inputs_of
from .table_facts import TableFacts, facts_of


def _never_affine(self: Missingness, x: Tensor, **context: Any) -> None:
    """Return None: the mechanism is not affine, or not known to be."""


class Missingness(Configurable):
    """Base class of the mechanisms: ``mechanism(x)`` returns p(s | x), batch shape (..., n, p).

    A new mechanism is a subclass with a ``forward`` that returns a Bernoulli over s, where
    **s = 1 means observed**::

        class HidesExtremes(Missingness):
            elementwise = True

            def __init__(self, num_columns):
                super().__init__()
                self.offset = nn.Parameter(torch.ones(num_columns))
                self.curve = nn.Parameter(torch.zeros(num_columns))

            def forward(self, x):
                return Bernoulli(logits=self.offset - self.curve * x**2)

    ``elementwise = True`` promises that s_j depends on no missing value but x_j (it may depend on
    observed values, z or covariates too). Then the missing values can be integrated out
    (:class:`absentia.inference.integrate_out`); without the promise they are sampled. A mechanism
    in which the absence of some columns depends on the values of a few others overrides
    :meth:`dependence`: only these few are then sampled where they are missing, and all other
    columns are integrated out.

    ``forward`` names in its signature what it reads besides x: ``z``, the row's latent
    (..., n, d); ``z_mask``, a latent of the mask alone, of :attr:`mask_latent_dim` dimensions;
    ``covariates``, the (n, q) columns that are given but not modelled; ``s``, the mask (n, p)
    itself, for columns whose absence depends on the absence of others.

    :meth:`describe` says in words what a mechanism assumes. It calls ``equation``, ``dependence``
    and ``known``, which a mechanism overrides where it can say more than the defaults.
    """

    elementwise: bool = False
    ignorable: bool = False
    #: how densely P(missing) must be evaluated, as a function of the column's own value, to
    #: integrate it: the number of nodes per standard deviation of the decoder. 1 is for smooth
    #: functions, 2 for those that bend gently (a cubic spline); 0 says that the function may jump
    nodes_per_sd: int = 0
    #: the scale on which the terms of the mechanism are added up
    link: Link = "logit"
    mask_latent_dim: int = 0
    #: the power to which p(s | ...) enters the objective; 1 is the likelihood
    alpha: float = 1.0
    #: parameters of the coefficients' prior, which stay fixed while the posterior of the
    #: coefficients is computed
    hyperparameters: tuple[str, ...] = ()

    def __call__(self, x: Tensor, **context: Any) -> MaskDistribution:
        """Call ``forward``, expand its result to the shape of x and attach the mechanism to it."""
        mask = MaskDistribution(super().__call__(x, **context), self, context, x)
        return mask.expand(broadcast(mask.batch_shape, x.shape))

    @functools.cached_property
    def asks(self) -> tuple[str, ...]:
        """The inputs besides x that ``forward`` names.

        A mechanism whose ``forward`` takes ``**context`` sets this attribute by hand.
        """
        return inputs_of(self.forward)

    def context(self, **known: Any) -> dict[str, Any]:
        """Select from ``known`` the inputs listed in :attr:`asks`.

        Raises:
            ValueError: if the mechanism asks for an input that is not known.
        """
        for name in self.asks:
            if known.get(name) is None:
                raise InputError(
                    f"{type(self).__name__} asks for {name}, which the model does not have: "
                    f"covariates come with IncompleteData.from_frame(df, covariates=[...])"
                )
        return {name: known[name] for name in self.asks}

    def dependence(self, num_columns: int) -> Dependence:
        """Return which values each column's absence depends on, and which columns are ignorable.

        The default follows from ``elementwise`` and ``ignorable``. Inference learns the structure
        of a mechanism from this method alone.
        """
        if self.ignorable:
            return Dependence.of_no_value(num_columns, ignorable=True)
        if self.elementwise:
            return Dependence.of_own_value(num_columns, seen_only=True)
        return Dependence.of_every_value(num_columns)

    #: ``affine(x, **context)``: slope, offset and link where the mechanism is affine in x_j, else
    #: None. Like ``forward`` it names only the inputs that it reads, so any signature is allowed.
    affine: Callable[..., Affine | None] = _never_affine

    def log_missing(
        self, values: Tensor, rows: Tensor, columns: Tensor, x: Tensor, **context: Any
    ) -> Tensor:
        """Return log P(s_j = 0 | x) of single cells for several values in each of them.

        The default evaluates the mechanism on whole tables of n rows. Where each column's absence
        depends on its own value alone, the cells of a column are packed into the first rows of a
        smaller table, with as many rows as the cells of the column that has most of them.

        Args:
            values: (Q, K, M), Q values of each of M cells for each of K particles.
            rows: (M,), the rows of the cells.
            columns: (M,), the columns of the cells.
            x: (..., n, p), from which all other values of the rows are taken.
            context: the inputs that the mechanism asks for.

        Returns:
            The log-probabilities, (Q, K, M).
        """
        spread = values.expand(*values.shape[:2], len(rows))
        if len(rows) and not context and self.dependence(x.shape[-1]).columnwise:
            rows = _rank_within(columns)
            x = x[..., :1, :].expand(*x.shape[:-2], int(rows.max()) + 1, x.shape[-1])
        table = x.expand(*spread.shape[:2], *x.shape[-2:]).clone()
        table[..., rows, columns] = spread
        given = self(table, **context)
        return given.log_prob(torch.zeros_like(table))[..., rows, columns]

    def initialise(self, observed_rate: Tensor) -> None:
        """Start from the columns' observed rates (p,), as if values were missing at random."""

    def check(self, data: IncompleteData) -> None:
        """Refuse a table whose pattern of missing values the mechanism cannot produce.

        Raises:
            ValueError: if there is such a pattern; the message names the column and the row.
        """

    def __repr__(self) -> str:
        """Name the mechanism and what it was declared to be; :meth:`describe` says it in words."""
        columns = self.config.get("num_columns") if "config" in self.__dict__ else None
        size = "" if columns is None else f"{columns} columns"
        return f"{type(self).__name__}({self.extra_repr() or size})"

    def describe(self, like: IncompleteData | Fit | None = None) -> Description:
        """Describe the mechanism in words: equations, graph and identification; ``print`` it.

        Args:
            like: the data or a fit, from which column names and units are taken. If a fit was
                checked for what identifies its slopes, the description says what was found.

        >>> import numpy as np
        >>> import absentia as ab
        >>> data = ab.IncompleteData.from_numpy(np.array([[50.0], [54.0], [np.nan]]), columns=["a"])
        >>> given = ab.models.SelfMasking.in_units_of(data, slope=-0.3, offset=15.6)
        >>> given.describe(data)["a"].equation
        'logit P(a missing) = -15.6 + 0.3 a'
        """
        facts = self.facts(like)
        dependence = self.dependence(len(facts.columns))
        columns = [self.describe_column(j, facts, dependence) for j in range(len(facts.columns))]
        return Description(self.title(facts), resting_on_others(columns)).checked(
            facts.identification
        )

    def facts(self, like: IncompleteData | Fit | None) -> TableFacts:
        """Collect what is known about the table that the description is about."""
        return facts_of(like, self.config.get("num_columns"))

    def title(self, facts: TableFacts) -> str:
        """Return the first line of the description."""
        units = "in standard deviations" if facts.scaler is None else "in the data's own units"
        return f"{type(self).__name__} (x {units})"

    def describe_column(
        self, column: int, facts: TableFacts, dependence: Dependence
    ) -> ColumnDescription:
        """Describe why the values of one column are missing."""
        names = facts.columns
        name = names[column]
        if bool(dependence.ignorable[column]):
            return ColumnDescription(name, "ignorable (missing at random)")
        if name in (facts.complete or ()):
            return ColumnDescription(name, "never missing")
        one = ColumnDescription(
            name,
            self.equation(column, names, facts.scaler),
            values=tuple(names[k] for k in dependence.reads[column].nonzero().flatten().tolist()),
            others=tuple(_CONTEXT[asked] for asked in self.asks if asked in _CONTEXT),
            integration="sampled (the absence of other columns depends on them)"
            if bool(dependence.sampled[column])
            else "integrated out",
        )
        return identified(one, self.known(column), facts)

    def equation(self, column: int, names: Sequence[str], scaler: Standardiser | None) -> str:
        """Write the log-odds of column ``column`` being missing, in the scaler's units."""
        return f"P({names[column]} missing) = {type(self).__name__}"

    def known(self, column: int) -> str | None:
        """Return what is known of a column's slope: "given", "prior", "direction" or "shrunk"."""
        return None

    def coefficients(self, features: Any) -> dict[str, Tensor]:
        """Sample the coefficients that have priors: Pyro sites outside the plate of the rows.

        The mechanism is then called with them: ``mechanism(x, **context, **coefficients)``.

        Args:
            features: the plate of the columns.
        """
        return {}

    def estimands(self, **sampled: Tensor) -> dict[str, Tensor]:
        """Return the quantities that an analyst reports, by name, as functions of parameters.

        Args:
            sampled: values of the coefficients that have priors.
        """
        return dict(self.named_parameters())

    def directions(self) -> dict[str, Tensor]:
        """Return the known sign of each estimand, in its shape: 1, -1, or 0 where it is free."""
        return {}

    def shown(self, data: IncompleteData, **sampled: Tensor) -> dict[str, Tensor]:
        """Return the estimands in the form that tables, plots and exports show.

        Coefficients are shown as those of the log-odds of being **missing**, in the data's own
        units, and named ``"income ~ age"``. The default is :meth:`estimands` unchanged.

        Args:
            data: the table, for the names and units of its columns.
            sampled: values of the coefficients that have priors.
        """
        return self.estimands(**sampled)

    def shown_directions(self, data: IncompleteData) -> dict[str, Tensor]:
        """Return the signs of what :meth:`shown` returns, as :meth:`directions` does."""
        return self.directions()

    @property
    def has_priors(self) -> bool:
        """Whether :meth:`coefficients` samples any site."""
        return False

    def log_prior(self) -> Tensor | None:
        """Return the log-density of a prior on learnt parameters, a scalar, or None without one.

        The model adds it to its joint density, so a fit ends at the posterior's mode.
        """
        return None


#: how a description names the inputs of a mechanism, by the names that ``forward`` gives them
_CONTEXT = {"z": "latent", "z_mask": "mask_latent", "covariates": "covariates"}


def _rank_within(columns: Tensor) -> Tensor:
    """Count, for each of M cells, the cells before it in its column, given by ``columns`` (M,)."""
    order = columns.argsort(stable=True)
    counts = columns.bincount()
    starts = counts.cumsum(0) - counts
    rank = torch.empty_like(columns)
    rank[order] = torch.arange(len(columns), device=columns.device) - starts[columns[order]]
    return rank
