"""The check, after a fit and on some of its rows, of what identifies the mechanism's slopes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch

from ...data import IncompleteData
from ...models.programs.base import declarations
from ..identification import (
    MOST_COLUMNS,
    columns_on_themselves,
    identification_table,
    warn_of,
)
from ..prepare import programs_of
from .settings import FitSettings

#: importance samples per row
_PARTICLES = 20
#: the fewest and the most rows that are checked
_FEWEST, _MOST = 200, 1_000
#: the work of the check as a share of the fit's, both counted in particles
_SHARE = 0.01


def check_slopes(model: Any, data: Any, plan: FitSettings, stacklevel: int) -> pd.DataFrame | None:
    """Run :func:`absentia.check.check_identification` on a few of the rows, and warn as it does.

    Args:
        model: the fitted model.
        data: the data that it was fitted to.
        plan: the settings of the fit; the check takes about a hundredth of the fit's work.
        stacklevel: the caller's distance from the code that the warning points to.

    Returns:
        The table of the check; None for ratings, for models without a mechanism, and for more than
        500 columns.
    """
    # here and not above, since imputing needs the settings of fits
    from ..imputing.tables import imputed

    if not isinstance(data, IncompleteData) or len(data.columns) > MOST_COLUMNS:
        return None
    if declarations(model).missingness is None:
        return None
    if not columns_on_themselves(model, data):
        return identification_table(model, data, np.empty(0))
    sampled = plan.steps * min(plan.batch_size, len(data)) * plan.particles
    most = int(np.clip(_SHARE * sampled / _PARTICLES, _FEWEST, _MOST))
    if len(data) > most:
        order = torch.randperm(len(data), generator=torch.Generator().manual_seed(plan.seed))
        data = data.rows(order[:most].sort().values)
    filled = imputed(
        model,
        data,
        programs_of(model),
        _PARTICLES,
        draws=1,
        unobserved=plan.unobserved,
        seed=plan.seed,
    )
    found = identification_table(model, data, filled.draws(1)[0])
    warn_of(found, stacklevel=stacklevel + 1)
    return found
