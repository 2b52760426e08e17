"""The warnings at the top of the page: one sentence for each check that failed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.stats import binom

from ..diagnostics import khat_threshold
from ..identification import sentence_of
from ..imputing.beside import outside_sentence
from ..imputing.imputation import Imputation
from ..prepare import Fitted, fit_of

#: the checks, for the sentence that says that none of them failed
LOOKED_AT = (
    "the weights, means of imputed values beside observed ones, what slopes rest on, the bound on "
    "rows that were held out, and replicated tables"
)
_CHANCE = 0.01
_GAP = 0.1  # nats per column by which the training bound may exceed the held-out bound


def cautions(
    fitted: Fitted,
    filled: Imputation,
    identification: pd.DataFrame | None,
    p_values: Mapping[str, np.ndarray],
    replications: int,
) -> list[str]:
    """List sentences that warn against using the imputations as they are.

    Args:
        fitted: the fit, if possible with its history.
        filled: the imputations.
        identification: the result of :func:`absentia.check.check_identification`, if it was run.
        p_values: p-values from replicated tables, by the name of what was compared.
        replications: the number of replicated tables.
    """
    found = [*_outside(fitted, filled), *_unidentified(identification)]
    found += [
        text
        for what, values in p_values.items()
        for text in _not_reproduced(what, np.asarray(values, dtype=float), replications)
    ]
    return found + _overfitted(fitted, filled) + _uneven(filled)


def _outside(fitted: Fitted, filled: Imputation) -> list[str]:
    table = filled.by_column()
    odd = table[table["outside"]]
    text = outside_sentence(odd, filled.data.schema)
    return [text[0].upper() + text[1:] + "."] if len(odd) else []


def _unidentified(identification: pd.DataFrame | None) -> list[str]:
    if identification is None:
        return []
    doubtful = identification[~identification["identified"].astype(bool)]
    text = sentence_of(doubtful) if len(doubtful) else ""
    return [text[0].upper() + text[1:] + "."] if text else []


def _not_reproduced(what: str, values: np.ndarray, replications: int) -> list[str]:
    """Report if more values than by chance are outside all replicated tables."""
    floor = 2 / (replications + 1)
    count, total = int((values <= floor * (1 + 1e-9)).sum()), len(values)
    if not total or binom.sf(count - 1, total, floor) > _CHANCE:
        return []
    return [
        f"The model does not reproduce the table: {count} of {total} {what} lie outside those of "
        f"all {replications} tables that were simulated from it. See below which, and choose "
        f"another kind of column, a decoder of another shape or another mechanism."
    ]


def _overfitted(fitted: Fitted, filled: Imputation) -> list[str]:
    fit = fit_of(fitted)
    if fit is None or not len(fit.history):
        return []
    history = fit.history
    best = history.iloc[int((history["step"] - fit.best_step).abs().argmin())]
    train, held_out = float(best["train_bound"]), float(best["validation_bound"])
    if not train - held_out > max(1.0, _GAP * len(filled.data.columns)):
        return []
    return [
        f"The bound is {train:.4g} nats per row on the rows that were fitted and {held_out:.4g} on "
        f"those that were held out: the model is overfitted. Take fewer "
        f"latents, or a network of fewer units."
    ]


def _uneven(filled: Imputation) -> list[str]:
    if np.isnan(filled.khat).all():
        return [
            "There are too few particles to judge the weights (Pareto k-hat): take 1,000 "
            "(--particles 1000)."
        ]
    count = int((~filled.reliable).sum())
    if not count:
        return []
    return [
        f"The weights of {count} of {len(filled.khat)} rows are too uneven (Pareto k-hat above "
        f"{khat_threshold(filled.particles):.2f}): take more particles (--particles 10000)."
    ]
