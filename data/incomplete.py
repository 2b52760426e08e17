"""A table with missing values, in the form in which all functions of the package take it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import pandas as pd
import torch

from .columns.cautions import warn_of_columns
from .columns.constants import whole_table, with_constants
from .columns.infer import Declaration
from .columns.recode import same_meaning
from .columns.restore import restored
from .columns.types import column_names
from .errors import InputError
from .foreign import as_frame
from .layout import Layout, schemas_of
from .markers import without_markers
from .reading import Reading, target_frame
from .schema import Schema
from .table_tensors import TableTensors, tensors_of


@dataclass(frozen=True, eq=False, repr=False)
class IncompleteData(TableTensors):
    """A table with missing values, both as tensors for a model and as its owner gave it.

    >>> df = pd.DataFrame({"age": [30, 40, 50], "income": [1.0, np.nan, 3.0]})
    >>> data = IncompleteData.from_frame(df)
    >>> data
    IncompleteData(3 rows, 2 columns, 16.7% missing)
    >>> data.x[:, 1]                        # standardised, 0 where missing
    tensor([-0.7071,  0.0000,  0.7071])
    >>> data.fill(np.full((3, 2), 9.0))[:, 1]
    array([1., 9., 3.])

    Columns that do not hold numbers (booleans, categories, text, dates) are read by their dtype,
    or as a schema says; ``x`` then holds codes 0, 1, ... of levels, and logs of positive columns.

    >>> mixed = pd.DataFrame({"smokes": [True, None, False], "dose": [0.5, 2.0, None]})
    >>> data = IncompleteData.from_frame(mixed, schema={"dose": "positive"})
    >>> data.x[:, 0], [column.kind for column in data.schema]
    (tensor([1., 0., 0.]), ['binary', 'positive'])

    No model meets NaN: where a value is missing, ``x`` is 0, the mean of the observed values after
    standardising. A row may have no observed value at all (a model imputes it from its marginal
    distribution), and a table may have no missing value. A column may be constant: models leave it
    out, and its missing values are filled with its one value.

    Attributes:
        x: (n, p) float tensor, standardised, 0 where missing.
        s: (n, p) boolean tensor, True where observed.
        columns: the p column names.
        scaler: the map from original to standardised units and back.
        index: the n row labels.
        values: (n, p) float64 array in original units (codes of levels, seconds of dates), NaN
            where missing.
        schema: the kind of each column.
        source: the table as it was given; None if it was an array.
        covariates: (n, q) float tensor in original units of the columns that missingness
            mechanisms may use but that are not modelled; None if there are none.
        covariate_schema: the kind of each covariate.
        target: the target of the rows, as data of one column; see :meth:`with_target`.
        whole: the data with all columns, if these data have only the columns of a model; None
            otherwise. See :meth:`part`.
    """

    @classmethod
    def from_frame(
        cls,
        df: Any,
        *,
        schema: str | Mapping[str, Declaration] | Schema | None = None,
        covariates: Sequence[str] = (),
        standardise: bool = True,
        na_values: Any = None,
        like: Layout | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> IncompleteData:
        """Read a table, in which NaN, None and NA are missing values.

        Args:
            df: n rows, p columns: a DataFrame of pandas, or a table of another library such as
                polars or Arrow (see :func:`absentia.data.foreign.as_frame`).
            schema: the kinds of the columns. None infers them from the dtypes (every column of
                numbers is continuous), "infer" from the values too (:func:`infer_schema`). A
                mapping declares the kinds of some columns by name, the others being inferred from
                their dtypes; a :class:`Schema` declares all of them.
            covariates: names of complete columns that missingness mechanisms may use but that are
                not modelled.
            standardise: centre and scale each column by its observed values; False keeps the units
                (positive and bounded columns are still mapped to the real line).
            na_values: further values that stand for missing: one or several for all columns
                (``[-99, "?"]``), or by column (``{"bmi": -99}``).
            like: data or a fit from which columns, schema and scaler are taken over; schema,
                covariates and standardise are then ignored, and a column may have no observed
                value.
            dtype: the dtype of ``x``.

        Raises:
            ValueError: the table is empty, a column name is repeated, a column holds values that
                its kind does not allow, an infinite value or no observed value, a covariate has a
                missing value, or the columns are not those of ``like``.

        Warns:
            SentinelWarning: a repeated, extreme value looks as if it stood for a missing value.
            DigitsLostWarning: floats look like identifiers of more than 15 digits.
            CodedColumnsWarning: incomplete columns of codes or shares, whose kinds were inferred
                from dtypes, are read as continuous.
        """
        reading = Reading.of_frame(
            without_markers(as_frame(df), na_values), schema, covariates, like
        )
        data = cls._of(reading, standardise, like, dtype)
        if like is None:
            warn_of_columns(data.values, data.schema, from_array=False)
        return data

    @classmethod
    def from_numpy(
        cls,
        values: np.ndarray,
        mask: np.ndarray | None = None,
        *,
        columns: Sequence[Any] | None = None,
        index: pd.Index | None = None,
        schema: Mapping[str, Declaration] | Schema | None = None,
        covariates: pd.DataFrame | np.ndarray | torch.Tensor | None = None,
        standardise: bool = True,
        like: Layout | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> IncompleteData:
        """Read an array (n, p), in which NaN is missing unless a mask is given.

        Args:
            values: (n, p) numbers in original units. In an array of objects None and pd.NA are
                missing too, and in a masked array the masked entries.
            mask: (n, p) booleans or 0/1, True where observed; other entries are ignored.
            columns: p names; by default those of the schema or of ``like``, else x0, x1, ...
            index: n row labels; by default 0, 1, ...
            schema: the kinds of the columns, as a :class:`Schema` or as declarations of some
                columns by name; columns with levels then hold codes 0, 1, ...
            covariates: n rows of complete columns that missingness mechanisms may use but that are
                not modelled; the columns of an array (n, q) are called w0, w1, ...
            standardise: as in :meth:`from_frame`.
            like: as in :meth:`from_frame`.
            dtype: as in :meth:`from_frame`.

        Raises:
            ValueError: as :meth:`from_frame`; also if shapes disagree, the mask is neither boolean
                nor 0/1, or an entry that the mask calls observed is NaN.
        """
        reading = Reading.of_array(values, mask, columns, index, schema, covariates, like)
        data = cls._of(reading, standardise, like, dtype)
        if like is None:
            warn_of_columns(data.values, data.schema, from_array=True)
        return data

    @classmethod
    def from_torch(
        cls, values: torch.Tensor, mask: torch.Tensor | None = None, **options: Any
    ) -> IncompleteData:
        """Read a tensor (n, p) as :meth:`from_numpy` does, and keep it on its device."""
        data = cls.from_numpy(values, mask, **options)  # type: ignore[arg-type]
        return data.to(device=values.device)

    def with_target(
        self,
        y: Any,
        *,
        schema: Declaration | None = None,
        like: IncompleteData | None = None,
    ) -> IncompleteData:
        """Add a target (n,) that a supervised model predicts; a NaN is a row without label.

        >>> data = IncompleteData.from_numpy(np.array([[1.0], [3.0], [np.nan]]))
        >>> data.with_target(pd.Series(["no", "yes", None], name="ill")).target.schema["ill"].kind
        'binary'

        Args:
            y: a Series or an array, in the order of the rows.
            schema: its kind: "continuous", "binary" or "categorical"; by default inferred from its
                dtype.
            like: data from whose target the kind, the levels and the scale are taken over.

        Raises:
            ValueError: the number of values is not n, or there is no label at all.
        """
        if like is not None and like.target is None:
            raise InputError(
                "the data given as like= have no target; give data with a target, or schema= "
                "instead."
            )
        frame = target_frame(y, self.index)
        declared = None if schema is None else {frame.columns[0]: schema}
        known = None if like is None else like.target
        target = IncompleteData.from_frame(frame, schema=declared, like=known, dtype=self.x.dtype)
        return replace(self, target=target.to(device=self.x.device))

    def under(self, layout: Layout) -> Self:
        """Return the same rows in the codes, level order, date origins and scale of a fit.

        Rows that were read on their own know only the levels and dates that occur in them. This
        rewrites their numbers as if they had been read with ``like=``; the values stay the same.

        >>> fitted = IncompleteData.from_frame(pd.DataFrame({"stage": ["I", "II", "III", "I"] * 2}))
        >>> rows = IncompleteData.from_frame(pd.DataFrame({"stage": ["III", "II", None, "II"]}))
        >>> rows.values[:, 0], rows.under(fitted).values[:, 0]
        (array([ 1.,  0., nan,  0.]), array([ 2.,  1., nan,  1.]))

        Args:
            layout: earlier data or a fit, with the same columns in the same order.

        Raises:
            ValueError: a value that the fit does not know, or a column of another type; the message
                names column, row and value.
        """
        kinds, given = schemas_of(layout)
        if layout.schema is None:
            return self.rescaled(layout.scaler)
        changes: dict[str, Any] = {"schema": kinds, "scaler": layout.scaler}
        if not all(map(same_meaning, self.schema, kinds)):
            changes["values"] = self.schema.recode(self.values, kinds, self.index)
        if given is not None and self.covariates is not None and self.covariate_schema is not None:
            covariates = self.covariates.double().cpu().numpy()
            covariates = self.covariate_schema.recode(covariates, given, self.index)
            changes["covariates"] = torch.tensor(covariates, dtype=self.x.dtype)
            changes["covariate_schema"] = given
        return self._built(**changes)

    def to_frame(self, values: np.ndarray | torch.Tensor | None = None) -> pd.DataFrame:
        """Return the table in its original dtypes, with missing entries filled from ``values``.

        Observed entries are the very values that were given, in the same rows and columns. Codes
        become levels again, seconds become dates, and whole numbers stay whole. Without ``values``
        the missing entries stay missing. Data read from an array become a table of floats.

        >>> df = pd.DataFrame({"n": pd.array([1, None], "Int64"), "c": ["a", None]}, index=[7, 9])
        >>> IncompleteData.from_frame(df).to_frame(np.array([[0, 0], [1.7, 0]]))
           n  c
        7  1  a
        9  2  a
        """
        if self.whole is not None:
            return self.whole.to_frame(None if values is None else self._beside_constants(values))
        if self.source is None:
            table = self.values.copy() if values is None else self.fill(values)
            return pd.DataFrame(table, index=self.index, columns=list(self.columns))
        if values is None:
            return self.source.copy()
        table = self.fill(values)
        result = self.source.copy()
        place = {name: k for k, name in enumerate(column_names(result.columns))}
        for j, column in enumerate(self.schema):
            k = place[column.name]
            filled: Any = restored(result.iloc[:, k], column, table[:, j])
            result.isetitem(k, filled)
        return result

    def _beside_constants(self, values: np.ndarray | torch.Tensor) -> np.ndarray:
        """Return values of all columns: those given, and those of the constant columns."""
        assert self.whole is not None
        return whole_table(self.fill(values), self.whole.schema, self.columns)

    @classmethod
    def _of(
        cls, reading: Reading, standardise: bool, like: Layout | None, dtype: torch.dtype
    ) -> IncompleteData:
        columns = reading.schema.names
        schema = reading.schema if like else with_constants(reading.schema, reading.values)
        scaler = reading.scaler(like, standardise)
        x, s = tensors_of(reading.values, scaler, columns, dtype)
        given = reading.covariates
        return cls(
            x,
            s,
            columns,
            scaler,
            reading.index,
            reading.values,
            schema,
            reading.source,
            None if given is None else torch.tensor(given, dtype=dtype),
            reading.covariate_schema,
        )
