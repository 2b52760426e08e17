"""The cases of the benchmark: a real table, the rows that are studied, and what was hidden."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ....data import Column, IncompleteData, Schema, amputation
from ....data.datasets import sklearn_tables, statsmodels_tables
from ....data.datasets import uci as real
from ....data.errors import InputError

#: the mechanisms, by name: functions of a complete table (n, p), and of a seed where they have one
MECHANISMS: Mapping[str, Callable[..., amputation.Amputation]] = {
    name: getattr(amputation, name)
    for name in (
        "bandit", "censored", "clusters", "column_mar", "coupled", "graded_self_masking",
        "latent_factors", "logistic_of_missing", "mar_by_score", "mcar", "mcar_in_some_columns",
        "neural_blocks", "neural_neighbours", "panel_dropout", "polarised", "random_self_masking",
        "softly_polarised", "two_phase",
    )
}  # fmt: skip
_WITHOUT_SEED = ("polarised",)
#: at least so many values of every column stay observed
_LEAST_SEEN = 10


@dataclass(frozen=True, eq=False)
class Case:
    """The rows of a real table that are studied, and what a mechanism hid of them.

    Attributes:
        data: the incomplete table.
        truth: (n, p) complete numbers and codes.
        missing: (n, p) missing mask.
        population: (N, p) numbers and codes of all rows of the real table.
        chance: (n, p) probabilities P(s = 1 | x) of the mechanism.
    """

    data: IncompleteData
    truth: np.ndarray
    missing: np.ndarray
    population: np.ndarray
    chance: np.ndarray

    @property
    def has_order(self) -> np.ndarray:
        """Whether the codes of a column have an order (p,), so that errors and means do, too."""
        return np.array([not is_nominal(column) for column in self.data.schema])


def is_nominal(column: Column) -> bool:
    """Whether a column has three levels or more, without an order."""
    return bool(column.kind == "categorical" and column.num_values > 2)


def case_of(configuration: Mapping[str, Any]) -> Case:
    """Take the rows of the cell's seed from its table, and hide what the mechanism hides.

    ``rows`` of the rows, by the seed, are a simple random sample without replacement; all where the
    table has no more. A column of which the mechanism leaves fewer than ten values keeps ten, which
    are chosen at random.

    Raises:
        InputError: for a table or a mechanism that is not known.
    """
    seed = int(configuration["seed"])
    frame, kinds = complete_table(configuration["table"])
    whole = _incomplete(frame, kinds)
    population = whole.schema.encode(frame)
    rows = _rows(len(frame), configuration["rows"], seed)
    truth = population[rows]
    found = _hidden(configuration["amputation"], _scores(truth, whole.schema, seed), seed)
    missing = _with_enough_seen(~found.mask, seed)
    holed = frame.iloc[rows].reset_index(drop=True)
    for j, name in enumerate(frame.columns):
        holed[name] = holed[name].mask(missing[:, j])
    levels = {
        column.name: {"kind": column.kind, "levels": list(column.levels)}
        for column in whole.schema
        if column.levels
    }
    data = _incomplete(holed, kinds if kinds is None else {**levels, **kinds})
    return Case(data, truth, missing, population, found.probability)


def _incomplete(frame: pd.DataFrame, kinds: Mapping[str, Any] | None) -> IncompleteData:
    if kinds is None:
        return IncompleteData.from_numpy(frame.to_numpy(np.float64), columns=list(frame.columns))
    return IncompleteData.from_frame(frame, schema=dict(kinds))


def complete_table(table: Mapping[str, Any]) -> tuple[pd.DataFrame, dict[str, Any] | None]:
    """Load a complete table, and the kinds of its columns; None where all are numbers.

    ``without`` names columns that are left out.

    Raises:
        InputError: for a table that is not known.
    """
    name, make = table["name"], table["make"]
    without = list(table.get("without", []))
    if make == "real":
        return real.load(name).drop(columns=without).astype(float), None
    if make == "sklearn":
        return sklearn_tables.load(name).drop(columns=without).astype(float), None
    if make == "statsmodels":
        return statsmodels_tables.load(name), statsmodels_tables.schema(name)
    raise InputError(f"table '{name}': make '{make}' is not one of real, sklearn, statsmodels")


def _rows(number: int, most: int | None, seed: int) -> np.ndarray:
    if most is None or number <= most:
        return np.arange(number)
    return np.sort(np.random.default_rng([seed, 1]).choice(number, most, replace=False))


def _scores(truth: np.ndarray, schema: Schema, seed: int) -> np.ndarray:
    """Return what the mechanism reads: levels without an order have random scores."""
    scores, rng = truth.copy(), np.random.default_rng([seed, 2])
    for j, column in enumerate(schema):
        if is_nominal(column):
            scores[:, j] = rng.normal(size=column.num_values)[truth[:, j].astype(int)]
    return scores


def _hidden(declared: Mapping[str, Any], scores: np.ndarray, seed: int) -> amputation.Amputation:
    arguments = dict(declared)
    name = arguments.pop("name")
    if name not in MECHANISMS:
        raise InputError(f"mechanism '{name}' is not one of {', '.join(MECHANISMS)}")
    if name not in _WITHOUT_SEED:
        arguments["seed"] = seed
    return MECHANISMS[name](scores, **arguments)


def _with_enough_seen(missing: np.ndarray, seed: int) -> np.ndarray:
    rng, missing = np.random.default_rng([seed, 3]), missing.copy()
    for j in range(missing.shape[1]):
        lacking = _LEAST_SEEN - int((~missing[:, j]).sum())
        if lacking > 0:
            missing[rng.choice(np.flatnonzero(missing[:, j]), lacking, replace=False), j] = False
    return missing
