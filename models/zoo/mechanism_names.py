"""The registry of mechanism names: make a mechanism for a table from a name or a declaration."""

from __future__ import annotations

import math
from typing import Any, Final, Literal

import numpy as np
from torch import Tensor

from ...data import IncompleteData
from ...data.columns.column import REAL
from ...data.errors import InputError
from ..configurable import argument_of
from ..missingness import (
    AveragedMissingness,
    FormulaMissingness,
    Ignorable,
    LinearMissingness,
    Missingness,
    NonLinearMissingness,
    NoSelfCensoring,
    SelfMasking,
    SplineMissingness,
    Threshold,
    TwoSided,
)
from ..missingness.affine import Link
from ..missingness.covariate_design import units_of_covariates
from ..missingness.directions import Sign, direction, directions, sides_and_limits
from ..missingness.formula.declaration import Declared, declared, missing
from ..networks.families import all_real, families_of
from .modelled import of_modelled

#: the prior on slopes of self-masking without a sign: its name, or its standard deviation
SlopePrior = Literal["weak", "flat"] | float

MISSINGNESS = (
    "auto",
    "self-masking",
    "self-masking-probit",
    "limit",
    "two-sided",
    "spline",
    "linear",
    "nonlinear",
    "latent",
    "mask-latent",
    "ignorable",
)


#: the mechanism of a table of which nobody has said why its values are missing
USUAL: Final = "auto"
#: the mechanism of the papers, for models that are known by it
PUBLISHED: Final = "self-masking"

#: a mask latent of two dimensions takes five columns to be found, as two factors of a correlation
#: matrix do (Ledermann, Psychometrika 1937)
_COLUMNS_FOR_TWO = 5
#: the share of a column's numbers that are one number, from which on it has a peak
_PEAK = 0.1
#: the standard deviation of the weakly informative prior, per standard deviation of the column
WEAK = 0.5


def mechanism_for(
    what: Any,
    data: IncompleteData,
    sign: Sign,
    latent_dim: int,
    mask_latent_dim: int | None,
    slope_prior: SlopePrior = "flat",
    sampled: bool = False,
) -> Missingness:
    """Make the mechanism for a table, which starts at the observed rates of the columns.

    Args:
        what: a name, a formula, formulas by column, a declaration or a mechanism. ``"auto"`` beside
            a direction or a prior of the slopes is self-masking: both are about a value's own size.
        data: the table.
        sign: the directions, for self-masking and limits.
        latent_dim: the dimensions of the row's latent.
        mask_latent_dim: the dimensions of a latent that only the mask depends on; None for 2 where
            "auto" is sampled and five or more columns are incomplete, and 1 otherwise.
        slope_prior: the prior on slopes of self-masking without a sign.
        sampled: whether the posterior of a model with this decoder can be sampled under "auto".

    Raises:
        ValueError: for an unknown name, a ``sign`` or ``slope_prior`` that the mechanism does not
            take, or a mechanism that cannot have produced the table.
    """
    shrinkage = _shrinkage(slope_prior)
    if means_self_masking(what, sign, slope_prior):
        what = PUBLISHED
    if mask_latent_dim is None:
        mask_latent_dim = _usual_mask_latents(what, data, sampled)
    masking = isinstance(what, str) and what.startswith("self-masking") and "~" not in what
    if not isinstance(slope_prior, str) and not masking:
        raise InputError(
            f"slope_prior={slope_prior!r} is only used with missingness='self-masking'; for a "
            f"formula give absentia.missing(..., shrinkage={slope_prior!r}), and for a mechanism "
            f"SelfMasking(..., shrinkage={slope_prior!r})"
        )
    if isinstance(what, Missingness):
        _no_sign(sign, "give it to the mechanism instead, as in SelfMasking(..., sign='+')")
        found = argument_of(what, "num_columns", len(data.columns))
        if found != len(data.columns):
            raise InputError(
                f"the missingness is made for {found} columns, but the data have "
                f"{len(data.columns)}; make it for {len(data.columns)}"
            )
        what.check(data)
        return what
    sign = of_modelled(sign, data)
    if isinstance(what, str) and "~" not in what:
        return _named(what, data, sign, latent_dim, mask_latent_dim, shrinkage, sampled)
    _no_sign(sign, "write the direction into the formula, '+income', or use absentia.missing()")
    formulas = of_modelled(declared(what), data)
    if not formulas.columns:  # all formulas are of columns with one value
        return _named("ignorable", data, None, latent_dim, mask_latent_dim, None)
    return FormulaMissingness.declared(formulas, data, latent_dim, mask_latent_dim)


