"""What models read of a fit, which is made by the layer above them."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import pandas as pd
from torch import nn

from ..data.layout import Layout


@runtime_checkable
class Fit(Layout, Protocol):
    """A fitted model with the scale and the columns of its data: what :func:`absentia.fit` returns.

    Columns that were constant in the data are columns of the fit, but not of its model.
    """

    @property
    def model(self) -> nn.Module:
        """The model with its fitted parameters."""

    @property
    def identification(self) -> pd.DataFrame | None:
        """What :func:`absentia.check.check_identification` found; None where it was not asked."""

    @property
    def odds(self) -> pd.DataFrame | None:
        """The odds of the forms of each column's mechanism; None where there was one form."""
