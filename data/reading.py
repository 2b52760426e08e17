"""Reading of a DataFrame or an array into checked numbers, kinds of columns and covariates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from .checks import (
    check_columns_seen,
    check_complete,
    check_not_empty,
    check_observed,
    check_same_columns,
)
from .columns.encode import check_domain
from .columns.infer import Declaration
from .columns.present import columns_of
from .columns.types import array_values, boolean_mask, column_names, table_shape
from .errors import InputError
from .layout import (
    Layout,
    SchemaLike,
    covariate_table,
    kinds_of_codes,
    labels_for,
    names_for,
    resolved,
    schemas_of,
    split,
)
from .schema import Schema, schema_of
from .standardiser import Standardiser


@dataclass(frozen=True, eq=False)
class Reading:
    """A table as it was read, in original units.

    Attributes:
        values: (n, p) float64 numbers, codes of levels or seconds of dates; NaN where missing.
        schema: the kinds of the p columns.
        index: the n row labels.
        source: the table as it was given; None for an array.
        covariates: (n, q) float64 of the columns that are not modelled; None if there are none.
        covariate_schema: the kinds of these q columns.
    """

    values: np.ndarray
    schema: Schema
    index: pd.Index
    source: pd.DataFrame | None = None
    covariates: np.ndarray | None = None
    covariate_schema: Schema | None = None

    @classmethod
    def of_frame(
        cls,
        df: pd.DataFrame,
        schema: SchemaLike,
        covariates: Sequence[str],
        like: Layout | None,
    ) -> Reading:
        """Read a DataFrame; see ``IncompleteData.from_frame``."""
        columns = columns_of(df)
        names = tuple(columns)
        check_not_empty(df.shape)
        if like is not None:
            kinds, given = schemas_of(like)
            check_same_columns(names, (*kinds.names, *(given.names if given else ())))
        else:
            kinds, given = split(resolved(columns, schema), names, covariates)
        values = kinds.encode_columns(columns)
        outside = None if given is None else given.encode_columns(columns)
        # the table is copied, so that later changes to it do not change the data
        return cls(values, kinds, df.index, df.copy(), outside, given)._checked(~np.isnan(values))

    @classmethod
    def of_array(
        cls,
        values: np.ndarray,
        mask: np.ndarray | None,
        columns: Sequence[Any] | None,
        index: pd.Index | None,
        schema: Mapping[str, Declaration] | Schema | None,
        covariates: pd.DataFrame | np.ndarray | torch.Tensor | None,
        like: Layout | None,
    ) -> Reading:
        """Read an array; see ``IncompleteData.from_numpy``."""
        n, p = table_shape(values)
        check_not_empty((n, p))
        if columns is None and like is None and isinstance(schema, Schema):
            columns = schema.names
        names = names_for(p, columns, like)
        labels = labels_for(n, index)
        observed = None if mask is None else boolean_mask(mask, (n, p))
        array = array_values(values, names, observed)
        observed = ~np.isnan(array) if observed is None else observed
        given, outside = None, None
        if like is not None:
            kinds, given = schemas_of(like)
            check_same_columns(names, kinds.names)
            order = [names.index(c) for c in kinds.names]
            array, observed = array[:, order], observed[:, order]
        else:
            kinds = kinds_of_codes(names, schema)
        for j, column in enumerate(kinds):
            check_domain(np.where(observed[:, j], array[:, j], np.nan), column, labels)
        if given is not None or (like is None and covariates is not None):
            table = covariate_table(covariates, len(array), given)
            further = columns_of(table)
            given = schema_of(further, by="dtype") if given is None else given
            column_names((*kinds.names, *given.names))  # refuses a name that both have
            outside = given.encode_columns(further)
        reading = cls(array, kinds, labels, None, outside, given)
        return reading._checked(observed)

    def scaler(self, like: Layout | None, standardise: bool) -> Standardiser:
        """Return the scaler of ``like``, or one computed from the observed values.

        Raises:
            ValueError: a column has no observed value.
        """
        if like is not None:
            return like.scaler
        seen = ~np.isnan(self.values)
        check_columns_seen(seen, self.schema.names)
        if not standardise:
            return Standardiser.identity(len(self.schema), self.schema.warps)
        return Standardiser.from_observed(
            self.values, seen, warps=self.schema.warps, unscaled=self.schema.discrete
        )

    def _checked(self, observed: np.ndarray) -> Reading:
        """Return the same reading with NaN where not observed, checked to be finite elsewhere."""
        rule = "observed values must be finite; correct it, or mark it missing"
        check_observed(self.values, observed, self.schema.names, self.index, rule)
        if self.covariates is not None and self.covariate_schema is not None:
            check_complete(self.covariates, self.covariate_schema.names, self.index)
        return replace(self, values=np.where(observed, self.values, np.nan))


def target_frame(y: Any, index: pd.Index) -> pd.DataFrame:
    """Return the target of rows with these labels, as a table of one column.

    Raises:
        ValueError: the target is a DataFrame, or has another number of values.
    """
    if isinstance(y, pd.DataFrame):
        raise InputError("the target is a DataFrame; give one column of it, such as df['y'].")
    flat = y.cpu().numpy() if isinstance(y, torch.Tensor) else y
    flat = flat.ravel() if isinstance(flat, np.ndarray) else flat
    series = y if isinstance(y, pd.Series) else pd.Series(flat)
    if len(series) != len(index):
        raise InputError(
            f"the target has {len(series)} values, but the data have {len(index)} rows; give "
            "one value for each row."
        )
    return series.set_axis(index).to_frame("y" if series.name is None else str(series.name))
