"""The command ``absentia report``: one HTML page about a saved fit and a table."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..data.errors import InputError
from ..data.table_files import STANDARD
from .choices import CalibratedBy
from .console import print_document, quoted, say, talking
from .csv_options import (
    USUAL_CSV,
    USUAL_FINISH,
    USUAL_TALK,
    CSVOptions,
    Table,
    TalkOptions,
    reads_a_table,
)
from .one_line_errors import one_line_errors
from .paths import check_outputs, make_folders
from .pool import FAMILY, WEIGHTS, Family
from .reading import say_how_it_was_read
from .sensitivity import DELTA, SLOPES
from .words import at_the_shell

if TYPE_CHECKING:
    from ..data import IncompleteData
    from ..inference import FitResult, Imputation, SensitivityCurve
    from ..inference.imputing.calibrated import Calibrate
    from .pooling import Answers
    from .several import Several

TITLE = typer.Option(help="Heading of the page.")


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
    title: Annotated[str, TITLE] = "Analysis of missing values",
    formula: Annotated[
        list[str] | None,
        typer.Option(help="A regression to pool, such as 'y ~ x + z'. Repeatable."),
    ] = None,
    family: Annotated[Family, FAMILY] = Family.gaussian,
    weights: Annotated[str | None, WEIGHTS] = None,
    multiple: Annotated[
        int, typer.Option(min=2, help="Completed tables for the regressions.")
    ] = 20,
    column: Annotated[
        str | None, typer.Option(help="Column for the sensitivity of the first regression.")
    ] = None,
    slopes: Annotated[str | None, SLOPES] = None,
    delta: Annotated[str | None, DELTA] = None,
    calibrate: Annotated[
        CalibratedBy | None,
        typer.Option(
            help="Show intervals calibrated by seen values, with their odds of being missing, "
            "beside the model's own, and which columns' margins do not fit."
        ),
    ] = None,
    csv: CSVOptions = USUAL_CSV,
    talk: TalkOptions = USUAL_TALK,
) -> None:
    """Write an HTML page about a saved model: assumptions, pictures, diagnostics, how to cite.

    Columns of TABLE that the model does not have are ignored. The page is a single file: its
    pictures are in it, and it loads nothing from elsewhere. Its numbers also stand in a JSON file
    of the same name. With --formula the page has pooled estimates, and with --column and --slopes
    or --delta it shows how far the first of them depends on what is assumed.
    """
    with one_line_errors(document=talk.json), talking(talk.quiet, talk.json, talk.verbose):
        # here and not above, so that --help need not wait for torch
        from ..data import IncompleteData
        from ..inference import impute, load
        from .curves import Question, curve_of, values_in
        from .documents import head
        from .fields import columns_of, read_fields
        from .several import answers_in, drawn_tables

        form = csv.format()
        check_outputs([table], [("--out", out), ("--out", twin_of(out))], {"--fitted": fitted})
        _check(formula, column, slopes, delta)
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
        questions = [
            Question(text, family.value, weights, frame.drop(columns=list(data.columns)))
            for text in formula or []
        ]
        for one in questions:
            one.regression.check(frame)
        filled = impute(result, data, particles or "auto", seed=seed)
        answers: dict[str, Answers] = {}
        several, curves = None, []
        if questions:
            several = drawn_tables(result, data, filled, 0, multiple, "auto", seed, False)
            answers = answers_in(
                several, fields, data.schema, formula or [], family.value, weights, USUAL_FINISH
            )
        if column is not None:
            option = "--slopes" if slopes is not None else "--delta"
            tried = values_in(str(slopes if delta is None else delta), option)
            how = (column, tried, delta is None, None, multiple, 0.95, seed, False)
            curves = [curve_of(data, questions[0], *how)]
        make_folders([out])
        by: Calibrate = None if calibrate is None else "odds"
        write_report(result, data, out, filled, seed, table, title, answers, several, curves, by)
        if talk.json:
            print_document({**head("report"), "page": out, "numbers": twin_of(out)})


def _check(
    formula: list[str] | None, column: str | None, slopes: str | None, delta: str | None
) -> None:
    """Refuse a sensitivity without a regression, or without values to try."""
    if column is None:
        if slopes is not None or delta is not None:
            raise InputError("--slopes and --delta need --column, whose missing values they are of")
        return
    if not formula:
        raise InputError("--column shows how a regression depends on it; give --formula 'y ~ x'")
    if (slopes is None) == (delta is None):
        raise InputError("--column needs either --slopes or --delta, such as --slopes -2:2:.5")


def twin_of(page: Path) -> Path:
    """Return the path of the JSON file beside a page."""
    return page.with_suffix(".json")


def _command() -> str:
    """Return the command as it was typed, if this is the program of that name."""
    if not Path(sys.argv[0]).name.startswith("absentia"):
        return ""
    return " ".join(["absentia", *map(quoted, sys.argv[1:])])


def write_report(
    result: FitResult,
    data: IncompleteData,
    path: Path,
    filled: Imputation,
    seed: int,
    table: Path,
    title: str,
    answers: Mapping[str, Answers] | None = None,
    several: Several | None = None,
    curves: Sequence[SensitivityCurve] = (),
    calibrate: Calibrate = None,
) -> None:
    """Write the page, and print its path."""
    from ..inference.report import About
    from ..inference.report import report as write

    asked = answers or {}
    write(
        result,
        data,
        path,
        imputation=filled,
        curves=curves,
        pooled={text: one.pooled for text, one in asked.items()},
        beside={text: one.others for text, one in asked.items()},
        multiple=None if several is None else several.multiple,
        at_random=None if several is None else several.plain,
        about=About(None if table == STANDARD else table, _command(), words=at_the_shell),
        title=title,
        calibrate=calibrate,
        seed=seed,
    )
    say(f"report: {path} (for a program: {twin_of(path)})")
