"""Describe a mechanism in words: its equations, its graph, and what identifies it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from ...data.errors import NameLookupError


@dataclass(frozen=True)
class ColumnDescription:
    """The description of why the values of one column are missing.

    Args:
        column: the name of the column.
        equation: its log-odds (or probit) of being missing, in the data's own units.
        values: the columns whose values the equation reads.
        masks: the columns of which the equation reads whether they are missing.
        others: the covariates and latents that the equation reads.
        integration: how missing values of the column are integrated out, or that they are sampled.
        identified: True, False, or None if it depends on a condition that data cannot confirm.
        reason: what identifies the mechanism, or that nothing does.
    """

    column: str
    equation: str
    values: tuple[str, ...] = ()
    masks: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    integration: str = ""
    identified: bool | None = None
    reason: str = ""

    @property
    def self_censoring(self) -> bool:
        """Whether a value's absence depends on the value itself."""
        return self.column in self.values

    @property
    def colluders(self) -> tuple[str, ...]:
        """The columns whose value and missingness both enter this column's equation.

        The structure x_k -> R_j <- R_k, under which the full law of a missing-data graph is not
        identified (Bhattacharya, Nabi, Shpitser & Robins, UAI 2019; Nabi et al., ICML 2020).
        """
        return tuple(name for name in self.values if name in self.masks and name != self.column)


@dataclass(frozen=True)
class Description:
    """A mechanism described in words; ``print`` it, or read its parts.

    >>> from absentia.models import SelfMasking
    >>> print(SelfMasking(1, slope=-2.0, offset=0.5).describe())
    SelfMasking (x in standard deviations)
      x0 (self-censoring)
        logit P(x0 missing) = -0.5 + 2 x0
        missing values: integrated out
        identified: yes, its coefficients are given
    graph: x0 -> R[x0] (self-censoring)
    """

    title: str
    columns: tuple[ColumnDescription, ...]

    def __getitem__(self, column: str) -> ColumnDescription:
        """Return the description of one column.

        Raises:
            KeyError: if there is none of this name.
        """
        for one in self.columns:
            if one.column == column:
                return one
        raise NameLookupError(f"no column {column!r}; there are {[c.column for c in self.columns]}")

    def checked(self, found: pd.DataFrame | None) -> Description:
        """Return the same description, with what a check of the data says about identification.

        Args:
            found: the result of :func:`absentia.check.check_identification`; None changes nothing.
        """
        if found is None:
            return self
        found_of = dict(found.iterrows())
        columns = tuple(
            _with_finding(one, found_of[one.column]) if one.column in found_of else one
            for one in self.columns
        )
        return replace(self, columns=columns)

    @property
    def edges(self) -> tuple[tuple[str, str, str], ...]:
        """The edges of the graph as (from, to, kind); R[a] stands for the absence of column a.

        Kinds are "self-censoring", "value", "absence", "context" (a covariate or latent), and
        "colluder" for both edges of a colluder (see
        :attr:`ColumnDescription.colluders`).
        """
        found = []
        for one in self.columns:
            target = f"R[{one.column}]"
            for name in one.values:
                kind = "self-censoring" if name == one.column else "value"
                found.append((name, target, "colluder" if name in one.colluders else kind))
            for name in one.masks:
                kind = "colluder" if name in one.colluders else "absence"
                found.append((f"R[{name}]", target, kind))
            found += [(name, target, "context") for name in one.others]
        return tuple(found)

    @property
    def unidentified(self) -> tuple[str, ...]:
        """The columns whose mechanism is identified by its parametric form alone."""
        return tuple(one.column for one in self.columns if one.identified is False)

    @property
    def wide(self) -> bool:
        """Whether there are too many equations to write a paragraph for each column."""
        return sum(1 for one in self.columns if one.reason) > _MOST_PARAGRAPHS

    def __str__(self) -> str:
        """Write a paragraph for each column, or a line where there are many, then the graph."""
        if self.wide:
            return "\n".join([self.title, self.equations(), self.summary()])
        lines = [self.title]
        for one in self.columns:
            if not one.reason:
                continue
            flags = ["self-censoring"] if one.self_censoring else []
            flags += [f"colluder with {name}" for name in one.colluders]
            lines.append(f"  {one.column}" + (f" ({', '.join(flags)})" if flags else ""))
            lines.append(f"    {one.equation}")
            lines.append(f"    missing values: {one.integration}")
            lines.append(f"    identified: {IDENTIFIED[one.identified]}, {one.reason}")
        lines += self._without_mechanism()
        shown = [
            f"{source} -> {target}" + (f" ({kind})" if kind in _NAMED_EDGES else "")
            for source, target, kind in self.edges
        ]
        lines.append("graph: " + (", ".join(shown) if shown else "no edges"))
        return "\n".join(lines)

    def equations(self) -> str:
        """Write one line for each column that has an equation."""
        return "\n".join(f"  {one.equation}" for one in self.columns if one.reason)

    def sentences(self) -> list[str]:
        """Write how gaps are integrated out and what identifies slopes, equal sentences once."""
        columns_of: dict[str, list[str]] = {}  # by sentence
        first_of_kind: dict[str, str] = {}  # sentences by what is left without the column's name
        for one in self.columns:
            if not one.reason:
                continue
            for sentence in (
                f"missing values: {one.integration}",
                f"identified: {IDENTIFIED[one.identified]}, {one.reason}",
            ):
                # sentences that differ only in the name of their column count as one sentence
                key = re.sub(rf"(?<!\w){re.escape(one.column)}(?!\w)", "\0", sentence)
                first = first_of_kind.setdefault(key, sentence)
                columns_of.setdefault(first, []).append(one.column)
        lines = []
        for sentence, names in columns_of.items():
            alike = f" (of {names[0]}; the same of {_listed(names[1:])})" if names[1:] else ""
            lines.append(f"{sentence}{alike or f' (of {names[0]})'}")
        return lines + [line.strip() for line in self._without_mechanism()]

    def summary(self) -> str:
        """Write all but the equations; what is true of several columns is written once."""
        lines = [f"  {line}" for line in self.sentences()]
        edges = self.edges
        own = [source for source, _, kind in edges if kind == "self-censoring"]
        others = [
            f"{source} -> {target}" + (f" ({kind})" if kind in _NAMED_EDGES else "")
            for source, target, kind in edges
            if kind != "self-censoring"
        ]
        parts = [f"{_listed(own)}, each to its own absence (self-censoring)"] if own else []
        parts += [_listed(others)] if others else []
        lines.append("graph: " + ("; ".join(parts) if parts else "no edges"))
        return "\n".join(lines)

    def _without_mechanism(self) -> list[str]:
        """Write a line for each reason why columns have no mechanism, which lists these columns."""
        found: dict[str, list[str]] = {}
        for one in self.columns:
            if not one.reason:  # its equation says that it has none, such as "never missing"
                found.setdefault(one.equation, []).append(one.column)
        return [f"  {why}: {_listed(names)}" for why, names in found.items()]


