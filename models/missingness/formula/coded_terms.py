"""The terms of a formula as products of factors, whose levels are coded without redundancy."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping

from ....data.errors import InputError
from .factors import Factor, Source
from .grammar import LATENTS, Formula, Term
from .levels import codings

#: the most coefficients of one formula
MOST_COLUMNS = 5000
#: the most factors with levels in one term, which has 2 to the power of their number margins
_MOST_LEVELLED = 6


def check_names(
    factor: Factor, sources: Mapping[str, Source], latent_dim: int, mask_latent_dim: int
) -> None:
    """Refuse names that the table does not have, and latents that the model does not have.

    Raises:
        ValueError: naming the column, and the one that may have been meant.
    """
    for name in sorted(factor.expression.names | factor.expression.absences):
        if name in LATENTS:
            raise InputError(
                f"a column '{name}' cannot be read, since the word means a latent in formulas; "
                f"rename the column"
            )
        if name in sources:
            continue
        close = difflib.get_close_matches(name, list(sources), 1)
        guess = f"did you mean '{close[0]}'? " if close else ""
        shown = ", ".join(list(sources)[:12]) + (", ..." if len(sources) > 12 else "")
        raise InputError(
            f"there is no column '{name}' with several values; {guess}the columns are {shown}"
        )
    if "latent" in factor.expression.latents and not latent_dim:
        raise InputError("latent is read, but this model has no latent; leave the term out")
    if "mask_latent" in factor.expression.latents and not mask_latent_dim:
        raise InputError(
            "mask_latent is read, but the model has none; give mask_latent_dim= of at least 1"
        )


def coded(formula: Formula, terms: list[list[Factor]]) -> tuple[list[list[Factor]], list[int]]:
    """Code the terms' levels; return the parts and the term that each part belongs to."""
    for term, factors in zip(formula.terms, terms, strict=True):
        levelled = sum(factor.of is not None for factor in factors)
        if levelled > _MOST_LEVELLED:
            raise InputError(
                f"'{term.name}' is a product of {levelled} columns with levels; a term may have at "
                f"most {_MOST_LEVELLED}"
            )
        for factor in factors:
            if factor.of is not None and len(factor.of.levels) < 2:
                raise InputError(
                    f"'{term.name}': {factor.of.name} has only one level; leave it out"
                )
    split = [
        (
            [factor.source for factor in factors if factor.of is not None],
            [factor.source for factor in factors if factor.of is None],
        )
        for factors in terms
    ]
    parts, part_of = [], []
    for t, coded in enumerate(codings(split, formula.intercept)):
        for coding in coded:
            parts.append(
                [
                    factor if factor.of is None else factor.coded(coding[factor.source])
                    for factor in terms[t]
                    if factor.of is None or factor.source in coding
                ]
            )
            part_of.append(t)
    return parts, part_of


def check_size(
    formula: Formula, parts: list[list[Factor]], part_of: list[int], dims: Mapping[str, int]
) -> None:
    """Refuse more columns than a mechanism can have, before any column is made.

    Raises:
        ValueError: naming the term that stands for the most coefficients.
    """
    widths = [0] * len(formula.terms)
    for t, part in zip(part_of, parts, strict=True):
        widths[t] += math.prod(factor.width(dims) for factor in part)
    if sum(widths) > MOST_COLUMNS:
        t = max(range(len(widths)), key=widths.__getitem__)
        raise InputError(
            f"it has {sum(widths)} coefficients, of which '{formula.terms[t].name}' alone has "
            f"{widths[t]}; there may be at most {MOST_COLUMNS}: leave terms out, or merge levels"
        )


def check_sign(term: Term, count: int) -> None:
    """Refuse a direction of a term that has several coefficients.

    Raises:
        ValueError: naming the term.
    """
    if term.sign is not None and count > 1:
        raise InputError(
            f"'{term.name}' has {count} coefficients, so it cannot have one direction; leave the "
            f"sign out"
        )
