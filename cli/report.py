"""The command ``absentia report``: one HTML page about a saved fit and a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..data.errors import InputError
from .console import say, talking
from .csv_options import USUAL_CSV, USUAL_TALK, CSVOptions, Table, TalkOptions, reads_a_table
from .one_line_errors import one_line_errors
from .paths import check_outputs, make_folders
from .reading import say_how_it_was_read

if TYPE_CHECKING:
    from ..data import IncompleteData
    from ..inference import FitResult, Imputation


@reads_a_table
def report(
    table: Table,
    fitted: Annotated[Path, typer.Option(help="Folder of a saved model: see impute --save.")],
    out: Annotated[Path, typer.Option(help="HTML page to write.")] = Path("report.html"),
    particles: Annotated[
        int | None,
        typer.Option(
            min=1, help="Importance samples for each row; by default as many as it needs."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(max=2**63 - 1, help="Seed of all random numbers.")] = 0,
    csv: CSVOptions = USUAL_CSV,
    talk: TalkOptions = USUAL_TALK,
) -> None:
    """Write an HTML page about a saved model: assumptions, pictures, diagnostics, how to cite.

    Columns of TABLE that the model does not have are ignored. The page is a single file: its
    pictures are in it, and it loads nothing from elsewhere.
    """
    with one_line_errors(document=talk.json), talking(talk.quiet, talk.json, talk.verbose):
        # here and not above, so that --help need not wait for torch
        from ..data import IncompleteData
        from ..inference import impute, load
        from .fields import columns_of, read_fields

        form = csv.format()
        check_outputs([table], [("--out", out)], {"--fitted": fitted})
        result = load(fitted)
        fields = read_fields(table, None, columns_of(result), form, csv.sheet)
        say_how_it_was_read(fields)
        frame = fields.frame
        asked = [
            *result.columns,
            *(result.covariate_schema.names if result.covariate_schema else ()),
        ]
        lacking = [name for name in asked if name not in frame.columns]
        if lacking:
            raise InputError(
                f"{table} has no column '{lacking[0]}', to which the model was fitted; add it, "
                f"with empty cells where its values are missing"
            )
        data = IncompleteData.from_frame(frame[asked], like=result)
        filled = impute(result, data, particles or "auto", seed=seed)
        make_folders([out])
        write_report(result, data, out, filled, seed)


def write_report(
    result: FitResult, data: IncompleteData, path: Path, filled: Imputation, seed: int
) -> None:
    """Write the page, and print its path."""
    from ..inference.report import report as write

    write(result, data, path, imputation=filled, seed=seed)
    say(f"report: {path}")
