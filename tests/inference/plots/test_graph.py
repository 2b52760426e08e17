"""The graph of a mechanism: arrows from values to the absence that depends on them."""

import numpy as np
import pytest

import absentia as ab
from absentia.data.errors import InputError
from absentia.models import SelfMasking


def texts(figure):
    return {text.get_text() for text in figure.axes[0].texts}


def test_values_and_absences_are_named_and_joined():
    rows = np.random.default_rng(0).normal(size=(60, 3))
    rows[rows > 1] = np.nan
    data = ab.IncompleteData.from_numpy(rows, columns=["pay$", "age", "bmi"])
    model = ab.NotMIWAEPPCA(data, {"pay$": "`pay$` + age", "bmi": "age + is_missing(`pay$`)"})
    description = model.missingness.describe(data)
    figure = ab.plots.plot_graph(description)
    arrows = [text for text in figure.axes[0].texts if getattr(text, "arrow_patch", None)]
    assert len(arrows) == len(description.edges) == 4
    assert {"age", r"pay\$", r"pay\$ missing", "bmi missing"} <= texts(figure)
    figure.canvas.draw()  # a dollar in a name is no formula


def test_of_many_columns_some_are_drawn_and_none_without_edges():
    figure = ab.plots.plot_graph(SelfMasking(40).describe())
    assert "25 more" in figure.axes[0].get_title()
    with pytest.raises(InputError, match="no edges"):
        ab.plots.plot_graph(ab.models.Ignorable(2).describe())
