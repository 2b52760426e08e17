"""The answers at the top of the report: pooled regressions, and means over completed tables."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from ..uncertainty import MultipleImputation, Pooled, pool
from .section import Section

#: estimates and standard errors (q, 2) by how they came about, such as "at random"
Beside = Mapping[str, pd.DataFrame]
_GOOD = 0.7
_SOURCES = {
    "laplace": "drawn from a Normal approximation of their posterior",
    "posterior": "drawn from their posterior",
    "bootstrap": "refitted to rows sampled with replacement",
    "ensemble": "refitted from new initial weights",
    "mechanism": "of which those of the mechanism were drawn from their posterior",
    "fixed": "all those of the fit",
}


def source_in_words(parameters: str) -> str:
    """Say where the parameters of a multiple imputation come from."""
    return _SOURCES.get(parameters, parameters)


def with_error(estimate: float, se: float) -> str:
    """Write an estimate with its standard error in brackets, to two figures of the error.

    >>> with_error(0.89619, 0.1019), with_error(1234.5, 87.0), with_error(2.0, 0.0)
    ('0.90 (0.10)', '1234 (87)', '2 (0)')
    """
    if not math.isfinite(estimate):
        return ""
    if not (math.isfinite(se) and se > 0):
        return f"{estimate:.4g} ({se:.2g})"
    decimals = 1 - math.floor(math.log10(float(f"{se:.1e}")))
    if decimals > 8:  # very small numbers are written with an exponent
        return f"{estimate:.4g} ({se:.2g})"
    decimals = max(decimals, 0)
    return f"{estimate:.{decimals}f} ({se:.{decimals}f})"


def answers(pooled: Mapping[str, Pooled], beside: Mapping[str, Beside]) -> Section:
    """Return the section of pooled regressions, each with other estimates of the same beside it."""
    found = Section(
        "The answer",
        "Completed tables with parameters of their own were analysed one by one, and the estimates "
        "pooled by Rubin's rules. It holds under the mechanism below.",
    )
    for k, (name, one) in enumerate(pooled.items()):
        shown = one.summary().rename(
            columns={"se": "standard error", "p_value": "p", "fmi": "missing information"}
        )
        shown["p"] = ["<.001" if p < 0.001 else f"{p:.3f}" for p in shown["p"]]
        others = beside.get(name, {})
        for how, other in others.items():
            rows = other.reindex(one.table.index)
            shown[how] = [with_error(*rows.loc[term, ["estimate", "se"]]) for term in rows.index]
        said = ", beside them estimates (standard errors) of others" if others else ""
        caption = f"{name}: {one.m} tables, {100 * one.level:g} % intervals{said}"
        found.table(caption, shown.rename_axis("term"))
        frame = one.to_frame().rename_axis("term")
        for how, other in others.items():
            key = how.split(" (")[0].replace(" ", "_")
            for what in ("estimate", "se"):
                frame[f"{key}_{what}"] = other[what].reindex(frame.index)
        found.frames["pooled" if k == 0 else f"pooled_{k + 1}"] = frame
    return found


def completed_tables(
    multiple: MultipleImputation, at_random: MultipleImputation | None = None
) -> Section:
    """Return the section on a multiple imputation: pooled means of incomplete columns."""
    m = len(multiple)
    found = Section(
        "The completed tables",
        f"{m} tables were completed, each with parameters of its own "
        f"({source_in_words(multiple.parameters)}). Below are the means of the incomplete columns, "
        f"pooled over them: their intervals carry the uncertainty about values and parameters.",
    )
    means = pooled_means(multiple)
    if not len(means):
        found.text = found.text.partition(" Below")[0] + " No incomplete column has a mean."
        return found
    plain = None if at_random is None else pooled_means(at_random)
    if plain is not None:
        means["at_random"], means["at_random_se"] = plain["mean"], plain["se"]
    shown = means[["observed", "mean", "se", "lower", "upper", "fmi"]].set_axis(
        ["mean, observed", "mean, pooled", "standard error", "lower", "upper",
         "missing information"], axis=1,
    )  # fmt: skip
    if plain is not None:
        pairs = zip(means["at_random"], means["at_random_se"], strict=True)
        shown["at random (error)"] = [with_error(*pair) for pair in pairs]
    found.table(f"Means over {m} tables, 95 % intervals", shown)
    found.frames["multiple"] = means
    if not np.isnan(multiple.khat):
        judged = "good up to 0.7" if multiple.khat <= _GOOD else "above 0.7, poor"
        found.points.append(
            f"The k-hat of the Normal approximation of the parameters is {multiple.khat:.2f} "
            f"({judged})."
        )
    enough = math.ceil(100 * float(means["fmi"].max()))
    if enough > m:
        found.points.append(
            f"Up to {enough} % of the information is missing: by a rule of thumb (White, Royston & "
            f"Wood, 2011) as many tables make standard errors repeatable, and here are {m}."
        )
    return found


def pooled_means(multiple: MultipleImputation) -> pd.DataFrame:
    """Return pooled means of the incomplete columns whose values have a mean, one row each."""
    data = multiple.data
    known = data.s.cpu().numpy().astype(bool)
    rows = {}
    for j, column in enumerate(data.schema):
        gone = not known[:, j].all()
        ordered = column.kind != "categorical" or column.num_values <= 2
        ordered = ordered and column.kind != "datetime"
        if not gone or not ordered or not known[:, j].any():
            continue
        n = len(known)
        one = pool(
            [(table.mean(), table.var(ddof=1) / n) for table in multiple.values[:, :, j]],
            complete_df=n - 1,
        ).table.iloc[0]
        rows[column.name] = {
            "observed": float(np.nanmean(data.values[known[:, j], j])),
            "mean": one["estimate"],
            **{key: float(one[key]) for key in ("se", "lower", "upper", "fmi")},
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("column")
