"""What declared formulas learn from a table (columns, scales and knots), as plain data."""

from __future__ import annotations

import functools
from typing import Any

import pandas as pd
import torch

from ....data import IncompleteData
from ....data.errors import InputError
from . import Design, Source
from .declaration import INTERCEPT, Declared, DeclaredColumn


def arguments_for(
    what: Declared, data: IncompleteData, latent_dim: int, mask_latent_dim: int
) -> dict[str, Any]:
    """Make the arguments of :class:`FormulaMissingness` as plain data that can be saved.

    Raises:
        ValueError: for columns that the table does not have, coefficients that a formula does not
            have, and terms that are constant in the table.
    """
    table, sources = _table(data)
    entries = []
    reads_mask_latent = False
    for column in what.columns:
        if column.column not in data.columns:
            raise InputError(
                f"formula '{column.formula.text}' explains the column '{column.column}', which the "
                f"table does not have; the columns are {', '.join(data.columns)}"
            )
        design = Design.learn(column.formula, table, sources, latent_dim, mask_latent_dim)
        _check_absences(column, design, data)
        _check_proposals(column, design, data, table, latent_dim or mask_latent_dim)
        reads_mask_latent |= design.reads_mask_latent
        entries.append(_entry(column, design))
    scaler = data.scaler
    units = [
        {
            "center": float(scaler.center[j]),
            "scale": float(scaler.scale[j]),
            "warp": None if warp is None else warp.to_dict(),
        }
        for j, warp in enumerate(scaler.warps)
    ]
    schema = data.covariate_schema
    return {
        "columns": list(data.columns),
        "units": units,
        "entries": entries,
        "rates": data.s.double().mean(0).tolist(),
        "covariates": [] if schema is None else list(schema.names),
        "link": what.link,
        "mask_latent_dim": mask_latent_dim if reads_mask_latent else 0,
    }


def _check_proposals(
    column: DeclaredColumn, design: Design, data: IncompleteData, table: pd.DataFrame, dims: int
) -> None:
    """Refuse terms that are not finite at values that the model may propose.

    The model may propose any number for a missing value of a continuous column: log(income) of a
    proposal below zero is not a number, although no observed income is below zero. For a count it
    may propose 0, although no observed count is 0.
    """
    usual = {name: torch.tensor(float(table[name].median())).double() for name in design.reads}
    beside = torch.zeros(dims, dtype=torch.float64)
    for j, name in enumerate(data.columns):
        kind = data.schema[j].kind
        if name not in design.reads or kind not in ("continuous", "count"):
            continue
        if bool(data.s[:, j].all()):
            continue
        low, high = float(table[name].min()), float(table[name].max())
        reach = 2 * max(high - low, 1e-3 * abs(high))
        grid = torch.linspace(low - reach, high + reach, 97, dtype=torch.float64)
        why = "it is continuous, and may lie beyond what was observed"
        remedy = f"declare it schema={{'{name}': 'positive'}}, or change the term"
        if kind == "count":
            grid = torch.arange(data.schema[j].num_values, dtype=torch.float64)
            why = "the column is a count, so they may be 0"
            remedy = f"use log1p({name}), or change the term"
        known = {**usual, name: grid}
        found = design(functools.partial(_found, known, beside))
        bad = (~found.isfinite()).reshape(-1, found.shape[-1]).any(0).nonzero().flatten().tolist()
        if bad:
            raise InputError(
                f"formula '{column.formula.text}': '{design.names[bad[0]]}' is not finite for all "
                f"values that a missing {name} may have ({why}); {remedy}"
            )


def _found(known: dict[str, torch.Tensor], latent: torch.Tensor, name: str) -> torch.Tensor:
    if name.startswith("is_missing("):
        return torch.zeros((), dtype=torch.float64)
    return known.get(name, latent)


def _check_absences(column: DeclaredColumn, design: Design, data: IncompleteData) -> None:
    for name in sorted(design.reads_missing):
        if name not in data.columns:
            raise InputError(
                f"formula '{column.formula.text}': {name} in is_missing({name}) is a covariate, "
                f"and covariates are never missing; leave the term out"
            )


def _entry(column: DeclaredColumn, design: Design) -> dict[str, Any]:
    """Return one formula as plain data, and refuse options for coefficients that it lacks."""
    names = list(design.names)
    allowed = names + [INTERCEPT] * column.formula.intercept
    priors = dict(column.priors)
    if "*" in priors:
        every = priors.pop("*")
        priors = {name: every for name in names if name not in column.fixed}
    signs = _signs(column, design)
    for option, found in (("fixed", column.fixed), ("prior", priors)):
        unknown = [name for name in found if name not in allowed]
        if unknown:
            raise InputError(
                f"{option}= names '{unknown[0]}', but the formula '{column.formula.text}' of "
                f"column '{column.column}' has the coefficients {', '.join(allowed)}"
            )
    for name, direction in signs.items():
        ways = {"+": 1.0, "-": -1.0}
        value = column.fixed.get(name, priors.get(name, {}).get("loc", 0.0))
        if float(value) * ways[direction] < 0:
            raise InputError(
                f"'{name}' of column '{column.column}' has the direction '{direction}' and a "
                f"value or centre of its prior of {value:g}, which contradict each other; give one"
            )
    both = [name for name in priors if name in column.fixed]
    if both:
        raise InputError(
            f"'{both[0]}' of column '{column.column}' has a prior and a fixed value; give one"
        )
    shrinkage = {} if column.shrinkage is None else {"shrinkage": column.shrinkage}
    return {
        **shrinkage,
        "column": column.column,
        "text": column.formula.text.split("~")[-1].strip(),
        "design": design.to_dict(),
        "intercept": column.formula.intercept,
        "signs": {k: v for k, v in signs.items() if k not in column.fixed},
        "fixed": {k: float(v) for k, v in column.fixed.items()},
        "priors": priors,
        "units": column.units,
    }


def _signs(column: DeclaredColumn, design: Design) -> dict[str, str]:
    """Translate directions by term into directions by coefficient."""
    terms = [column.formula.terms[t].name for t in design.term_of]
    for name in column.signs:
        if terms.count(name) > 1:
            raise InputError(
                f"column '{column.column}': '{name}' has {terms.count(name)} coefficients, so it "
                f"cannot have one direction; leave the sign out"
            )
    pairs = zip(design.names, terms, strict=True)
    return {name: column.signs[term] for name, term in pairs if term in column.signs}


def _table(data: IncompleteData) -> tuple[pd.DataFrame, dict[str, Source]]:
    """Collect the values that formulas learn from, and what each name stands for."""
    sources, values = {}, {}
    schemas = [(data.schema, data.values)]
    if data.covariate_schema is not None:
        given = data.extras()["covariates"].detach().cpu().double().numpy()
        schemas.append((data.covariate_schema, given))
    for schema, numbers in schemas:
        for k, column in enumerate(schema):
            nominal = column.kind in ("binary", "categorical")
            kind = "levels" if nominal else "number"
            sources[column.name] = Source(column.name, kind, tuple(map(str, column.levels)))
            values[column.name] = numbers[:, k]
    return pd.DataFrame(values), sources
