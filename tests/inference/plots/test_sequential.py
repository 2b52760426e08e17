"""Curves of mechanisms whose columns read each other's absence."""

import numpy as np
import pandas as pd

import absentia as ab


def test_a_mechanism_that_reads_another_columns_absence_has_curves():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(80, 2)), columns=["a", "b"])
    frame.loc[rng.random(80) < 0.3, "a"] = np.nan
    frame.loc[rng.random(80) < 0.3, "b"] = np.nan
    data = ab.IncompleteData.from_frame(frame)
    why = ab.missing("a ~ a + is_missing(b)") & ab.missing("b ~ 1")
    fitted = ab.fit(ab.NotMIWAEPPCA(data, why), data, steps=20, progress=False)
    figure = ab.plots.plot_mechanism(fitted, data, ["a"], parameters="fixed")
    _, y = figure.axes[0].lines[0].get_data()
    assert ((y > 0) & (y < 1)).all()
    assert (np.diff(y) > 0).all() or (np.diff(y) < 0).all()
