"""The result tables of the documentation and of the results' own README.md, from committed results.

``python -m absentia.experiments.readme``, run in the top folder, writes a table of results into
the files between each pair of lines

    <!-- results NAME [SCORE] -->
    <!-- end of results -->

and a table of several scores side by side, of some headings and methods if any are named, between

    <!-- results NAME: SCORE, SCORE | HEADING, HEADING | METHOD; METHOD -->
    <!-- end of results -->

and a table of what the benchmarks measured between

    <!-- measured NAME -->
    <!-- end of measurements -->

With ``--check`` nothing is written, and the exit status is 1 if a table is out of date.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from ..data.errors import InputError
from ..data.system.files import write_text_atomic
from .bench.tables import DRAWN, measured
from .runner import Report, SideBySide, Spec, TaskTable, markdown, table_of

FILES = (Path("docs/validation.md"), Path("experiments/results/README.md"))
_BLOCK = re.compile(
    r"(<!-- results (?P<name>[\w-]+)(?: (?P<score>\w+))?(?:: (?P<choice>[^\n]+))? -->\n)"
    r".*?(<!-- end of results -->)",
    re.S,
)
_MEASURED = re.compile(
    r"(<!-- measured (?P<name>[\w-]+) -->\n).*?(<!-- end of measurements -->)", re.S
)


def refreshed(text: str, results: Path) -> str:
    """Return the text with its tables of results replaced by current ones.

    >>> refreshed("no table", Path("anywhere"))
    'no table'

    Args:
        text: the text of a Markdown file.
        results: the folder that holds a folder NAME for each experiment that the text names.

    Raises:
        InputError: for an experiment, a score, a heading or a method that is not known.
    """

    def drawn(block: re.Match[str]) -> str:
        spec = Spec.named(block["name"])
        report: Report | SideBySide | TaskTable
        if block["choice"]:
            report = _chosen(spec, results / spec.name, block["choice"])
        else:
            report = table_of(spec, "full", results / spec.name, block["score"])
        table = markdown(report.rows())
        return f"{block[1]}{table}\n\n{report.found} of {report.planned} cells.\n{block[5]}"

    def timed(block: re.Match[str]) -> str:
        if block["name"] not in DRAWN:
            raise InputError(f"benchmark '{block['name']}' is not one of {', '.join(DRAWN)}")
        rows, cells = measured(block["name"], results)
        return f"{block[1]}{markdown(rows)}\n\n{cells} cells.\n{block[3]}"

    return _MEASURED.sub(timed, _BLOCK.sub(drawn, text))


def _chosen(spec: Spec, folder: Path, choice: str) -> SideBySide:
    scores, columns, methods, *_ = [*choice.split(" | "), "", ""]
    return SideBySide.of(
        spec,
        "full",
        folder,
        scores.split(", "),
        columns.split(", ") if columns else None,
        methods.split("; ") if methods else None,
    )


def main(arguments: list[str] | None = None) -> int:
    """Write the tables, or check them; return 1 if a check finds one that is out of date."""
    parser = argparse.ArgumentParser(prog="absentia.experiments.readme")
    parser.add_argument("--check", action="store_true", help="write nothing, only compare")
    parser.add_argument(
        "--results",
        type=Path,
        default=Path("experiments/results"),
        help="folder of the results, with a folder for each experiment",
    )
    parser.add_argument(
        "--files", type=Path, nargs="+", default=FILES, help="Markdown files to write into"
    )
    options = parser.parse_args(arguments)
    texts = {path: path.read_text(encoding="utf-8") for path in options.files}
    drawn = {path: refreshed(text, options.results) for path, text in texts.items()}
    old = [path for path, text in texts.items() if drawn[path] != text]
    if options.check:
        print(
            "\n".join(f"{path}: tables are out of date" for path in old) or "all tables are current"
        )
        return int(bool(old))
    for path in old:
        write_text_atomic(path, drawn[path])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