def _listed(names: Sequence[str]) -> str:
    """Join names by commas, the first twenty of them with the number of the others."""
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


#: how many columns have a paragraph of their own; more of them have a line each
_MOST_PARAGRAPHS = 4
_MOST_NAMES = 20
#: the kinds of edges that are named in the line of the graph
_NAMED_EDGES = ("self-censoring", "colluder")
#: whether a mechanism is identified, in words
IDENTIFIED = {True: "yes", False: "NO", None: "on a condition"}


def _with_finding(one: ColumnDescription, row: pd.Series[Any]) -> ColumnDescription:
    """Add to a description whether other columns identify the slope on the value itself.

    Shadow variables are columns that go with the value and that its mechanism does not read.
    """
    if row["known"] in ("given", "prior") or one.colluders:
        return one
    known = {
        "shrunk": "; its slope is shrunk towards 0",
        "direction": "; its direction is given",
    }.get(str(row["known"]), "")
    if not row["identified"]:
        return replace(
            one,
            identified=False,
            reason=f"by nothing but the shape that the decoder gives its values: the columns that "
            f"are not in its equation explain hardly any of their variation{known}",
        )
    return replace(
        one,
        identified=None,
        reason=f"if {row['by']} and being missing are independent given the value (shadow "
        f"variables, Miao & Tchetgen Tchetgen, 2016): they are associated with it{known}",
    )
