"""A small table in several Parquet files: people whose high incomes are missing."""

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
