"""The commands ``absentia reproduce`` and ``results``: results beside the published ones."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from ..data.errors import InputError
from .backend_option import BackendOption
from .console import console, errors, say
from .one_line_errors import one_line_errors

if TYPE_CHECKING:
    from ..experiments.runner import Report, SideBySide, TaskTable

_NAME = typer.Argument(
    help="Name of an experiment, such as uci, or a file NAME.toml.", show_default=False
)
_BUDGET = typer.Option(help="One of the budgets of the experiment, such as quick or full.")
_OUT = typer.Option(help="Folder of the results; when left out, absentia-results/NAME-BUDGET.")


class Format(StrEnum):
    """The formats in which results are printed."""

    text = "text"
    markdown = "markdown"
    csv = "csv"


def reproduce(
    name: Annotated[str, _NAME],
    budget: Annotated[str, _BUDGET] = "quick",
    jobs: Annotated[
        int, typer.Option(help="Number of cells that run at once; -1 for one per core.")
    ] = -1,
    backend: BackendOption = None,
    method: Annotated[
        list[str] | None, typer.Option(help="Run only this method. Repeatable.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="Device to fit on: cuda, cuda:1, mps.")] = None,
    out: Annotated[Path | None, _OUT] = None,
) -> None:
    """Run the cells of an experiment that have no result yet, and print all beside published ones.

    A cell is one method on one table with one seed, and its result is a JSON file in OUT. A run
    that was stopped continues where it was when it is started again.
    """
    with one_line_errors() as here:
        from ..experiments.runner import Progress, Spec, plan, run, table_of

        if jobs == 0:
            raise InputError(
                "--jobs is 0; give the number of cells to run at once, or -1 for one per core"
            )
        spec = Spec.named(name)
        folder = _folder(spec.name, budget, out)
        say(f"{spec.title}: {len(plan(spec, budget))} cells in all, results in {folder}")

        reasons: Counter[str] = Counter()

        def tell(progress: Progress) -> None:
            done = f"{progress.done} of {progress.total}"
            if progress.error is None:
                say(f"{done}: {progress.cell}, {progress.seconds:.0f} s")
                return
            reasons[progress.error] += 1
            if reasons[progress.error] == 1:  # the same error is printed once
                say(f"failed: {progress.cell}: {progress.error}", errors)

        here.after_stop = f"finished cells are in {folder}, and the same command runs the others"
        failed = run(spec, budget, folder, jobs, tell, method, device, backend)
        _show(table_of(spec, budget, folder), Format.text)
        if failed:
            why = ""
            if len(reasons) < len(failed):
                why = " for one reason" if len(reasons) == 1 else f" for {len(reasons)} reasons"
            first = failed[0].cell
            say(f"error: {len(failed)} cells failed{why}, the first of them {first}", errors)
            raise typer.Exit(1)


def results(
    name: Annotated[str, _NAME],
    budget: Annotated[str, _BUDGET] = "full",
    score: Annotated[
        list[str] | None,
        typer.Option(
            help="Score to print: rmse, mae, crps, coverage_95, bound, seconds, peak_memory_mb, "
            "... Repeatable."
        ),
    ] = None,
    format: Annotated[Format, typer.Option(help="Format of the printed table.")] = Format.text,
    figure: Annotated[
        Path | None, typer.Option(help="PNG file to draw the results in, too.")
    ] = None,
    out: Annotated[Path | None, _OUT] = None,
) -> None:
    """Print the results that an experiment has so far, beside the published figures."""
    with one_line_errors():
        from ..experiments.runner import SideBySide, Spec, table_of

        spec = Spec.named(name)
        folder = _folder(spec.name, budget, out)
        if not folder.is_dir():
            raise InputError(f"{folder} has no results; run absentia reproduce {name}")
        first = score[0] if score else None
        if figure is not None:
            _check_picture(figure)
        if score and len(score) > 1:
            if format is Format.csv:
                raise InputError("--format csv prints one score; give a single --score")
            _show(SideBySide.of(spec, budget, folder, score), format)
        else:
            _show(table_of(spec, budget, folder, first), format)
        if figure is not None:
            from ..experiments.runner.figures import draw

            draw(spec, budget, folder, figure, first)


def _check_picture(path: Path) -> None:
    """Refuse a path that is not a picture's, such as that of a result or of the experiment.

    Raises:
        InputError: if it, or the file that a link points to, does not end in .png.
        FileError: if it cannot be written to.
    """
    from .paths import check_writable

    if {path.suffix.lower(), path.resolve().suffix.lower()} != {".png"}:
        raise InputError(f"--figure {path} is not a PNG file; give a name that ends in .png")
    check_writable(path)


def _folder(name: str, budget: str, out: Path | None) -> Path:
    return Path("absentia-results") / f"{name}-{budget}" if out is None else out


def _show(report: Report | SideBySide | TaskTable, format: Format) -> None:
    from ..experiments.runner import Report, markdown

    if format is Format.csv and isinstance(report, Report):
        typer.echo(report.csv(), nl=False)
        return
    if format is Format.markdown:
        typer.echo(f"{report.caption()}\n\n{markdown(report.rows())}")
        return
    rows = [[cell.replace("**", "") for cell in row] for row in report.rows()]
    say(report.caption())
    table = Table()
    for heading, *cells in zip(*rows, strict=True):
        # never folded: a table that is wider than the window is easier to read than one in pieces
        table.add_column(heading, no_wrap=True, min_width=max(map(len, (heading, *cells))))
    for row in rows[1:]:
        table.add_row(*map(escape, row))
    console.print(table, soft_wrap=True)
