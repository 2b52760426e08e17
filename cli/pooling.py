"""What ``absentia pool`` computes: pooled estimates, beside complete cases and at random."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from ..data.csv.format import CSVFormat
from ..data.errors import AnalysisError, InputError
from ..data.table_files import TableFile
from ..data.table_reading import typed_table
from ..inference import Pooled, Regression
from ..inference import pool as pool_tables
from ..inference.report.answers import with_error
from ..inference.uncertainty.regression import two_levels, with_common_levels

#: the columns that may number the tables; the second is that of mice in R
_NUMBERS = ("imputation", ".imp")
_KINDS = {"gaussian": "linear", "binomial": "logistic", "poisson": "Poisson"}


@dataclass(frozen=True)
class Answers:
    """A pooled answer, and others beside it.

    Attributes:
        pooled: the pooled estimates.
        others: further estimates and standard errors (q, 2) by how they came about.
        rows: the number of rows of a table.
        kind: the kind of the regression, in words.
        notes: what is to be said about them.
    """

    pooled: Pooled
    others: dict[str, pd.DataFrame]
    rows: int
    kind: str
    notes: list[str] = field(default_factory=list)

    def table(self) -> pd.DataFrame:
        """Return all numbers as one table, one row a term."""
        found = self.pooled.to_frame().rename_axis("term").reset_index()
        for name, other in self.others.items():
            key = name.split(" (")[0].replace(" ", "_")
            for what in ("estimate", "se"):
                found[f"{key}_{what}"] = other[what].reindex(self.pooled.table.index).to_numpy()
        return found


def answers_of(
    draws: Path,
    formula: str,
    family: Any,
    weights: str | None,
    robust: bool,
    level: float,
    imputed: Path | None,
    at_random: Path | None,
    form: CSVFormat,
    sheet: str | None,
) -> Answers:
    """Read the completed tables, and pool a regression over them.

    Raises:
        InputError: the tables are not numbered, or a column is not there.
        AnalysisError: the regression fails; names the table.
    """
    regression = Regression(formula, family, weights, robust)
    tables = _numbered(draws, form, sheet)
    incomplete = tables.pop(0, None)  # as mice writes the table with its gaps
    if len(tables) < 2:
        raise InputError(
            f"{draws} holds {len(tables)} completed table(s), and pooling needs several; give the "
            f"file ending in -draws that absentia impute --multiple 20 writes"
        )
    first = next(iter(tables.values()))
    beside = _sibling(draws, "at-random") if at_random is None else at_random
    under = None if beside is None else _numbered(beside, form, sheet)
    flags = _sibling(draws, "imputed") if imputed is None else imputed
    regression.check(first)
    if incomplete is None and flags is not None:
        incomplete = _with_gaps(first, flags, form, sheet)
    found = answers_from(regression, tables, under, incomplete, level)
    if beside is None or incomplete is None:
        found.notes.append(
            "impute --multiple writes the files that complete cases and missing at random are "
            "computed from; they were not found beside the draws"
        )
    return found


def answers_from(
    regression: Regression,
    tables: Mapping[int, pd.DataFrame],
    under: Mapping[int, pd.DataFrame] | None,
    incomplete: pd.DataFrame | None,
    level: float,
) -> Answers:
    """Pool a regression over completed tables, and put the others beside it.

    Args:
        regression: the regression.
        tables: the completed tables, by number.
        under: as many under missing at random, if there are any.
        incomplete: the table with its gaps, for the complete cases.
        level: the coverage of the intervals.

    Raises:
        InputError: a column is not there.
        AnalysisError: the regression fails; names the table.
    """
    first = next(iter(tables.values()))
    regression.check(first)
    kind = f"{_KINDS[regression.family]} regression{_of_what(first, regression)}"
    pooled = pool_tables(with_common_levels(tables), regression, level=level)
    others, notes = {}, []
    if under:
        found = pool_tables(with_common_levels(under), regression, level=level)
        others["at random"] = found.table[["estimate", "se"]]
    if incomplete is not None:
        gaps = incomplete[regression.columns].isna().any(axis=1)
        name = f"complete cases ({int((~gaps).sum())} rows)"
        try:
            result = regression(incomplete)
            others[name] = pd.DataFrame({"estimate": result.params, "se": result.bse})
        except AnalysisError as error:
            notes.append(f"no estimate of the complete cases: {error}")
    return Answers(pooled, others, len(first), kind, notes)


def beside(answers: Answers) -> pd.DataFrame:
    """Return estimates with standard errors in brackets, side by side."""
    every = {"pooled": answers.pooled.table[["estimate", "se"]], **answers.others}
    names = answers.pooled.table.index
    return pd.DataFrame(
        {
            name: [with_error(*found.reindex(names).loc[term]) for term in names]
            for name, found in every.items()
        },
        index=names,
    )


def _of_what(table: pd.DataFrame, regression: Regression) -> str:
    """Say which of its two values a logistic regression predicts."""
    name = regression.formula.split("~")[0].strip().strip("`")
    if regression.family != "binomial" or name not in table.columns:
        return ""
    levels = two_levels(table[name])
    return "" if levels is None else f", of {name} = {levels[1]}"


def _numbered(path: Path, form: CSVFormat, sheet: str | None) -> dict[int, pd.DataFrame]:
    """Read stacked tables, by their numbers."""
    frame = typed_table(path, form, sheet=sheet).frame
    column = next((name for name in _NUMBERS if name in frame.columns), None)
    if column is None:
        raise InputError(
            f"{path} has no column 'imputation' that numbers the completed tables; give the file "
            f"ending in -draws that absentia impute --multiple 20 writes"
        )
    if frame[column].isna().any() or not pd.api.types.is_integer_dtype(frame[column].dtype):
        raise InputError(f"column '{column}' of {path} must number the tables: 1, 2, ...")
    numbers = frame[column].astype("int64")
    return {
        number: frame[numbers == number].drop(columns=column)
        for number in sorted(int(k) for k in numbers.unique())
    }


def _sibling(draws: Path, what: str) -> Path | None:
    """Return the file of this kind beside the draws, if it is there."""
    file = TableFile.of(draws)
    if file.standard:
        return None
    stem = draws.name.removesuffix(file.suffix).removesuffix("-draws")
    path = draws.with_name(f"{stem}-{what}{file.suffix}")
    return path if path.is_file() else None


def _with_gaps(table: pd.DataFrame, path: Path, form: CSVFormat, sheet: str | None) -> pd.DataFrame:
    """Return a completed table with its imputed cells missing again."""
    flags = typed_table(path, form, sheet=sheet).frame
    shared = [name for name in table.columns if name in flags.columns]
    if len(flags) != len(table) or not shared:
        raise InputError(
            f"{path} has {len(flags)} rows and the completed tables have {len(table)}; give the "
            f"file ending in -imputed of the same imputation"
        )
    gaps = pd.DataFrame(flags[shared].to_numpy() == 1, index=table.index, columns=shared)
    return table.assign(**{name: table[name].mask(gaps[name]) for name in shared})
