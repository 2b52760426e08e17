"""What a model needs before anything is asked of it: data in its layout, and programs to run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

import torch
from pyro import poutine
from torch import Tensor

from ..data import IncompleteData, Ratings
from ..data.columns.constants import part_of
from ..data.errors import InputError, KindError
from ..data.scan import Scan
from ..models.never_fitted import never_fitted
from ..models.programs.base import RowModel, declarations
from .targets import with_matching_target

if TYPE_CHECKING:
    from .fitting.result import FitResult  # fitting itself prepares data by what stands here

#: the first argument of imputation and checks: a fit, or a model without one
Fitted: TypeAlias = "FitResult | RowModel"


class Programs(NamedTuple):
    """The model and guide that are used to impute."""

    model: Callable[..., Any]
    guide: Callable[..., Any]


def model_of(fitted: Fitted) -> RowModel:
    """Return the model of a fit, or the model itself."""
    return fitted if isinstance(fitted, torch.nn.Module) else fitted.model


def fit_of(fitted: Fitted) -> FitResult | None:
    """Return the fit, None where a model stands by itself."""
    return None if isinstance(fitted, torch.nn.Module) else fitted


def check_was_fitted(fitted: Fitted) -> None:
    """Refuse a model whose parameters have not changed since it was made.

    Raises:
        ValueError: the parameters are those that the model was made with.
    """
    if isinstance(fitted, torch.nn.Module) and never_fitted(fitted):
        raise InputError(
            f"this {type(fitted).__name__} was never fitted: its parameters are those that it was "
            f"made with; fit it with absentia.fit, or give unfitted=True to use it as it is"
        )


_Table = TypeVar("_Table", IncompleteData, Ratings)


def programs_of(model: RowModel, coefficients: Mapping[str, Tensor] | None = None) -> Programs:
    """Return the model's programs, with coefficients that have priors at posterior medians.

    Sampled anew in each chunk of particles, the coefficients would differ between particles whose
    weights are compared.

    Args:
        model: the model.
        coefficients: the values at which to hold the coefficients, by site; their posterior medians
            when left out.
    """
    held = coefficient_medians(model) if coefficients is None else coefficients
    if not held:
        return Programs(model.model, model.guide)
    return Programs(
        poutine.condition(model.model, data=held), poutine.block(model.guide, hide=list(held))
    )


@torch.no_grad()
def coefficient_medians(model: RowModel) -> dict[str, Tensor]:
    """Return the posterior medians of the coefficients that have priors, by site."""
    guide = declarations(model).coefficient_guide
    if guide is None:
        return {}
    medians: dict[str, Tensor] = guide.median()
    return medians


def prepared(fitted: Fitted, data: Any) -> tuple[RowModel, IncompleteData]:
    """Return the model of a fit, and the data on its scale, in its precision and on its device.

    Raises:
        ValueError: the data have other columns than the model, or a target of another kind.
        TypeError: the data are ratings, or no data of absentia.
    """
    if not isinstance(data, IncompleteData):
        ratings = isinstance(data, Ratings)
        way = "use predict_ratings for ratings" if ratings else "read it with from_frame"
        if isinstance(data, Scan):
            way = (
                "of a scan there are fit(model, scan) and impute(fit, scan, out=, m=, interval=); "
                "for all else take some of its rows: scan.sample(10_000)"
            )
        raise KindError(f"data is a {type(data).__name__}, not IncompleteData; {way}")
    model, data = placed(fitted, data)
    return model, with_matching_target(model, data)


def placed(fitted: Fitted, data: _Table) -> tuple[RowModel, _Table]:
    """Return the model of a fit, and a table or ratings on its scale and device.

    Raises:
        ValueError: the data have other columns than the model.
    """
    model, fit = model_of(fitted), fit_of(fitted)
    if isinstance(data, IncompleteData) and fit is not None:
        # the fit decides which columns are constant, whatever the new rows hold there
        whole = tuple(data.columns) == tuple(fit.columns)
        layout = fit if whole else part_of(fit, tuple(model.columns))
        data = of_model(layout, data).under(layout)
    data = of_model(model, data)
    if isinstance(data, Ratings) and fit is not None:
        data = data.rescaled(fit.scaler)
    mechanism = declarations(model).missingness
    if mechanism is not None and isinstance(data, IncompleteData):
        mechanism.check(data)
    parameter = next(iter(model.parameters()), data.x)
    return model, data.to(device=parameter.device, dtype=parameter.dtype)


def of_model(like: Any, data: Any) -> Any:
    """Select the data of the model's columns; all other columns must be constant.

    Args:
        like: the model, or the layout of the data that it was fitted to.
        data: a table or ratings.

    Raises:
        ValueError: the data have other columns, or columns in another order, than the model.
    """
    given = tuple(data.columns)
    own = declarations(like).columns if isinstance(like, torch.nn.Module) else like.columns
    columns = given if own is None else tuple(own)
    if columns == given:
        return data
    others = [name for name in given if name not in columns]
    in_order = isinstance(data, IncompleteData) and tuple(n for n in given if n in columns)
    if in_order == columns and all(data.schema[name].constant is not None for name in others):
        return data.part(columns)
    raise InputError(
        f"the model was made for columns {list(columns)} and the data have {list(given)}; "
        f"read the data with like= the training data"
    )
