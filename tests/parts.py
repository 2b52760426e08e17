"""What several tests share: a small table in several Parquet files, and a toy experiment."""

import numpy as np
import pandas as pd


def people(rows):
    """People with an identifier, age, income and bmi; incomes above 5.3 are missing."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(rows, 3)) + 5, columns=["age", "income", "bmi"])
    frame.loc[frame["income"] > 5.3, "income"] = np.nan
    frame.insert(0, "id", [f"p{i}" for i in range(rows)])
    return frame


def written_in_parts(frame, folder, files, **options):
    """Write a table into ``files`` Parquet files of equally many rows, and return their folder."""
    folder.mkdir()
    each = len(frame) // files
    for k in range(files):
        part = frame.iloc[each * k : each * (k + 1)]
        part.to_parquet(folder / f"{k}.parquet", index=False, **options)
    return folder


#: an experiment of one table, one baseline and one fit, for two seeds
TOY = """
title = "A toy"
source = "nobody"
tables = ["breast"]

[[scenario]]
name = "above mean"
amputation = "above_mean"

[budget.quick]
seeds = 2
rows = 120
fit = {steps = 20}
impute = {particles = 50}

[[method]]
name = "mean"
kind = "mean"
published = {breast = [1.82, 0.01]}

[[method]]
name = "ours"
kind = "not-miwae-ppca"
model = {sign = "+", latent_dim = 2}

[[method]]
name = "others"
kind = "published"
published = {breast = 1.22}
"""