def means_self_masking(what: Any, sign: Sign, slope_prior: SlopePrior) -> bool:
    """Whether self-masking is meant, though no mechanism is named.

    A direction and a prior of slopes are about the size of the value itself.
    """
    return isinstance(what, str) and what == USUAL and not (sign is None and slope_prior == "weak")


def _usual_mask_latents(what: Any, data: IncompleteData, sampled: bool) -> int:
    """Return the dimensions of the mask's own latent where their number is not given."""
    averaged = isinstance(what, str) and what == USUAL
    incomplete = int((~data.s.all(0)).sum())
    two = averaged and sampled and all_real(families_of(data)) and incomplete >= _COLUMNS_FOR_TWO
    return 2 if two else 1


def _shrinkage(slope_prior: SlopePrior) -> float | None:
    """Return the standard deviation of the slopes' prior, or None if it is flat."""
    if slope_prior in ("weak", "flat"):
        return WEAK if slope_prior == "weak" else None
    number = isinstance(slope_prior, int | float) and not isinstance(slope_prior, bool)
    if not number or not 0 < float(slope_prior) < math.inf:
        raise InputError(
            f"slope_prior is {slope_prior!r}; give 'weak', 'flat' or a positive number, the "
            f"standard deviation of a Normal prior on the slopes of standardised columns"
        )
    return float(slope_prior)


def _no_sign(sign: Sign, remedy: str) -> None:
    if sign is not None:
        raise InputError(f"sign= is not used with this missingness; {remedy}")


def _named(
    name: str,
    data: IncompleteData,
    sign: Sign,
    latent_dim: int,
    mask_latent_dim: int,
    shrinkage: float | None,
    sampled: bool = False,
) -> Missingness:
    if name not in MISSINGNESS:
        raise InputError(f"missingness {name!r} is not one of {', '.join(MISSINGNESS)}")
    if sign is not None and not name.startswith("self-masking") and name != "limit":
        raise InputError(
            f"sign= is only used with self-masking and limits, not with {name!r}; leave it out"
        )
    columns, families = len(data.columns), families_of(data)
    link: Link = "probit" if name.endswith("probit") else "logit"
    mixed = not all_real(families)
    if bool(data.s.all()) and (mixed or name == "auto"):
        name = "ignorable"  # there are no missing values to explain
    masking = name.startswith("self-masking")
    if mixed and (masking or name in ("two-sided", "spline", "linear")):
        shrinkage = shrinkage if masking else None
        return FormulaMissingness.declared(_by_formula(name, data, sign, link, shrinkage), data)
    if masking:
        plain = sign is None or isinstance(sign, str)
        own = direction(sign) if plain else directions(sign, data.columns)
        mechanism: Missingness = SelfMasking(columns, link, own, shrinkage=shrinkage)
    elif name == "auto":
        mechanism = _averaged(data, latent_dim, mask_latent_dim, mixed, sampled and not mixed)
    elif name == "limit":
        return Threshold.limit_of(data, *_sides(sign, data))
    elif name == "nonlinear":
        mechanism = NonLinearMissingness(columns, families=families if mixed else None)
    elif name in ("latent", "mask-latent"):
        dims = latent_dim if name == "latent" else mask_latent_dim
        mechanism = NoSelfCensoring(columns, dims, "z" if name == "latent" else "mask")
    else:
        kinds: dict[str, Any] = {
            "two-sided": TwoSided,
            "spline": SplineMissingness,
            "linear": LinearMissingness,
            "ignorable": Ignorable,
        }
        mechanism = kinds[name](columns)
    mechanism.initialise(data.s.float().mean(0))
    return mechanism


