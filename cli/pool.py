"""The command ``absentia pool``: a regression of completed tables, pooled by Rubin's rules."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import console, print_document, say, talking
from .csv_options import USUAL_CSV, USUAL_TALK, CSVOptions, TalkOptions, reads_a_table
from .one_line_errors import one_line_errors
from .paths import check_outputs, make_folders

if TYPE_CHECKING:
    import pandas as pd

    from .pooling import Answers


class Family(StrEnum):
    """The families of regressions that the command accepts."""

    gaussian = "gaussian"
    binomial = "binomial"
    poisson = "poisson"


FORMULA = typer.Argument(
    help="The regression, such as 'y ~ x + z'; 'y ~ 1' is a mean. Columns of text are categories.",
    show_default=False,
)
FAMILY = typer.Option(
    help="gaussian: linear; binomial: logistic, of two values; poisson: of counts."
)
WEIGHTS = typer.Option(help="Column of sampling weights; standard errors are then robust.")
LEVEL = typer.Option(help="Coverage of the intervals, a probability.")


@reads_a_table
def pool(
    draws: Annotated[
        Path, typer.Argument(help="Completed tables, as impute --multiple writes them.")
    ],
    formula: Annotated[str, FORMULA],
    family: Annotated[Family, FAMILY] = Family.gaussian,
    weights: Annotated[str | None, WEIGHTS] = None,
    robust: Annotated[
        bool, typer.Option("--robust", help="Standard errors that allow for unequal variances.")
    ] = False,
    level: Annotated[float, LEVEL] = 0.95,
    imputed: Annotated[
        Path | None,
        typer.Option(help="Which cells were imputed; by default the file beside DRAWS."),
    ] = None,
    at_random: Annotated[
        Path | None,
        typer.Option(
            help="Tables completed under missing at random; by default the file beside DRAWS."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Table of the estimates to write.")] = None,
    csv: CSVOptions = USUAL_CSV,
    talk: TalkOptions = USUAL_TALK,
) -> None:
    """Analyse completed tables by a regression, and pool the estimates by Rubin's rules.

    Shown are estimate, standard error, degrees of freedom, p-value, interval and the fraction of
    missing information (fmi), beside the estimates of the complete cases and of tables completed
    under missing at random, where impute --multiple has written these beside DRAWS.
    """
    with one_line_errors(document=talk.json), talking(talk.quiet, talk.json, talk.verbose):
        from ..data.table_files import TableFile
        from ..data.table_writing import write_table
        from .documents import answers_document, head
        from .pooling import answers_of

        if out is not None:
            TableFile.of(out)
        check_outputs([draws, imputed, at_random], [("--out", out)])
        answers = answers_of(
            draws, formula, family.value, weights, robust, level, imputed, at_random,
            csv.format(), csv.sheet,
        )  # fmt: skip
        say_answers(answers, formula, level)
        if out is not None:
            make_folders([out])
            write_table(answers.table(), out, csv.format())
            say(f"estimates: {out}")
        if talk.json:
            print_document(
                {
                    **head("pool"),
                    **answers_document(answers, formula, level),
                }
            )


def say_answers(answers: Answers, formula: str, level: float) -> None:
    """Print a pooled answer, and the others beside it."""
    from .frames import shown
    from .pooling import beside

    pooled = answers.pooled
    title = (
        f"{formula} ({answers.kind}), pooled over {pooled.m} tables of {answers.rows} rows, "
        f"{100 * level:g} % intervals"
    )
    console.print(shown(_named(pooled.summary()), title, "term", False, 4), soft_wrap=True)
    if answers.others:
        console.print(
            shown(beside(answers), "estimates (se) beside", "term", False), soft_wrap=True
        )
    for line in answers.notes:
        say(f"note: {line}")


def _named(summary: pd.DataFrame) -> pd.DataFrame:
    """Write p-values as they are reported."""
    p_values = ["<.001" if p < 0.001 else f"{p:.3f}" for p in summary["p_value"]]
    return summary.assign(p_value=p_values).rename(columns={"p_value": "p"})
