"""Warnings about suspicious columns, each naming the option of the command that helps."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from .console import listed, quoted
from .fields import Fields

_IDENTIFIERS = ("identifier", "digits lost", "leading zeros")
#: the most suspicions of one kind that are printed on a line each
_MOST_ALIKE = 3


class Suspicion(NamedTuple):
    """A column that is probably not what it looks like, and the option that helps."""

    column: str
    kind: str
    says: str
    option: str


def suspicions(
    fields: Fields,
    untouched: Iterable[str] = (),
    declared: Collection[str] = (),
    inferred: bool = False,
) -> list[Suspicion]:
    """List the suspicious columns among those to be modelled, in the table's order.

    Args:
        fields: the table as it was read.
        untouched: columns that are left out of the model.
        declared: columns whose kind was declared.
        inferred: whether the kinds of the other columns are inferred from their values.
    """
    from ..data.columns.suspects import suspects

    left_out = list(untouched)
    frame = fields.frame.drop(columns=left_out)
    texts = None if fields.csv is None else fields.csv.texts.drop(columns=left_out)
    found = suspects(frame, texts, declared, inferred)
    return [_of_row(row) for row in found.itertuples()]


def _of_row(row: Any) -> Suspicion:
    option = str(row.option)
    if row.kind in _IDENTIFIERS and option.startswith("--leave-out"):
        option = f"{option} (or {option.replace('--leave-out', '--id', 1)})"
    return Suspicion(str(row.column), str(row.kind), _says_at_the_shell(row), option)


def _says_at_the_shell(row: Any) -> str:
    """Name the options of ``absentia impute`` in place of what the library calls them."""
    says = str(row.says)
    known = next((f"{row.column}={how}" for how in ("low", "high") if f"being {how} (" in says), "")
    return says.replace(
        "(a mechanism 'limit')", f"(impute --missingness limit --sign {quoted(known)})"
    )


def helped(found: Iterable[Suspicion]) -> set[str]:
    """Return the columns that an option of reading makes usable, other than leaving them out."""
    return {one.column for one in found if not one.option.startswith("--leave-out")}


def lines_of(found: Iterable[Suspicion]) -> list[str]:
    """Write one line per suspicion; many of one kind and with one cure share a line."""
    alike: dict[tuple[str, str], list[Suspicion]] = {}
    for one in found:
        cure = one.option.replace(one.column, "")  # 99 in one column is not 9 in another
        alike.setdefault((one.kind, cure), []).append(one)
    lines = []
    for those in alike.values():
        if len(those) > _MOST_ALIKE:
            names = listed([one.column for one in those[1:]], 20)
            lines.append(f"{_line(those[0])}; likewise {names}")
        else:
            lines += [_line(one) for one in those]
    return lines


def _line(one: Suspicion) -> str:
    if one.says.endswith("?"):
        return f"{one.says} If so, {_cure(one)}"
    return f"{one.says}; {_cure(one)}"


def _cure(one: Suspicion) -> str:
    if one.kind in ("spelling", "numbers as text", "dates as text") and one.option.startswith(
        "--leave-out"
    ):
        return f"correct it in the file, or give {one.option}"
    return f"give {one.option}"
