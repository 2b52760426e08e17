"""The interface of a missingness mechanism: (x, context) -> the distribution of the mask s."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from ...data import IncompleteData, Standardiser
from ...data.columns.constants import varying_of
from ...data.errors import InputError
from ..configurable import Configurable
from ..distributions.mask import MaskDistribution
from ..distributions.special import log_ndtr
from .dependence import Dependence
from .description import (
    ColumnDescription,
    Description,
    identification,
    resting_on_others,
    shadows_among,
)

Link = Literal["logit", "probit"]


class Affine(NamedTuple):
    """P(s_j = 1 | x) = link^-1(slope_j x_j + offset_j), integrated in closed form.

    ``slope`` and ``offset`` broadcast to (..., n, p): a row may have its own, by a mask latent or
    an observed column. ``columns`` (p,) says which columns are of this form, None that all are.
    """

    slope: Tensor
    offset: Tensor
    link: Link
    columns: Tensor | None = None

    def at(self, rows: Tensor, columns: Tensor) -> Affine:
        """Return the slopes and offsets of the cells (rows[c], columns[c])."""
        return Affine(
            _at_cells(self.slope, rows, columns), _at_cells(self.offset, rows, columns), self.link
        )

    def log_missing(self, x: Tensor) -> Tensor:
        """Return log P(s = 0 | x) of each cell."""
        score = -(self.slope * x + self.offset)
        return log_ndtr(score) if self.link == "probit" else logsigmoid(score)


def _at_cells(value: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Index (p,) or (..., 1 or n, p) at single cells, giving (..., M)."""
    if value.dim() < 2:
        return value[columns]
    return value[..., rows.clamp(max=value.shape[-2] - 1), columns]


