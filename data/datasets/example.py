"""An invented table of people, on which commands can be tried; high incomes tend to be missing."""

from __future__ import annotations

import numpy as np
import pandas as pd


def people(rows: int = 300, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Invent people as a survey would record them; return the complete and the incomplete table.

    High incomes go missing (not at random), the body mass index of the young does (at random,
    given age), and one in eight does not say whether they smoke (completely at random).

    >>> truth, asked = people(rows=200)
    >>> hidden = asked["income"].isna()
    >>> bool(truth["income"][hidden].mean() > truth["income"][~hidden].mean() + 5)
    True

    Args:
        rows: the number of people.
        seed: the seed of the random numbers.

    Returns:
        The complete table and the incomplete one, with columns person, age, income (thousands),
        bmi, visits (to a doctor) and smokes.
    """
    rng = np.random.default_rng(seed)
    age = np.clip(np.round(rng.normal(47, 14, rows)), 18, 90)
    income = np.maximum(38 + 0.35 * (age - 47) + rng.normal(0, 9, rows), 5)
    bmi = 25 + 0.05 * (age - 47) - 0.08 * (income - 38) + rng.normal(0, 2.5, rows)
    smokes = rng.random(rows) < 1 / (1 + np.exp(1.2 - 0.15 * (bmi - 25)))
    truth = pd.DataFrame(
        {
            "person": [f"P{k:04d}" for k in range(1, rows + 1)],
            "age": age.astype(int),
            "income": income.round(1),
            "bmi": bmi.round(1),
            "visits": rng.poisson(np.exp(0.7 + 0.015 * (age - 47))),
            "smokes": smokes,
        }
    )
    asked = truth.astype({"smokes": "boolean"})
    asked.loc[rng.random(rows) < 1 / (1 + np.exp(-0.15 * (income - 45))), "income"] = np.nan
    asked.loc[rng.random(rows) < 0.3 / (1 + np.exp(0.1 * (age - 40))), "bmi"] = np.nan
    asked.loc[rng.random(rows) < 0.125, "smokes"] = pd.NA
    return truth, asked
