"""The command ``absentia fit``: fit the model that a file describes, in one process or in several.

It is the command for clusters: the file says everything, so that every process reads the same.
"""

from __future__ import annotations

import os
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..data.errors import AbsentiaWarning
from .console import print_document, quoted, say, talking
from .csv_options import USUAL_TALK, TalkOptions, reads_a_table
from .one_line_errors import one_line_errors

if TYPE_CHECKING:
    from ..data.scan import Scan
    from ..inference import FitResult
    from .fit_file import FitFile

_FILE = typer.Argument(
    metavar="file", help="TOML file that names the table and the model.", show_default=False
)


@reads_a_table
def fit(file: Annotated[Path, _FILE], talk: TalkOptions = USUAL_TALK) -> None:
    """Fit the model that FILE describes, and save it for absentia impute --fitted.

    FILE names the table, the folder to save the model in, arguments of absentia.scan under
    [read], of the model under [model], and of absentia.fit under [fit]. Paths are relative to the
    file.

    Started by torchrun, as in "torchrun --nproc-per-node 4 -m absentia fit FILE", the processes
    fit one model together: each reads parts of the table of its own, and gradients are averaged.
    """
    rank, several = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1)) > 1
    with (
        one_line_errors(document=talk.json) as here,
        talking(talk.quiet or rank > 0, talk.json, talk.verbose and rank == 0),
        warnings.catch_warnings(),
    ):
        if rank > 0:  # the first process tells what all of them find
            warnings.simplefilter("ignore", AbsentiaWarning)
        from ..data.scan import scan
        from .fit_file import FitFile
        from .paths import check_model_folder, check_outputs, make_folders

        asked = FitFile.of(file)
        outputs = [("checkpoint", asked.checkpoint)]
        check_outputs([asked.path], outputs, {"save": asked.save})
        check_model_folder(asked.save)
        make_folders([asked.checkpoint])
        if asked.checkpoint is not None:
            here.after_stop = f"the same command resumes the fit from {asked.checkpoint}"
        else:
            here.after_stop = "give a checkpoint in the file, and a fit that is stopped can resume"
        progress = sys.stderr.isatty() and not talk.quiet and rank == 0
        rows = scan(asked.table, progress=progress, **asked.read)
        say(f"{', '.join(asked.table)}: {rows}")
        result = _fitted(asked, rows, several, progress)
        if rank == 0:
            result.save(asked.save)
            _say_what_was_found(asked, result)
            if talk.json:
                print_document(
                    {"bound": result.bound, "rows": result.rows, "saved": str(asked.save),
                     "settings": result.settings.to_dict()}
                )  # fmt: skip


def _fitted(asked: FitFile, rows: Scan, several: bool, progress: bool) -> FitResult:
    """Fit the model, in this process or together with those that torchrun has started."""
    from ..inference import fit as fit_model
    from .pace import lines_on_the_way

    settings: dict[str, Any] = dict(asked.settings)
    if several:
        settings.setdefault("optimiser", "adam")  # the only one whose work can be divided
    return fit_model(
        replace(asked, settings=settings).build,
        rows,
        rows_in_memory=asked.rows_in_memory,
        distributed="ddp" if several else None,
        checkpoint=asked.checkpoint,
        progress=progress,
        callback=lines_on_the_way(),
        seed=asked.seed,
        **settings,
    )


def _say_what_was_found(asked: FitFile, result: FitResult) -> None:
    """Print the bound, what the mechanism is, and the command that imputes with the model."""
    from .fitting import say_why

    say(f"bound {result.bound:.3f} nats per row")
    say_why(result)
    table = " ".join(quoted(one) for one in asked.table)
    say(f"saved in {asked.save}; now impute: absentia impute {table} --out FOLDER --fitted "
        f"{quoted(str(asked.save))}")  # fmt: skip