def _never_affine(self: Missingness, x: Tensor, **context: Any) -> None:
    """Return None, since no closed form is known for this mechanism."""


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

    ``elementwise = True`` promises that s_j reads of the missing part of x only x_j (it may read
    observed values, z or covariates besides). Then the missing values can be integrated out
    (:func:`absentia.inference.collapse`); without the promise they are sampled. A mechanism in
    which only some columns are read by others says which (:meth:`dependence`): those alone are
    sampled where they are missing, and the rest is integrated out.

    ``forward`` takes by name what it reads beside x: ``z``, the row's latent (..., n, d);
    ``z_mask``, a latent of the mask's own, of :attr:`mask_latent_dim` dimensions; ``covariates``,
    the (n, q) columns that are given but not modelled; ``s``, the mask (n, p) itself, for columns
    whose absence depends on the absence of others. :attr:`asks` follows from its signature.

    :meth:`describe` says in words what a mechanism assumes; ``equation``, ``dependence`` and
    ``known`` are what it asks of a mechanism that knows more than the defaults.
    """

    elementwise: bool = False
    ignorable: bool = False
    #: the scale on which the coefficients are added up
    link: Link = "logit"
    mask_latent_dim: int = 0
    #: p(s | ...) counts to this power; 1 is the likelihood
    alpha: float = 1.0
    #: parameters of the coefficients' prior: held where the coefficients' posterior is taken
    hyperparameters: tuple[str, ...] = ()

    def __call__(self, x: Tensor, **context: Any) -> MaskDistribution:
        """Call ``forward``, expand its result to the shape of x and attach the mechanism to it."""
        mask = MaskDistribution(super().__call__(x, **context), self, context, x)
        return mask.expand(torch.broadcast_shapes(mask.batch_shape, x.shape))

    @functools.cached_property
    def asks(self) -> tuple[str, ...]:
        """The inputs besides x that ``forward`` names; set it by hand where it takes any."""
        return inputs_of(self.forward)

    def context(self, **known: Any) -> dict[str, Any]:
        """Select from ``known`` the inputs listed in :attr:`asks`.

        Raises:
            ValueError: if it asks for something that is not there.
        """
        for name in self.asks:
            if known.get(name) is None:
                raise InputError(_NOT_THERE.format(type(self).__name__, name))
        return {name: known[name] for name in self.asks}

    def dependence(self, num_columns: int) -> Dependence:
        """Which values the absence of each column depends on, and which columns are ignorable.

        By default what ``elementwise`` and ``ignorable`` promise; a mechanism that knows better
        overrides it. Inference reads nothing else of a mechanism's structure.
        """
        if self.ignorable:
            return Dependence.of_no_value(num_columns, ignorable=True)
        if self.elementwise:
            return Dependence.of_own_value(num_columns, seen_only=True)
        return Dependence.of_every_value(num_columns)

    #: ``affine(x, **context)``: slope, offset and link where the mechanism is affine in x_j, else
    #: None. Like ``forward`` it takes by name only what it reads, hence the open signature.
    affine: Callable[..., Affine | None] = _never_affine

    def log_missing(
        self, values: Tensor, rows: Tensor, columns: Tensor, x: Tensor, **context: Any
    ) -> Tensor:
        """Return log P(s_j = 0 | x) at the cells (rows[c], columns[c]) for other values there.

        Args:
            values: (Q, K, M), Q values of each of M cells for each of K particles.
            x: (..., n, p), all other values of the rows.

        Returns:
            (Q, K, M).

        Here by evaluating whole tables; where a column's absence reads no other column, tables of
        as many rows as there are cells in the fullest column.
        """
        spread = values.expand(*values.shape[:2], len(rows))
        if len(rows) and not context and self.dependence(x.shape[-1]).columnwise:
            rows = _rank_within(columns)
            x = x[..., : int(rows.max()) + 1, :]
        table = x.expand(*spread.shape[:2], *x.shape[-2:]).clone()
        table[..., rows, columns] = spread
        given = self(table, **context)
        return given.log_prob(torch.zeros_like(table))[..., rows, columns]

    def initialise(self, observed_rate: Tensor) -> None:
        """Start from the columns' observed rates (p,), as if values were missing at random."""

    def check(self, data: IncompleteData) -> None:
        """Refuse a table whose pattern of missing values the mechanism cannot produce.

        Raises:
            ValueError: naming the column and the row.
        """

    def describe(self, like: Any = None) -> Description:
        """Describe the mechanism in words: equations, graph and identification; ``print`` it.

        Args:
            like: the data, or a fit: column names and units are taken from there, and of a fit what
                the check of its slopes found.

        >>> import numpy as np
        >>> import absentia as ab
        >>> data = ab.IncompleteData.from_numpy(np.array([[50.0], [54.0], [np.nan]]), columns=["a"])
        >>> ab.SelfMasking.in_units_of(data, slope=-0.3, offset=15.6).describe(data)["a"].equation
        'logit P(a missing) = -15.6 + 0.3 a'
        """
        found = self.config.get("num_columns")
        like = varying_of(like, found)
        names = getattr(like, "columns", None)
        if names is None:
            names = tuple(f"x{j}" for j in range(found)) if found else ("x_j",)
        scaler = getattr(like, "scaler", None)
        seen = getattr(like, "s", None)
        rates = None if seen is None else seen.double().mean(0).cpu()
        complete = (
            None if rates is None else [n for n, r in zip(names, rates, strict=True) if r == 1]
        )
        shadows = shadows_among(complete, like)
        p = len(names)
        dependence = self.dependence(p)
        columns = []
        for j, name in enumerate(names):
            if bool(dependence.ignorable[j]) or (complete is not None and name in complete):
                why = (
                    "ignorable (missing at random)"
                    if bool(dependence.ignorable[j])
                    else "never missing"
                )
                columns.append(ColumnDescription(name, why))
                continue
            values = tuple(n for k, n in enumerate(names) if bool(dependence.reads[j, k]))
            others = tuple(_CONTEXT[name] for name in self.asks if name in _CONTEXT)
            identified, reason = identification(
                name, values, (), others, self.known(j), complete, shadows
            )
            columns.append(
                ColumnDescription(
                    name,
                    self.equation(j, names, scaler),
                    values,
                    (),
                    others,
                    "sampled (the absence of other columns depends on them)"
                    if bool(dependence.sampled[j])
                    else "integrated out",
                    identified,
                    reason,
                )
            )
        units = "in standard deviations" if scaler is None else "in the data's own units"
        found = Description(f"{type(self).__name__} (x {units})", resting_on_others(columns))
        return found.checked(getattr(like, "identification", None))

    def equation(self, column: int, names: Sequence[str], scaler: Standardiser | None) -> str:
        """Write the log-odds of column ``column`` being missing, in the scaler's units."""
        return f"P({names[column]} missing) = {type(self).__name__}"

    def known(self, column: int) -> str | None:
        """Return what was specified for a column's coefficients, such as "given" or "prior"."""
        return None

    def coefficients(self, features: Any) -> dict[str, Tensor]:
        """Sample the coefficients that have priors: sites outside the rows plate.

        What comes back joins the mechanism's context, ``mechanism(x, **coefficients)``.
        """
        return {}

    def estimands(self, **sampled: Tensor) -> dict[str, Tensor]:
        """Return the quantities that an analyst reports, by name, as functions of parameters.

        Args:
            sampled: values of the coefficients that have priors.
        """
        return dict(self.named_parameters())

    def directions(self) -> dict[str, Tensor]:
        """Return the sign of each estimand by name, in its shape: 1, -1, or 0 where it is free."""
        return {}

    def shown(self, data: IncompleteData, **sampled: Tensor) -> dict[str, Tensor]:
        """Return the estimands in the form that tables, pictures and exports show.

        Where they are coefficients: of the log-odds of being **missing**, in the data's own units,
        named ``"income ~ age"``. By default :meth:`estimands` as they are.

        Args:
            data: names and units.
            sampled: values of the coefficients that have priors.
        """
        return self.estimands(**sampled)

    def shown_directions(self, data: IncompleteData) -> dict[str, Tensor]:
        """Return the signs of what :meth:`shown` names, as :meth:`directions` does."""
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


def inputs_of(forward: Callable[..., Any]) -> tuple[str, ...]:
    """List the parameters of ``forward`` besides x: the inputs of the mechanism.

    >>> inputs_of(lambda x, z, slope: None)
    ('z',)
    """
    named = inspect.signature(forward).parameters
    return tuple(name for name in named if name in INPUTS)


#: what a mechanism may read beside x, by the name under which ``forward`` takes it
INPUTS = ("z", "z_mask", "covariates", "s")
_CONTEXT = {"z": "latent", "z_mask": "mask_latent", "covariates": "covariates"}
_NOT_THERE = (
    "{} asks for {}, which the model does not have: covariates come with "
    "IncompleteData.from_frame(df, covariates=[...])"
)


def logit_of_rate(observed_rate: Tensor) -> Tensor:
    """Return the log-odds of the observed rates, finite even for complete columns."""
    rate = observed_rate.clamp(0.005, 0.995)
    return torch.log(rate) - torch.log1p(-rate)


def _rank_within(columns: Tensor) -> Tensor:
    """Count, for each of the cells ``columns`` (M,), the earlier cells of the same column."""
    order = columns.argsort(stable=True)
    counts = columns.bincount()
    starts = counts.cumsum(0) - counts
    rank = torch.empty_like(columns)
    rank[order] = torch.arange(len(columns), device=columns.device) - starts[columns[order]]
    return rank
