"""Declarations of why values are missing, made before any data are seen."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from ....data.errors import InputError, KindError
from ..affine import Link
from ..directions import direction
from ..shrinkage import checked_shrinkage
from . import Formula, parse
from .priors import prior_to_dict

Units = Literal["sd", "data"]
#: the name of the intercept among the coefficients of a formula
INTERCEPT = "Intercept"


@dataclass(frozen=True)
class DeclaredColumn:
    """The formula of one column, with what is known of its coefficients, by name."""

    column: str
    formula: Formula
    signs: Mapping[str, str]
    fixed: Mapping[str, float]
    priors: Mapping[str, Mapping[str, Any]]
    units: Units
    shrinkage: float | None = None


@dataclass(frozen=True)
class Declared:
    """Formulas of some columns, made by :func:`missing`; all other columns are ignorable."""

    columns: tuple[DeclaredColumn, ...]
    link: Link = "logit"

    def __and__(self, other: Declared) -> Declared:
        """Combine both declarations.

        Raises:
            ValueError: if both have a formula of the same column, or their links differ.
        """
        if self.link != other.link:
            raise InputError(
                f"one declaration has link={self.link!r} and the other link={other.link!r}; "
                f"declare both with the same link"
            )
        return replace(self, columns=_once(self.columns + other.columns))


def missing(
    formulas: str | Iterable[str] | Mapping[str, str],
    *,
    sign: str | Mapping[str, str | None] | None = None,
    prior: Any = None,
    fixed: Mapping[str, Any] | None = None,
    units: Units = "sd",
    link: Link = "logit",
    shrinkage: float | None = None,
) -> Declared:
    """Declare why values are missing: per column a formula of the log-odds of being **missing**.

    >>> import absentia as ab
    >>> from pyro.distributions import Normal
    >>> one = ab.missing("income ~ +income + age")             # high incomes go missing
    >>> two = ab.missing("bmi ~ bmi + I(bmi**2)", prior=Normal(0, 1))
    >>> [c.column for c in (one & two).columns]
    ['income', 'bmi']

    The right side is in Wilkinson's notation. It may contain the table's columns, its covariates,
    ``latent`` (the row's z), ``mask_latent`` (a latent that only the mask depends on) and
    ``is_missing(column)``; see :mod:`absentia.models.missingness.formula` for its functions. An
    ordinal column is read as a number, its grade; ``C(stage)`` reads its levels. A column without a
    formula is ignorable.

    Args:
        formulas: a formula such as ``"income ~ income + age"``, several in a list, or a mapping
            ``{"income": "income + age"}``.
        sign: the direction of the column's own coefficient, ``"+"`` where high values go missing,
            ``"-"`` where low ones do (or ``"high"`` and ``"low"``), for all columns or by column.
            It can be written into the formula instead.
        prior: a Pyro distribution on the real line for every coefficient but the intercept, or
            distributions by name, or by column and name. These coefficients become Pyro sites.
        fixed: values of coefficients that are not learnt, by name
            (``{"income": 2.0, "Intercept": -1.0}``), or by column and name.
        units: the units of ``prior`` and ``fixed``: per standard deviation of the observed term
            (``"sd"``; the intercept then refers to average terms), or per unit of the data
            (``"data"``).
        link: ``"logit"`` or ``"probit"``.
        shrinkage: the standard deviation of a Normal prior with mean 0, per standard deviation of
            the term, on the coefficients of the column's own value without a direction, value or
            prior. They stay parameters, and a fit ends at their posterior mode. None is a flat
            prior.

    Raises:
        ValueError: for a formula that cannot be read, two formulas of one column, or an option for
            a column without a formula.
    """
    if link not in ("logit", "probit"):
        raise InputError(f"link {link!r} is not one of logit, probit")
    if units not in ("sd", "data"):
        raise InputError(f"units {units!r} is not one of sd, data")
    checked_shrinkage(shrinkage)
    parsed = _parsed(formulas)
    names = [name for formula in parsed for name in formula.response]
    _check_options(names, sign=sign, prior=prior, fixed=fixed)
    columns = []
    for formula in parsed:
        for name in formula.response:
            columns.append(
                DeclaredColumn(
                    name,
                    formula,
                    _signs(name, formula, sign, len(names)),
                    _of_column(fixed, name, names, formula),
                    _priors(prior, name, names, formula),
                    units,
                    shrinkage,
                )
            )
    return Declared(_once(tuple(columns)), link)


def declared(what: Any) -> Declared:
    """Convert a formula, formulas by column or a list of them to a declaration.

    Raises:
        TypeError: for anything else.
    """
    if isinstance(what, Declared):
        return what
    if isinstance(what, str | Mapping):
        return missing(what)
    if isinstance(what, Sequence) and len(what):
        result = declared(what[0])
        for other in what[1:]:
            result = result & declared(other)
        return result
    raise KindError(
        f"missingness is a {type(what).__name__}; give a name, a formula, formulas by column, or a "
        f"Missingness (the decorator @absentia.missingness() makes one of a function)"
    )


def _parsed(formulas: str | Iterable[str] | Mapping[str, str]) -> list[Formula]:
    if isinstance(formulas, Mapping):
        found = []
        for name, right in formulas.items():
            formula = parse(right)
            if formula.response:
                raise InputError(
                    f"formula '{right}' of column '{name}' has a left side; leave it out, since "
                    f"the key of the mapping already names the column"
                )
            found.append(replace(formula, response=(name,)))
        return found
    texts = [formulas] if isinstance(formulas, str) else list(formulas)
    found = [parse(text) for text in texts]
    for formula in found:
        if not formula.response:
            raise InputError(
                f"formula '{formula.text}' does not name the column whose absence it explains; "
                f"write 'column ~ {formula.text}'"
            )
    return found


def _once(columns: tuple[DeclaredColumn, ...]) -> tuple[DeclaredColumn, ...]:
    names = [c.column for c in columns]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"column '{name}' has {names.count(name)} formulas; give only one")
    return columns


def _check_options(names: list[str], **options: Any) -> None:
    if options.get("fixed") is not None and not isinstance(options["fixed"], Mapping):
        raise InputError(
            f"fixed is {options['fixed']!r}; give values by coefficient, as in {{'age': 1.0}}"
        )
    for name, number in _flat(options.get("fixed") or {}):
        if not isinstance(number, int | float) or not math.isfinite(number):
            raise InputError(f"fixed= gives '{name}' the value {number!r}; give a finite number")
    for option, value in options.items():
        if not isinstance(value, Mapping):
            continue
        by_column = option == "sign" or any(isinstance(v, Mapping) for v in value.values())
        unknown = [name for name in value if name not in names]
        if by_column and unknown:
            raise InputError(
                f"{option}= names the column '{unknown[0]}', which has no formula here; there are "
                f"formulas of {', '.join(names)}"
            )
        if not by_column and len(names) > 1:
            raise InputError(
                f"{option}= by coefficient is for a single formula, but there are {len(names)}; "
                f"give it by column: {option}={{'{names[0]}': {{...}}}}"
            )


def _flat(given: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in given.items():
        yield from _flat(value) if isinstance(value, Mapping) else [(name, value)]


def _signs(name: str, formula: Formula, sign: Any, count: int) -> dict[str, str]:
    """Return the directions by term: those in the formula and that of the column's own term."""
    found: dict[str, str] = {t.name: t.sign for t in formula.terms if t.sign is not None}
    own = sign.get(name) if isinstance(sign, Mapping) else sign
    own = direction(own, name)
    if own is None:
        return found
    terms = [term.name for term in formula.terms]
    if name not in terms:
        raise InputError(
            f"sign= of column '{name}' is the direction of the column's own term, but formula "
            f"'{formula.text}' does not have that term; write the direction of another term into "
            f"the formula, as in '+age' or '-age'"
        )
    if found.get(name, own) != own:
        raise InputError(
            f"column '{name}' has sign={own!r} and the opposite direction in its formula; give one"
        )
    return {**found, name: own}


def _of_column(given: Any, name: str, names: list[str], formula: Formula) -> dict[str, Any]:
    """Select the part of an option that is about one column."""
    if given is None:
        return {}
    nested = [isinstance(value, Mapping) for value in given.values()]
    if any(nested) and not all(nested):
        raise InputError(
            "fixed= mixes values by coefficient with values by column and coefficient; give all of "
            "them by column: fixed={'income': {'age': 1.0}}"
        )
    if any(isinstance(value, Mapping) for value in given.values()):
        return dict(given.get(name, {}))
    return dict(given)


def _priors(prior: Any, name: str, names: list[str], formula: Formula) -> dict[str, Any]:
    if prior is None:
        return {}
    if isinstance(prior, Mapping):
        mine = prior
        if set(prior) <= set(names) and any(
            isinstance(v, Mapping) and "family" not in v for v in prior.values()
        ):
            mine = prior.get(name, {})
        return {key: prior_to_dict(value) for key, value in mine.items()}
    return {"*": prior_to_dict(prior)}
