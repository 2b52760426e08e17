"""The command ``absentia sensitivity``: an answer as a function of what is assumed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ..data.errors import InputError
from .console import console, print_document, say, talking
from .csv_options import USUAL_CSV, USUAL_TALK, CSVOptions, Table, TalkOptions, reads_a_table
from .one_line_errors import one_line_errors
from .paths import check_outputs, make_folders
from .pool import FAMILY, FORMULA, LEVEL, WEIGHTS, Family

COLUMN = typer.Option(help="The column whose missing values are in question.")
SLOPES = typer.Option(
    help="Slopes of the log-odds of being missing on the column's own value, per sd: FROM:TO:STEP "
    "or a list, as in -2:2:.5 or -1,0,1. 0 is missing at random."
)
DELTA = typer.Option(
    help="Shifts of the missing values against what is expected at random, in sd: as --slopes."
)


@reads_a_table
def sensitivity(
    table: Table,
    formula: Annotated[str, FORMULA],
    column: Annotated[str, COLUMN],
    slopes: Annotated[str | None, SLOPES] = None,
    delta: Annotated[str | None, DELTA] = None,
    family: Annotated[Family, FAMILY] = Family.gaussian,
    weights: Annotated[str | None, WEIGHTS] = None,
    value: Annotated[
        float, typer.Option(help="The estimate at which the conclusion changes.")
    ] = 0.0,
    term: Annotated[
        list[str] | None,
        typer.Option(help="Term of the regression to show; by default all but the intercept."),
    ] = None,
    missing: Annotated[
        str | None,
        typer.Option(
            help="For --slopes: why the column is missing, as a formula that reads the column "
            "itself, 'income ~ income + age'; by default by its own value alone."
        ),
    ] = None,
    multiple: Annotated[
        int, typer.Option(min=2, help="Completed tables for each slope or shift.")
    ] = 20,
    schema: Annotated[
        str | None, typer.Option(help="Kinds of the columns: a TOML or JSON file, or 'infer'.")
    ] = None,
    leave_out: Annotated[
        list[str] | None, typer.Option(help="Column that is not modelled. Repeatable.")
    ] = None,
    id_column: Annotated[
        str | None, typer.Option("--id", help="Column that identifies the rows; not modelled.")
    ] = None,
    seed: Annotated[int, typer.Option(max=2**63 - 1, help="Seed of all random numbers.")] = 0,
    level: Annotated[float, LEVEL] = 0.95,
    picture: Annotated[Path | None, typer.Option(help="PNG file to draw the curves in.")] = None,
    out: Annotated[Path | None, typer.Option(help="Table of the curves to write.")] = None,
    csv: CSVOptions = USUAL_CSV,
    talk: TalkOptions = USUAL_TALK,
) -> None:
    """Show how a regression depends on what is assumed about the missing values of a column.

    With --slopes the column's log-odds of being missing are linear in its own value with each of
    the slopes; with --delta missing values are shifted against what is expected at random. Shown
    are estimates and intervals, where the conclusion changes, and which slopes the data do not
    contradict. No observed value can tell which slope or shift is right.
    """
    with one_line_errors(document=talk.json), talking(talk.quiet, talk.json, talk.verbose):
        from ..data.table_files import TableFile
        from ..data.table_writing import write_table
        from .curves import (
            Question,
            check_terms,
            curve_document,
            curve_of,
            terms_of,
            values_in,
            write_picture,
        )
        from .fields import read_fields
        from .fitting import read_data
        from .frames import shown
        from .impute_options import carried
        from .kinds import declared_in
        from .reading import say_how_it_was_read
        from .suspicions import suspicions

        if (slopes is None) == (delta is None):
            raise InputError("give either --slopes or --delta, such as --slopes -2:2:.5")
        if missing is not None and slopes is None:
            raise InputError("--missing says how --slopes enter; give it with --slopes")
        option = "--slopes" if slopes is not None else "--delta"
        tried = values_in(str(slopes if delta is None else delta), option)
        schema_path = None if schema in (None, "infer") else Path(str(schema))
        check_outputs([table, schema_path], [("--out", out), ("--picture", picture)])
        if out is not None:
            TableFile.of(out)
        if picture is not None and picture.suffix.lower() != ".png":
            raise InputError(f"--picture {picture} is no PNG file; give a name that ends in .png")
        declared = declared_in(schema)
        fields = read_fields(table, declared, form=csv.format(), sheet=csv.sheet)
        say_how_it_was_read(fields)
        untouched = carried(fields.frame, table, leave_out, id_column, None)
        declared = {name: kind for name, kind in declared.items() if name not in untouched}
        question = Question(formula, family.value, weights, fields.frame[untouched])
        question.regression.check(fields.frame)
        check_terms(question, fields.frame, term)
        inferred = schema == "infer"
        suspected = suspicions(fields, untouched, declared, inferred)
        modelled = fields.frame.drop(columns=untouched)
        data = read_data(modelled, table, declared, inferred, None, suspected)
        curve = curve_of(
            data, question, column, tried, option == "--slopes", missing, multiple, level, seed,
            sys.stderr.isatty() and not talk.quiet,
        )  # fmt: skip
        names = terms_of(curve, term)
        for name in names:
            rows = curve.of(name)[["estimate", "se", "lower", "upper", "fmi", "how"]]
            title = f"{name}, by the {curve.assumption.rstrip(',')} of '{column}'"
            console.print(shown(rows, title, "at", False, 4), soft_wrap=True)
        for name in names:
            say(curve.tips(value, name))
        if not curve.profile.empty:
            say(curve.support())
        make_folders([out, picture])
        if picture is not None:
            write_picture(curve, names, value, picture)
            say(f"picture: {picture}")
        if out is not None:
            write_table(curve.table, out, csv.format())
            say(f"curves: {out}")
        if talk.json:
            print_document(curve_document(curve, formula, value, names))
