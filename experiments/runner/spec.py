"""What an experiment is: tables x amputations x methods x seeds, and the published figures."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent.parent / "specs"

#: published figures, a number or a number and its standard error
Figure = tuple[float, float | None]


@dataclass(frozen=True)
class Table:
    """Complete data: a real table by name, or a synthetic one with its arguments."""

    name: str
    make: str = "real"
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Scenario:
    """How values go missing: a function of :mod:`absentia.data.amputation` and its arguments."""

    name: str
    amputation: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Method:
    """A row of the table.

    ``kind`` is a model, a baseline, or "published" for a row that is not run. ``model``, ``fit``
    and ``impute`` are options of the three steps; ``choose`` lists values of model options, of
    which the bound on held-out rows chooses. ``scale`` is what the columns are standardised by.
    ``fit.on = "complete"`` fits the decoder to the complete table: an oracle.
    """

    name: str
    kind: str
    model: Mapping[str, Any] = field(default_factory=dict)
    fit: Mapping[str, Any] = field(default_factory=dict)
    impute: Mapping[str, Any] = field(default_factory=dict)
    choose: Mapping[str, list[Any]] = field(default_factory=dict)
    scale: str = "complete"
    published: Mapping[str, Figure] = field(default_factory=dict)

    @property
    def is_oracle(self) -> bool:
        """Whether it was told what is missing, so that no method is expected to beat it."""
        told = ("true-mean", "gaussian-oracle", "complete")
        return self.kind in told or self.fit.get("on") == "complete"


@dataclass(frozen=True)
class Spec:
    """An experiment as its file declares it; see :meth:`read` for the file."""

    name: str
    title: str
    source: str
    tables: tuple[Table, ...]
    scenarios: tuple[Scenario, ...]
    methods: tuple[Method, ...]
    budgets: Mapping[str, Mapping[str, Any]]
    score: str = "rmse"
    note: str = ""
    task: str = "complete"

    @property
    def methods_run(self) -> tuple[Method, ...]:
        """Those that are not published figures alone."""
        return tuple(m for m in self.methods if m.kind != "published")

    @property
    def columns(self) -> tuple[str, ...]:
        """Headings of the results: tables, or amputations of the one table, or both."""
        return tuple(self.column(t.name, s.name) for t in self.tables for s in self.scenarios)

    def column(self, table: str, scenario: str) -> str:
        """The heading that a cell stands under."""
        if len(self.scenarios) == 1:
            return table
        return scenario if len(self.tables) == 1 else f"{table}, {scenario}"

    @classmethod
    def named(cls, name: str) -> Spec:
        """One of :func:`spec_names`, or a file.

        Raises:
            ValueError: there is none, or the file is not right; says which and how.
        """
        path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
        if not path.is_file():
            raise ValueError(
                f"no experiment '{name}'; choose from {', '.join(spec_names())}, or give a file "
                f"NAME.toml"
            )
        return cls.read(path)

    @classmethod
    def read(cls, path: Path) -> Spec:
        """An experiment from a TOML file.

        ``title``, ``source``, ``score`` and ``note`` are text; ``task`` is one of
        :data:`absentia.experiments.tasks.TASKS`, ``"complete"`` when left out; ``tables`` names
        real tables, or ``[[table]]`` gives ``name``, ``make`` and further arguments;
        ``[[scenario]]`` gives ``name``, ``amputation`` and its arguments; ``[budget.NAME]`` gives
        ``seeds`` and may give ``rows``, ``fit`` and ``impute``, which go before those of all
        methods; ``[[method]]`` is a :class:`Method`, ``published`` by heading a number or
        ``[number, standard error]``.

        Raises:
            ValueError: for what is missing, unknown, or no TOML; names the file and the place.
        """
        try:
            with open(path, "rb") as file:
                document = tomllib.load(file)
        except tomllib.TOMLDecodeError as error:
            raise ValueError(f"{path} is not TOML: {error}") from None
        where = path.name
        _check_keys(where, document, _SPEC, ("title", "source", "method", "budget", "scenario"))
        tables = [Table(name) for name in document.get("tables", [])]
        for one in document.get("table", []):
            _check_keys(f"{where}, [[table]]", one, None, ("name", "make"))
            tables.append(Table(one["name"], one["make"], _others(one, "name", "make")))
        scenarios = []
        for one in document["scenario"]:
            _check_keys(f"{where}, [[scenario]]", one, None, ("name", "amputation"))
            others = _others(one, "name", "amputation")
            scenarios.append(Scenario(one["name"], one["amputation"], others))
        methods = [_method(f"{where}, [[method]]", one) for one in document["method"]]
        for budget, options in document["budget"].items():
            _check_keys(f"{where}, [budget.{budget}]", options, _BUDGET, ("seeds",))
        spec = cls(
            path.stem,
            document["title"],
            document["source"],
            tuple(tables),
            tuple(scenarios),
            tuple(methods),
            document["budget"],
            document.get("score", "rmse"),
            document.get("note", ""),
            document.get("task", "complete"),
        )
        _check_names(where, spec)
        return spec


def spec_names() -> tuple[str, ...]:
    """The experiments that come with the package.

    >>> "uci" in spec_names()
    True
    """
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


_SPEC = (
    "title",
    "source",
    "score",
    "note",
    "task",
    "tables",
    "table",
    "scenario",
    "budget",
    "method",
)
_BUDGET = ("seeds", "rows", "fit", "impute")
_METHOD = ("name", "kind", "model", "fit", "impute", "choose", "scale", "published")


def _method(where: str, one: Mapping[str, Any]) -> Method:
    _check_keys(where, one, _METHOD, ("name", "kind"))
    published: dict[str, Figure] = {}
    for column, figure in one.get("published", {}).items():
        pair = figure if isinstance(figure, list) else [figure, None]
        published[column] = (float(pair[0]), None if pair[1] is None else float(pair[1]))
    scale = one.get("scale", "complete")
    if scale not in ("complete", "observed"):
        raise ValueError(f"{where} '{one['name']}': scale '{scale}' is not complete or observed")
    return Method(**{**one, "published": published})


def _check_keys(
    where: str, found: Mapping[str, Any], known: tuple[str, ...] | None, needed: tuple[str, ...]
) -> None:
    lacking = [key for key in needed if key not in found]
    if lacking:
        raise ValueError(f"{where}: '{lacking[0]}' is missing")
    unknown = [key for key in found if known is not None and key not in known]
    if unknown:
        raise ValueError(f"{where}: '{unknown[0]}' is not one of {', '.join(known or ())}")


def _check_names(where: str, spec: Spec) -> None:
    if not spec.tables:
        raise ValueError(f"{where}: no table; give tables = [...] or [[table]]")
    for what, things in (
        ("table", spec.tables),
        ("scenario", spec.scenarios),
        ("method", spec.methods),
    ):
        names = [thing.name for thing in things]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ValueError(f"{where}: there are two of {what} '{twice[0]}'; rename one")
    for method in spec.methods:
        unknown = [column for column in method.published if column not in spec.columns]
        if unknown:
            raise ValueError(
                f"{where}, method '{method.name}': published '{unknown[0]}' is not one of "
                f"{', '.join(spec.columns)}"
            )


def _others(one: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in one.items() if key not in names}
