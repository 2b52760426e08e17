"""The model of a table where its user leaves the choice open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...data import IncompleteData
from ..networks.families import all_real, families_of
from ..programs.selection import SelectionModel
from .mechanism_names import USUAL, means_self_masking
from .modelled import modelled
from .tables import MIWAE, PPCA, NotMIWAE, NotMIWAEPPCA, mixture_of_normals

#: the name under which the choice is left open
CHOSEN = "auto"
#: the models of why values are missing, by the names that estimators and commands give them
BUILDERS: dict[str, Callable[..., SelectionModel]] = {
    "not-miwae-mixture": mixture_of_normals,
    "not-miwae-ppca": NotMIWAEPPCA,
    "not-miwae": NotMIWAE,
    "ppca": PPCA,
    "miwae": MIWAE,
}


def chosen_for(
    data: IncompleteData,
    missingness: Any,
    sign: Any = None,
    slope_prior: Any = "weak",
    sampled: bool = True,
) -> Callable[..., SelectionModel]:
    """Return the builder of the model: a mixture of Normals, or else the linear model.

    The mixture is taken where the posterior of its parameters is sampled: nothing was said of why
    values are missing, some of them are, and all columns hold real numbers. With a given mechanism
    either is fitted by its bound, which is some ten times faster for the linear model.

    Args:
        data: the table.
        missingness, sign, slope_prior: what was said of the mechanism, as for :func:`NotMIWAE`.
        sampled: False where the user asks for a fit by steps of an optimiser.

    >>> import numpy as np
    >>> import absentia as ab
    >>> from absentia.models.zoo.chosen import chosen_for
    >>> data = ab.IncompleteData.from_numpy(np.array([[1.0, 2.0], [3.0, np.nan], [0.0, 1.0]]))
    >>> [chosen_for(data, why).__name__ for why in ("auto", "self-masking")]
    ['mixture_of_normals', 'NotMIWAEPPCA']
    """
    unsaid = isinstance(missingness, str) and missingness == USUAL
    if not (unsaid and sampled) or means_self_masking(missingness, sign, slope_prior):
        return NotMIWAEPPCA
    if bool(data.s.all()) or not all_real(families_of(modelled(data))):
        return NotMIWAEPPCA
    return mixture_of_normals
