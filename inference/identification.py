"""What identifies a mechanism's slopes on the missing values, computed from a completed table."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..data import IncompleteData
from ..data.columns.row_numbers import row_numbers
from ..data.errors import AbsentiaWarning
from ..models.programs.base import RowModel, declarations

#: others that explain a smaller share of a column's variance do not identify its slope
_LITTLE = 0.05
#: the p-value that this share must have at most
_CHANCE = 0.01
_ROWS_PER_COLUMN = 10  # with fewer rows per column, some columns are chosen first, on other rows
#: tables of more columns (pictures) are not checked by a fit or an imputation on its own
MOST_COLUMNS = 500
_NAMED = 4  # how many columns a sentence names

_COLUMNS = ["r2", "by", "skewness", "kurtosis", "known", "rests_on", "identified"]


class IdentificationWarning(AbsentiaWarning):
    """A mechanism's slope is identified only by the shape that the decoder gives the values."""


def identification_table(
    model: RowModel, data: IncompleteData, completed: np.ndarray
) -> pd.DataFrame:
    """Make the table of :func:`absentia.check.check_identification`, without warnings.

    Args:
        model: a model with a mechanism.
        data: the table, on the model's scale.
        completed: (n, p) one completed table, in the data's own units.

    Returns:
        One row for each column whose absence depends on its own value.
    """
    names = list(data.columns)
    mechanism = model.missingness
    own = columns_on_themselves(model, data)
    rows = {}
    if own:
        reads = mechanism.dependence(len(names)).reads.numpy()
        missing = ~data.s.cpu().numpy()
        labels = row_numbers(data)
        table = data.scaler.apply(completed)
    for j in own:
        outside = [
            k for k in range(len(names)) if k != j and not reads[j, k] and names[k] not in labels
        ]
        r2, chance, order = _explained(table, j, outside)
        seen = table[~missing[:, j], j]  # on the decoder's scale
        known = mechanism.known(j) or ""
        tied = r2 >= _LITTLE and chance <= _CHANCE
        rests_on = "the decoder's shape alone"
        if tied:
            rests_on = "columns that go with it"
        if known in ("given", "prior"):
            rests_on = "what was given" if known == "given" else "its prior"
        by = ", ".join(names[k] for k in order[:3]) if tied else ""
        good = tied or known in ("given", "prior")
        several = len(seen) > 2 and float(np.ptp(seen)) > 0
        shape = _shape(seen) if several else (0.0, 0.0)
        rows[names[j]] = (r2, by, *shape, known, rests_on, good)
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=_COLUMNS)
    frame.index.name = "column"
    return frame


def columns_on_themselves(model: RowModel, data: IncompleteData) -> list[int]:
    """List the incomplete columns whose absence depends on their own values."""
    mechanism = declarations(model).missingness
    if mechanism is None:
        return []
    p = len(data.columns)
    dependence = mechanism.dependence(p)
    alone = dependence.reads.diagonal() & ~dependence.ignorable
    incomplete = (~data.s).any(0).tolist()
    return [j for j in range(p) if incomplete[j] and bool(alone[j])]


def warn_of(found: pd.DataFrame, stacklevel: int = 2) -> None:
    """Warn once about all columns whose slope only the decoder's shape identifies."""
    doubtful = found[~found["identified"].astype(bool)]
    if len(doubtful):
        warnings.warn(sentence_of(doubtful), IdentificationWarning, stacklevel=stacklevel + 1)


def sentence_of(doubtful: pd.DataFrame) -> str:
    """Write one sentence about columns whose slope is not identified.

    >>> row = {"r2": 0.0, "skewness": 2.3}
    >>> print(sentence_of(pd.DataFrame([row], index=["cost"])).split(":")[0])
    nothing but the shape of the decoder identifies why 'cost' is missing
    """
    names = [f"'{name}'" for name in doubtful.index]
    more = len(names) - _NAMED
    listed = ", ".join(names[:_NAMED]) + (f" and {more} more columns" if more > 0 else "")
    one = len(names) == 1
    facts = "; ".join(
        f"{name} {100 * r2:.0f} %, {skewness:.2f}"
        for name, r2, skewness in zip(
            names[:_NAMED], doubtful["r2"], doubtful["skewness"], strict=False
        )
    )
    if one:
        shared, skewness = 100 * doubtful["r2"].iloc[0], doubtful["skewness"].iloc[0]
        facts = f"{shared:.0f} % of its variance, and what was observed of it has skewness "
        facts += f"{skewness:.2f}"
        explains = f"the columns that its mechanism does not read explain {facts}"
    else:
        explains = (
            f"the columns that their mechanisms do not read explain hardly anything of them "
            f"(share of the variance, skewness of what was observed: {facts})"
        )
    it = names[0] if one else "each of them"
    return (
        f"nothing but the shape of the decoder identifies why {listed} "
        f"{'is' if one else 'are'} missing: {explains}, and a decoder of another shape takes that "
        f"for a mechanism, so what is imputed may be far off. Compare the at-random answer, look "
        f"at slope_sensitivity, or add a column that goes with {it} and not with being missing"
    )


def _explained(
    table: np.ndarray, j: int, others: Sequence[int]
) -> tuple[float, float, Sequence[int]]:
    """Return adjusted R2 of column j on others, its p-value under chance, and the others.

    The others are sorted by their correlation with column j. If they are too many for the number of
    rows, the best few are chosen on every second row and judged on the remaining rows.
    """
    if not others:
        return 0.0, 1.0, []
    order = [others[k] for k in np.argsort(-_correlations(table, j, others), kind="stable")]
    used: Sequence[int] = others
    if len(others) > len(table) // _ROWS_PER_COLUMN:
        many = max(1, len(table) // (2 * _ROWS_PER_COLUMN))
        best = np.argsort(-_correlations(table[::2], j, others), kind="stable")[:many]
        used, table = [others[k] for k in best], table[1::2]
    n, q = len(table), len(used)
    if n - q - 1 < 1:
        return 0.0, 1.0, order
    centred = table - table.mean(0)
    y, x = centred[:, j], centred[:, used]
    residual = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    left = float(residual @ residual) / max(float(y @ y), float(np.finfo(float).tiny))
    from scipy.special import fdtrc  # the F distribution; scipy.stats takes half a second

    adjusted = 1 - left * (n - 1) / (n - q - 1)
    ratio = (1 - left) / q / max(left / (n - q - 1), float(np.finfo(float).tiny))
    return max(adjusted, 0.0), float(fdtrc(q, n - q - 1, ratio)), order


def _shape(values: np.ndarray) -> tuple[float, float]:
    """Return the skewness and the excess kurtosis of numbers (m,) that are not all equal."""
    standard = (values - values.mean()) / values.std()
    return float(np.mean(standard**3)), float(np.mean(standard**4)) - 3.0


def _correlations(table: np.ndarray, j: int, others: Sequence[int]) -> np.ndarray:
    """Return absolute correlations with column j; 0 for a constant."""
    centred = table - table.mean(0)
    y, x = centred[:, j], centred[:, others]
    with np.errstate(invalid="ignore", divide="ignore"):
        size = np.abs(x.T @ y) / np.sqrt((x**2).sum(0) * (y @ y))
    return np.nan_to_num(size)
