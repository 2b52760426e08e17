"""The container of a table with missing values, through which all tables become tensors."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from .checks import check_fits, check_observed, check_real
from .columns.cautions import warn_of_columns
from .columns.constants import whole_table, with_constants
from .columns.infer import Declaration
from .columns.recode import same_meaning
from .columns.restore import restored
from .columns.types import array_values, column_names
from .errors import InputError
from .foreign import as_frame
from .layout import Layout, schemas_of
from .markers import without_markers
from .reading import Reading, target_frame
from .schema import Schema
from .standardiser import Standardiser


@dataclass(frozen=True, eq=False, repr=False)
class IncompleteData:
    """A table with missing values, both as tensors for a model and as its owner gave it.

    >>> df = pd.DataFrame({"age": [30, 40, 50], "income": [1.0, np.nan, 3.0]})
    >>> data = IncompleteData.from_frame(df)
    >>> data
    IncompleteData(3 rows, 2 columns, 16.7% missing)
    >>> data.x[:, 1]                        # standardised, 0 where missing
    tensor([-0.7071,  0.0000,  0.7071])
    >>> data.fill(np.full((3, 2), 9.0))[:, 1]
    array([1., 9., 3.])

    Columns of other types than numbers are read by their dtype (booleans, categories, text, dates),
    or as a schema says; ``x`` then holds codes 0, 1, ... of levels, logs of positive columns.

    >>> mixed = pd.DataFrame({"smokes": [True, None, False], "dose": [0.5, 2.0, None]})
    >>> data = IncompleteData.from_frame(mixed, schema={"dose": "positive"})
    >>> data.x[:, 0], [column.kind for column in data.schema]
    (tensor([1., 0., 0.]), ['binary', 'positive'])

    NaN stays behind this class: ``x`` holds 0, the observed mean, where nothing was seen.
    Allowed are a row without any observed value (a model imputes it from its marginal), a
    table without missing values, and a constant column: models leave it out, and its gaps are
    filled with its value.

    Attributes:
        x: (n, p) float tensor, standardised, 0 where missing.
        s: (n, p) boolean tensor, True where observed.
        columns: the p column names.
        scaler: the map between original and standardised units.
        index: the n row labels.
        values: (n, p) float64 array in original units (codes of levels, seconds of dates), NaN
            where missing.
        schema: what each column is.
        source: the table as it was given, None where it was an array.
        covariates: (n, q) float tensor in original units of the columns that are given to a
            mechanism but not modelled; None where there are none.
        covariate_schema: what each covariate is.
        target: what is to be predicted of the rows, a table of one column; see
            :meth:`with_target`.
        whole: of the columns that a model has, the data with the constant columns beside them;
            see :meth:`part`.
    """

    x: torch.Tensor
    s: torch.Tensor
    columns: tuple[str, ...]
    scaler: Standardiser
    index: pd.Index
    values: np.ndarray
    schema: Schema
    source: pd.DataFrame | None = None
    covariates: torch.Tensor | None = None
    covariate_schema: Schema | None = None
    target: IncompleteData | None = None
    whole: IncompleteData | None = None

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
        """Read a table; a missing value is what pandas calls missing (NaN, None, NA).

        Args:
            df: n rows, p columns: a DataFrame of pandas, or a table of polars, Arrow, ..., which is
                made one (:func:`absentia.data.foreign.as_frame`).
            schema: what the columns are: None, by their dtypes (every number is continuous);
                "infer", by their values too (:func:`infer_schema`); a mapping of declarations by
                name, the others by dtype; or a whole :class:`Schema`.
            covariates: names of complete columns that are given but not modelled, for mechanisms
                that read them.
            standardise: centre and scale by the observed entries; False keeps the units (positive
                and bounded columns are warped all the same).
            na_values: what stands for missing besides: a value or several (``[-99, "?"]``), or by
                column (``{"bmi": -99}``).
            like: take columns, schema and scaler from here (the other options are then not
                read); such new rows may have a column with no observed value.
            dtype: of ``x``.

        Raises:
            ValueError: an empty table, repeated names, values that a column cannot take, infinity,
                a column with no observed value, a covariate with a missing one, or columns other
                than those of ``like``.

        Warns:
            SentinelWarning: a repeated, extreme value that looks as if it stood for missing.
            DigitsLostWarning: floats that look like identifiers of more than 15 digits.
            CodedColumnsWarning: without ``schema``, columns with gaps that hold a few whole
                numbers or shares and are read as any number.
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
        """Read an array (n, p); without ``mask``, NaN is missing.

        Args:
            values: (n, p) numbers in original units; None and pd.NA in an array of objects, and
                what a masked array masks, are missing too.
            mask: (n, p) booleans or 0/1, True where observed; values elsewhere are not read.
            columns: p names; those of the schema or ``like``, or x0, x1, ... when left out.
            index: n row labels; 0, 1, ... when left out.
            schema: of columns that are not all numbers, whole or declarations of some by name;
                the array then holds codes 0, 1, ... of their levels.
            covariates: n rows of complete columns that are given but not modelled; those of an
                array (n, q) are called w0, w1, ...
            standardise, like, dtype: as in :meth:`from_frame`.

        Raises:
            ValueError: as :meth:`from_frame`; also shapes that do not agree, a mask that is
                neither boolean nor 0/1, and NaN where the mask says observed.
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
        """Read a tensor (n, p) and stay on its device; otherwise as :meth:`from_numpy`."""
        data = cls.from_numpy(values, mask, **options)  # type: ignore[arg-type]
        return data.to(device=values.device)

    def extras(self, rows: Any = slice(None)) -> dict[str, torch.Tensor]:
        """Return a model's further inputs besides x and s, by name, for these rows."""
        found = {} if self.covariates is None else {"covariates": self.covariates[rows]}
        if self.target is not None:
            found |= {"y": self.target.x[rows], "labelled": self.target.s[rows]}
        return found

    def with_target(
        self,
        y: Any,
        *,
        schema: Declaration | None = None,
        like: IncompleteData | None = None,
    ) -> IncompleteData:
        """Add a target (n,) that a supervised model predicts; NaN means no label.

        >>> data = IncompleteData.from_numpy(np.array([[1.0], [3.0], [np.nan]]))
        >>> data.with_target(pd.Series(["no", "yes", None], name="ill")).target.schema["ill"].kind
        'binary'

        Args:
            y: a Series in the order of the rows, or an array.
            schema: what it is: "continuous", "binary", "categorical"; by its dtype when left out.
            like: data whose target's kind, levels and scale are taken over.

        Raises:
            ValueError: not n values, or no label at all.
        """
        if like is not None and like.target is None:
            raise InputError("like= has no target; give schema=, or data that have one.")
        frame = target_frame(y, self.index)
        declared = None if schema is None else {frame.columns[0]: schema}
        known = None if like is None else like.target
        target = IncompleteData.from_frame(frame, schema=declared, like=known, dtype=self.x.dtype)
        return replace(self, target=target.to(device=self.x.device))

    def gaps(self, columns: Sequence[str] | None = None) -> list[str]:
        """List the columns that have missing values, or those given, if they all have.

        Raises:
            ValueError: a column that was given has none.

        >>> IncompleteData.from_numpy(np.array([[1.0, np.nan], [2.0, 3.0]])).gaps()
        ['x1']
        """
        found = [name for name, gap in zip(self.columns, ~self.s.all(0), strict=True) if gap]
        for name in columns or ():
            if name not in found:
                raise InputError(f"column '{name}' has no missing values; give some of {found}")
        return found if columns is None else list(columns)

    def without_target(self) -> IncompleteData:
        """Return the same data without the target."""
        return self if self.target is None else replace(self, target=None)

    def fingerprint(self) -> bytes:
        """Return a hash of the values."""
        return hashlib.sha256(self.values.tobytes()).digest()

    @property
    def num_rows(self) -> int:
        """The number of rows n."""
        return self.values.shape[0]

    @property
    def num_columns(self) -> int:
        """The number of columns p."""
        return self.values.shape[1]

    @property
    def missing_rate(self) -> float:
        """The share of the n * p entries that is missing."""
        return float(np.isnan(self.values).mean())

    def __len__(self) -> int:
        """The number of rows n."""
        return self.num_rows

    def __repr__(self) -> str:
        """Show the size and the missing rate, but not the values."""
        rate = f"{100 * self.missing_rate:.1f}%"
        return f"IncompleteData({self.num_rows} rows, {self.num_columns} columns, {rate} missing)"

    def rows(self, index: Any) -> IncompleteData:
        """Select the rows at these positions (integers, a slice or n booleans), in the same scale.

        Raises:
            ValueError: no row is left.
        """
        if isinstance(index, torch.Tensor):
            index = index.detach().cpu().numpy()
        chosen = np.atleast_1d(np.arange(self.num_rows)[index])
        if chosen.size == 0:
            raise InputError("the selection holds no row; give at least one.")
        return self._built(
            values=self.values[chosen],
            index=self.index[chosen],
            whole=None if self.whole is None else self.whole.rows(chosen),
            source=None if self.source is None else self.source.iloc[chosen],
            covariates=None if self.covariates is None else self.covariates[chosen],
            target=None if self.target is None else self.target.rows(chosen),
        )

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> IncompleteData:
        """Return the same data with its tensors on this device and in this dtype."""
        where = self.x.device if device is None else torch.device(device)
        return self._built(dtype=dtype or self.x.dtype, device=where)

    def rescaled(self, scaler: Standardiser) -> IncompleteData:
        """Return the same data, standardised by another scaler."""
        return self._built(scaler=scaler)

    def under(self, layout: Layout) -> IncompleteData:
        """Return the same rows in the codes, level order, date origins and scale of a fit.

        What rows say is kept and how it is written as numbers is taken over, as if they had been
        read with ``like=``: rows read by themselves know but the levels and dates that they hold.

        >>> fitted = IncompleteData.from_frame(pd.DataFrame({"stage": ["I", "II", "III", "I"] * 2}))
        >>> rows = IncompleteData.from_frame(pd.DataFrame({"stage": ["III", "II", None, "II"]}))
        >>> rows.values[:, 0], rows.under(fitted).values[:, 0]
        (array([ 1.,  0., nan,  0.]), array([ 2.,  1., nan,  1.]))

        Args:
            layout: earlier data, or a fit, of the same columns in the same order.

        Raises:
            ValueError: a value that the fit does not know, or a column of another type; names
                column, row and value.
        """
        kinds, given = schemas_of(layout)
        if getattr(layout, "schema", None) is None:
            return self.rescaled(layout.scaler)
        changes: dict[str, Any] = {"schema": kinds, "scaler": layout.scaler}
        if not all(map(same_meaning, self.schema, kinds)):
            changes["values"] = self.schema.recode(self.values, kinds, self.index)
        if given is not None and self.covariates is not None and self.covariate_schema is not None:
            beside = self.covariates.double().cpu().numpy()
            beside = self.covariate_schema.recode(beside, given, self.index)
            changes["covariates"] = torch.tensor(beside, dtype=self.x.dtype)
            changes["covariate_schema"] = given
        return self._built(**changes)

    def part(self, names: Sequence[str]) -> IncompleteData:
        """Select the columns of a model, where the others are constant.

        :meth:`to_frame` still gives all columns, gaps of constant ones filled with their value.

        >>> table = pd.DataFrame({"site": ["A", None, "A"], "v": [1.0, 2.0, None]})
        >>> part = IncompleteData.from_frame(table).part(["v"])
        >>> part.x.shape, part.to_frame(np.array([[0.0], [0.0], [9.0]]))["site"].tolist()
        (torch.Size([3, 1]), ['A', 'A', 'A'])
        """
        if tuple(names) == self.columns:
            return self
        places = [self.columns.index(name) for name in names]
        return replace(
            self,
            x=self.x[:, places],
            s=self.s[:, places],
            columns=tuple(names),
            scaler=self.scaler.select(places),
            values=self.values[:, places],
            schema=self.schema.select(names),
            whole=self,
        )

    def with_values(self, values: np.ndarray) -> IncompleteData:
        """Replace the values (n, p), NaN where missing; scale and covariates stay.

        >>> import numpy as np
        >>> data = IncompleteData.from_numpy(np.array([[1.0], [3.0], [np.nan]]))
        >>> data.with_values(np.array([[np.nan], [1.0], [5.0]])).s[:, 0].tolist()
        [False, True, True]

        Raises:
            ValueError: another shape.
        """
        if values.shape != self.values.shape:
            raise InputError(f"values have shape {values.shape}; the data {self.values.shape}.")
        index = pd.RangeIndex(len(values))
        table = np.asarray(values, dtype=np.float64)
        return self._built(values=table, index=index, source=None, whole=None)

    def log_slope(self) -> np.ndarray:
        """Return log |d x_o / d values| per row (n,): it makes a density of x_o one in data units.

        >>> data = IncompleteData.from_numpy(np.array([[0.0, 5.0], [20.0, np.nan]]))
        >>> data.log_slope().round(3)                           # the first column's sd is 14.14
        array([-2.649, -2.649])
        """
        slopes = self.scaler.log_slope(self.values)
        return np.where(np.isnan(self.values), 0.0, slopes).sum(-1)

    def fill(self, values: np.ndarray | torch.Tensor) -> np.ndarray:
        """Return the table (n, p) in float64, with missing entries taken from ``values``.

        Observed entries are the numbers that were given, unchanged to the last bit.

        Args:
            values: (n, p) in original units; only entries at missing places are read.

        Raises:
            ValueError: another shape, or a value at a missing place that is not finite.
        """
        array = array_values(values)
        if array.shape != self.values.shape:
            raise InputError(f"values have shape {array.shape}; the data {self.values.shape}.")
        missing = np.isnan(self.values)
        check_observed(array, missing, self.columns, self.index, "an imputed value must be finite")
        return np.where(missing, array, self.values)

    def to_frame(self, values: np.ndarray | torch.Tensor | None = None) -> pd.DataFrame:
        """Return the table in its original dtypes, with missing entries filled from ``values``.

        Observed entries are the very values that were given; rows, columns and their order too.
        Codes become levels, seconds dates, and whole numbers whole. Without ``values`` the missing
        entries stay missing. An array becomes a table of floats.

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
        assert self.whole is not None
        return whole_table(self.fill(values), self.whole.schema, self.columns)

    @classmethod
    def _of(
        cls, reading: Reading, standardise: bool, like: Layout | None, dtype: torch.dtype
    ) -> IncompleteData:
        columns = reading.schema.names
        schema = reading.schema if like else with_constants(reading.schema, reading.values)
        scaler = reading.scaler(like, standardise)
        x, s = _tensors(reading.values, scaler, columns, dtype, torch.device("cpu"))
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

    def _built(
        self,
        dtype: torch.dtype | None = None,
        device: torch.device | None = None,
        **changes: Any,
    ) -> IncompleteData:
        """Return the same data with these fields changed, and tensors that match them."""
        dtype, device = dtype or self.x.dtype, device or self.x.device
        data = replace(self, **changes)
        x, s = _tensors(data.values, data.scaler, data.columns, dtype, device)
        given = data.covariates
        given = None if given is None else given.to(device=device, dtype=dtype)
        target = data.target
        target = None if target is None else target.to(device=device, dtype=dtype)
        return replace(data, x=x, s=s, covariates=given, target=target)


def _tensors(
    values: np.ndarray,
    scaler: Standardiser,
    columns: tuple[str, ...],
    dtype: torch.dtype,
    device: torch.device,
) -> tuple[torch.Tensor, torch.Tensor]:
    check_real(dtype)
    mask = ~np.isnan(values)
    x = torch.tensor(np.where(mask, scaler.apply(values), 0.0), dtype=dtype, device=device)
    check_fits(x, columns)
    return x, torch.tensor(mask, device=device)
