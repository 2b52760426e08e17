"""The declaration of an experiment: tables, amputations, methods, seeds and published figures."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...data.errors import InputError
from ..declared import (
    NUMBER,
    Kinds,
    check_amputation,
    check_fit,
    check_impute,
    check_keys,
    check_kind,
    check_method,
    check_names,
    check_table,
    check_tables,
    check_task,
    is_open,
    model_options,
)

FOLDER = Path(__file__).resolve().parent.parent / "specs"

#: published figures, a number or a number and its standard error
Figure = tuple[float, float | None]


@dataclass(frozen=True)
class Table:
    """A complete table: a real one by its name, or a synthetic one with its arguments."""

    name: str
    make: str = "real"
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Scenario:
    """An amputation: a function of :mod:`absentia.data.amputation` and its arguments."""

    name: str
    amputation: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Method:
    """A method of the experiment, which is a row of its table.

    ``kind`` is a model, a baseline, or "published" for a row that is only quoted. ``model``,
    ``fit`` and ``impute`` are options of the three steps. ``choose`` lists values of model options,
    from which the best bound on held-out rows chooses. ``scale`` says whether columns are
    standardised by their complete or by their observed values. ``tables`` and ``scenarios`` name
    those on which the method runs; all when left out. With ``fit.on = "complete"`` the decoder is
    fitted to the complete table, which makes the method an oracle.
    """

    name: str
    kind: str
    model: Mapping[str, Any] = field(default_factory=dict)
    fit: Mapping[str, Any] = field(default_factory=dict)
    impute: Mapping[str, Any] = field(default_factory=dict)
    choose: Mapping[str, list[Any]] = field(default_factory=dict)
    scale: str = "complete"
    published: Mapping[str, Figure] = field(default_factory=dict)
    tables: tuple[str, ...] = ()
    scenarios: tuple[str, ...] = ()

    @property
    def is_oracle(self) -> bool:
        """Whether the method uses hidden values, so that no other is expected to do better."""
        told = ("true-mean", "gaussian-oracle", "complete")
        return self.kind in told or self.fit.get("on") == "complete"


@dataclass(frozen=True)
class Spec:
    """An experiment; :meth:`read` describes the file that declares it."""

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
        """The methods that are run, and not only quoted from a publication."""
        return tuple(m for m in self.methods if m.kind != "published")

    @property
    def columns(self) -> tuple[str, ...]:
        """The headings of the results: tables, or amputations of the one table, or both."""
        return tuple(self.column(t.name, s.name) for t in self.tables for s in self.scenarios)

    def column(self, table: str, scenario: str) -> str:
        """Return the heading of a table under an amputation."""
        if len(self.scenarios) == 1:
            return table
        return scenario if len(self.tables) == 1 else f"{table}, {scenario}"

    @classmethod
    def named(cls, name: str) -> Spec:
        """Read an experiment that comes with the package, or a file NAME.toml.

        Raises:
            InputError: if there is no such experiment, or if its file is wrong; names the place.
        """
        path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
        if not path.is_file():
            raise InputError(
                f"there is no experiment '{name}'; choose from {', '.join(spec_names())}, or give "
                f"a file NAME.toml"
            )
        return cls.read(path)

    @classmethod
    def read(cls, path: Path) -> Spec:
        """Read an experiment from a TOML file.

        * ``title``, ``source``, ``score`` and ``note`` are text.
        * ``task`` is one of :data:`absentia.experiments.tasks.TASKS`; ``"complete"`` when left out.
        * ``tables`` lists real tables by name; ``[[table]]`` gives ``name``, ``make`` and further
          arguments.
        * ``[[scenario]]`` gives ``name``, ``amputation`` and its arguments.
        * ``[budget.NAME]`` gives ``seeds``, and may give ``rows``, and ``fit`` and ``impute``,
          which override those of the methods. ``tables``, ``scenarios`` and ``methods`` name those
          that are run; all when left out.
        * ``[[method]]`` is a :class:`Method`; its ``published`` gives, by heading, a number or
          ``[number, standard error]``.

        Raises:
            InputError: if a key is missing, unknown or wrong, or the file is not TOML; names the
                file and the place.
        """
        try:
            with open(path, "rb") as file:
                document = tomllib.load(file)
        except tomllib.TOMLDecodeError as error:
            raise InputError(f"{path} is not TOML: {error}") from None
        where = path.name
        check_keys(where, document, _SPEC, ("title", "source", "method", "budget", "scenario"))
        task = document.get("task", "complete")
        check_task(where, task)
        tables = []
        for name in document.get("tables", []):
            check_kind(f"{where}: 'tables' holds what", name, (str,))
            tables.append(Table(name))
        for one in check_tables(f"{where}: 'table'", document.get("table", [])):
            check_keys(f"{where}, [[table]]", one, None, ("name", "make"))
            tables.append(Table(one["name"], one["make"], _others(one, "name", "make")))
        scenarios = []
        for one in check_tables(f"{where}: 'scenario'", document["scenario"]):
            check_keys(f"{where}, [[scenario]]", one, None, ("name", "amputation"))
            others = _others(one, "name", "amputation")
            scenarios.append(Scenario(one["name"], one["amputation"], others))
        methods = [
            _method(f"{where}, [[method]]", one, task)
            for one in check_tables(f"{where}: 'method'", document["method"])
        ]
        for budget, options in document["budget"].items():
            here = f"{where}, [budget.{budget}]"
            check_keys(here, options, _BUDGET, ("seeds",))
            check_fit(f"{here}, fit", options.get("fit", {}), task)
            check_impute(f"{here}, impute", options.get("impute", {}), task)
            for key in ("seeds", "rows"):
                if options.get(key, 1) < 1:
                    raise InputError(f"{here}: '{key}' is {options[key]}; give at least 1")
            for key, things in (("tables", tables), ("scenarios", scenarios), ("methods", methods)):
                check_names(f"{here}: '{key}'", options.get(key, []), [t.name for t in things])
        for method in methods:
            here = f"{where}, [[method]] '{method.name}'"
            check_names(f"{here}: 'tables'", method.tables, [table.name for table in tables])
            names = [scenario.name for scenario in scenarios]
            check_names(f"{here}: 'scenarios'", method.scenarios, names)
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
            task,
        )
        _check_names(where, spec)
        for table in tables if is_open(task) else ():
            place = f"{where}, table '{table.name}'"
            check_table(place, table.name, table.make, table.arguments)
        for scenario in scenarios if is_open(task) else ():
            place = f"{where}, scenario '{scenario.name}'"
            check_amputation(place, scenario.amputation, scenario.arguments)
        return spec


def spec_names() -> tuple[str, ...]:
    """List the names of the experiments that come with the package.

    >>> "uci" in spec_names()
    True
    """
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


_SPEC: dict[str, Kinds] = {
    "title": (str,),
    "source": (str,),
    "score": (str,),
    "note": (str,),
    "task": (str,),
    "tables": (list,),
    "table": (list,),
    "scenario": (list,),
    "budget": (dict,),
    "method": (list,),
}
_BUDGET: dict[str, Kinds] = {
    "seeds": (int,),
    "rows": (int,),
    "fit": (dict,),
    "impute": (dict,),
    "tables": (list,),
    "scenarios": (list,),
    "methods": (list,),
}
_METHOD: dict[str, Kinds] = {
    "name": (str,),
    "kind": (str,),
    "model": (dict,),
    "fit": (dict,),
    "impute": (dict,),
    "choose": (dict,),
    "scale": (str,),
    "published": (dict,),
    "tables": (list,),
    "scenarios": (list,),
}


def _method(where: str, one: Mapping[str, Any], task: str) -> Method:
    check_keys(where, one, _METHOD, ("name", "kind"))
    where = f"{where} '{one['name']}'"
    if one["kind"] != "published" and is_open(task):
        check_method(where, one, task)
        options = model_options(task, one["kind"])
        check_keys(f"{where}, choose", one.get("choose", {}), dict.fromkeys(options, (list,)))
    published = {
        column: _figure(f"{where}, published '{column}'", figure)
        for column, figure in one.get("published", {}).items()
    }
    scale = one.get("scale", "complete")
    if scale not in ("complete", "observed"):
        raise InputError(f"{where}: scale is '{scale}'; give complete or observed")
    parts = {key: tuple(one.get(key, ())) for key in ("tables", "scenarios")}
    return Method(**{**one, "published": published, **parts})


def _figure(where: str, found: Any) -> Figure:
    pair = found if isinstance(found, list) else [found]
    if len(pair) not in (1, 2):
        raise InputError(f"{where} is {found!r}; give a number, or [number, standard error]")
    for number in pair:
        check_kind(where, number, NUMBER)
    return float(pair[0]), float(pair[1]) if len(pair) > 1 else None


def _check_names(where: str, spec: Spec) -> None:
    if not spec.tables:
        raise InputError(f"{where} has no table; give tables = [...] or [[table]]")
    for what, things in (
        ("table", spec.tables),
        ("scenario", spec.scenarios),
        ("method", spec.methods),
    ):
        for thing in things:
            check_kind(f"{where}, {what}: 'name'", thing.name, (str,))
        names = [thing.name for thing in things]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise InputError(f"{where}: two entries of {what} are called '{twice[0]}'; rename one")
    for method in spec.methods:
        unknown = [column for column in method.published if column not in spec.columns]
        if unknown:
            raise InputError(
                f"{where}, method '{method.name}': published '{unknown[0]}' is not one of "
                f"{', '.join(spec.columns)}"
            )


def _others(one: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in one.items() if key not in names}
