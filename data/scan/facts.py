"""One pass over a table that is larger than memory: kinds, scales, rates and pairs of gaps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ..checks import check_complete
from ..columns.present import columns_of
from ..errors import InputError
from ..foreign import as_frame
from ..layout import SchemaLike, declarations_of, split
from ..schema import Schema, check_declared_names
from ..standardiser import Standardiser
from ..system.files import TableError
from .column_stream import ColumnStream
from .files import Files


@dataclass(frozen=True, eq=False)
class Facts:
    """What one pass over the rows has found.

    Attributes:
        schema: the kinds of the p columns that are modelled.
        covariate_schema: the kinds of the covariates; None if there are none.
        scaler: centre and scale of the p columns.
        together: (p, p) the number of rows in which both columns of a pair are observed; on the
            diagonal, in which the one is.
    """

    schema: Schema
    covariate_schema: Schema | None
    scaler: Standardiser
    together: np.ndarray


def facts_of(
    files: Files,
    columns: Sequence[str],
    covariates: Sequence[str],
    schema: SchemaLike,
    standardise: bool,
    tick: Callable[[int], object],
) -> Facts:
    """Read all rows once.

    Args:
        files: the files of the table.
        columns: the columns to read, covariates included.
        covariates: those that are not modelled.
        schema: as for ``IncompleteData.from_frame``.
        standardise: as for ``IncompleteData.from_frame``.
        tick: called with the number of rows after each part.

    Raises:
        TableError: as :func:`absentia.scan`.
    """
    declared, by = declarations_of(schema)
    check_declared_names(declared, tuple(columns))
    streams = [
        ColumnStream(name, files.arrow.field(name).type, declared.get(name), by) for name in columns
    ]
    modelled = [j for j, name in enumerate(columns) if name not in covariates]
    outside = [name for name in columns if name in covariates]
    together = np.zeros((len(modelled), len(modelled)))
    for part, rows in files.sequence(columns):
        table = as_frame(rows)
        table.index = pd.RangeIndex(part.in_file, part.in_file + part.rows)
        try:
            given = columns_of(table)
            mask = np.stack([stream.add(given[stream.name]) for stream in streams], axis=1)
            for name in outside:
                present = given[name].series.notna().to_numpy(dtype=np.float64)
                check_complete(np.where(present, 1.0, np.nan)[:, None], (name,), table.index)
        except InputError as error:
            raise TableError(f"{part.file}: {error}") from error
        seen = mask[:, modelled].astype(np.float32)  # a part has fewer rows than float32 counts
        together += seen.T @ seen
        tick(part.rows)
    n = files.num_rows
    for stream in streams:
        if not stream.seen:
            raise InputError(
                f"column {stream.name!r} has no observed value in any file, so nothing can be "
                "learnt about it; leave it out of columns=, or scan new rows with like=fit."
            )
    whole = Schema(tuple(stream.column(n) for stream in streams))
    kinds, given_kinds = split(whole, tuple(columns), covariates)
    if given_kinds is not None:  # only what is modelled can be constant
        given_kinds = Schema(tuple(replace(column, constant=None) for column in given_kinds))
    scaler = Standardiser.identity(len(kinds), kinds.warps)
    if standardise:
        scales = [streams[j].scale(kind) for j, kind in zip(modelled, kinds, strict=True)]
        centre, scale = np.array(scales).T
        scaler = Standardiser(centre, scale, kinds.warps)
    return Facts(kinds, given_kinds, scaler, together.astype(np.int64))