def _averaged(
    data: IncompleteData, latent_dim: int, mask_latent_dim: int, mixed: bool, sampled: bool
) -> AveragedMissingness:
    """Make the mechanism that averages over forms, with the units of codes and counts.

    Where it cannot be sampled, it is given the columns that are complete. It reads the covariates.
    Beside columns of other kinds, real numbers of which many are the same have no slope on their
    own value: the density of no family has such a peak, and a slope would make up for it.
    """
    p = len(data.columns)
    units = [1.0] * p
    for j, column in enumerate(data.schema):
        if column.kind == "categorical" and column.num_values > 2:
            units[j] = 0.0
        elif column.kind not in REAL:
            codes = data.x[data.s[:, j], j].double()
            units[j] = float(codes.std(correction=0)) if len(codes) else 0.0
    whole = [] if sampled else data.s.all(0).nonzero().flatten().tolist()
    return AveragedMissingness(
        p,
        latent_dim,
        mask_latent_dim=mask_latent_dim,
        units=units if mixed else None,
        unread=[
            j
            for j, column in enumerate(data.schema)
            if column.levels or (mixed and column.kind in REAL and _peaked(data.x[data.s[:, j], j]))
        ],
        complete=whole,
        covariates=units_of_covariates(data),
    )


def _peaked(values: Tensor) -> bool:
    """Whether a tenth of the numbers (m,) or more are one number."""
    counts = values.unique(return_counts=True)[1]
    return bool((counts >= _PEAK * len(values)).any()) and len(counts) > 1


def _sides(sign: Sign, data: IncompleteData) -> tuple[list[str], list[float | None]]:
    """Return the side on which a limit hides values, in each column, and where it was given.

    The side is any for complete columns.
    """
    found, limits = sides_and_limits(sign, data.columns)
    complete = data.s.all(0).tolist()
    open_ = [c for c, d, full in zip(data.columns, found, complete, strict=True) if not (d or full)]
    if open_:
        raise InputError(
            f"missingness='limit' needs to know which side is hidden in column '{open_[0]}'; give "
            f"sign='high' where high values go missing, or 'low' where low values do, for all "
            f"columns or by name: sign={{'{open_[0]}': 'high'}}. If its values are missing for "
            f"another reason, give a formula for each column with a limit instead, 'lead ~ -lead'"
        )
    return ["below" if one == "-" else "above" for one in found], limits


def _by_formula(
    name: str, data: IncompleteData, sign: Sign, link: Link, shrinkage: float | None
) -> Declared:
    """Write a named mechanism as formulas, for a table with columns of several kinds.

    A complete column needs no formula, and levels without an order have no direction.
    """
    formulas: dict[str, str] = {}
    signs: dict[str, str] = {}
    given = directions(sign, data.columns)
    seen = data.s.all(0).tolist()
    for j, column in enumerate(data.schema):
        levels = column.kind == "categorical" and column.num_values > 2
        if given[j] is not None and levels and not isinstance(sign, str):
            raise InputError(
                f"sign= names the column '{column.name}', which is categorical, so its levels have "
                f"no direction; leave it out"
            )
        if seen[j]:
            continue
        if name == "linear":
            formulas[column.name] = " + ".join(map(_term, data.columns))
        else:
            values = data.values[data.s[:, j].cpu().numpy(), j]
            formulas[column.name] = _own(name, column.name, column.kind, values)
            direction = given[j]
            if direction is not None and not levels:
                signs[column.name] = direction
    return missing(formulas, sign=signs or None, link=link, shrinkage=shrinkage)


def _own(name: str, column: str, kind: str, values: np.ndarray) -> str:
    """Write the formula of a column's own value; curves need several distinct values."""
    term = _term(column)
    if kind in ("binary", "categorical"):
        return term
    if name == "two-sided" and len(np.unique(values)) > 3:
        return f"{term} + I({term}**2)"
    knots = np.unique(np.quantile(values, np.linspace(0, 1, 5)))
    spline = name == "spline" and kind != "ordinal" and len(knots) == 5
    return f"ns({term}, df=4)" if spline else term


def _term(column: str) -> str:
    return f"`{column}`"


__all__ = ["MISSINGNESS", "PUBLISHED", "USUAL", "SlopePrior", "mechanism_for"]
