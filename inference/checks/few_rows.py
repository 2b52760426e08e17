"""Whether one or two rows decide which of two models predicts better."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np

from ...data.errors import AbsentiaWarning

#: the share of the rows that must not decide alone; at least one row is left out
_SHARE = 0.01


def warn_if_few_rows_decide(density: Mapping[str, np.ndarray], stacklevel: int = 2) -> None:
    """Warn if the best model is best only by a hundredth of the rows, the outlying ones.

    A mean of log-densities has no limit below: a single outlier can take hundreds of nats from a
    model that predicts nearly all other rows better, and what is hidden of these as well.

    Args:
        density: log predictive densities (n,) of the same rows by model.
        stacklevel: that of the warning.

    >>> import numpy as np
    >>> from absentia.inference.checks.few_rows import warn_if_few_rows_decide
    >>> rows = np.zeros(100)
    >>> warn_if_few_rows_decide({"a": rows, "b": rows - 0.1})
    """
    best, *others = sorted(density, key=lambda name: -float(density[name].mean()))
    for other in others:
        gain = density[best] - density[other]
        few = max(1, int(_SHARE * len(gain)))
        kept = np.argsort(-gain)[few:]
        if len(kept) and gain[kept].mean() < 0:
            which = f"row {int(np.argmax(gain))}" if few == 1 else f"{few} rows"
            warnings.warn(
                f"'{best}' is above '{other}' by {gain.mean():.2f} nats per row only because of "
                f"{which}: without {'it' if few == 1 else 'them'} it is "
                f"{-gain[kept].mean():.2f} below. Look at the outlying values (a log-transform, "
                f"or decoder='student-t'), and do not choose by this comparison alone",
                AbsentiaWarning,
                stacklevel=stacklevel + 1,
            )
            return
