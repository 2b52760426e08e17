"""One factor of a term: its source text, compiled to a function of tensors."""

from __future__ import annotations

import ast
import math
import operator
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from ....data.errors import InputError
from . import splines
from .grammar import LATENTS

Lookup = Callable[[str], Tensor]
#: functions of one number
PLAIN: dict[str, Callable[[Tensor], Tensor]] = {
    "I": lambda x: x,
    "log": torch.log,
    "log1p": torch.log1p,
    "exp": torch.exp,
    "sqrt": torch.sqrt,
    "abs": torch.abs,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
}
#: functions that learn something of the observed values
LEARNING = ("center", "scale", "standardize", "poly", "bs", "ns", "cr")
#: what functions take besides their value
OPTIONS: dict[str, tuple[str, ...]] = {
    "poly": ("degree",),
    "bs": ("df", "degree"),
    "ns": ("df",),
    "cr": ("df",),
    "hinge": ("knot",),
}
DEFAULTS: dict[str, dict[str, float]] = {
    "poly": {},
    "bs": {"df": 5, "degree": 3},
    "ns": {"df": 4},
    "cr": {"df": 4},
}
_OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
#: the largest bases
MOST_DF, MOST_DEGREE = 100, 20
_DEEPEST = 100  # operations within each other
_QUOTED = re.compile(r"`([^`]*)`")


class Expression:
    """A factor such as ``log(income)``, ``bs(age, df=4)`` or ``C(stage)``.

    >>> factor = Expression("I(age**2)")
    >>> factor(lambda name: torch.tensor([1.0, 3.0]))[0]
    tensor([1., 9.])

    Args:
        source: its text; names that are no identifiers stand in backticks.
        state: what its functions have learnt, from :meth:`learn`.

    Raises:
        ValueError: an unknown function or operator, or nothing that it reads.
    """

    def __init__(self, source: str, state: dict[str, Any] | None = None) -> None:
        self.source = source
        self.quoted: dict[str, str] = {}
        self._place = "quoted"
        while self._place in source:
            self._place += "_"
        text = _QUOTED.sub(self._placeholder, source)
        try:
            self.tree = ast.parse(text.strip(), mode="eval").body
        except SyntaxError as error:
            raise InputError(f"'{_short(source)}' cannot be read ({error.msg})") from error
        except (RecursionError, MemoryError) as error:
            raise InputError(f"'{_short(source)}' is nested too deeply") from error
        if _depth(self.tree) > _DEEPEST:
            raise InputError(
                f"'{_short(source)}' is nested too deeply; {_DEEPEST} operations within each other "
                f"are the most"
            )
        #: under what the calls that learn keep their state
        self._keys: dict[ast.Call, str] = {}
        self.state: dict[str, Any] = {} if state is None else dict(state)
        #: columns and covariates read by value, columns read by their absence
        self.names: set[str] = set()
        self.absences: set[str] = set()
        self.latents: set[str] = set()
        self._inspect(self.tree, top=True)
        if not (self.names or self.absences or self.latents):
            raise InputError(f"'{source}' reads no column; multiply within I(2 * x)")

    def _placeholder(self, match: re.Match[str]) -> str:
        key = f"{self._place}_{len(self.quoted)}_"
        self.quoted[key] = match.group(1)
        return key

    def _name(self, node: ast.expr) -> str:
        if not isinstance(node, ast.Name):
            raise InputError(f"'{self.source}': give the name of a column there")
        return self.quoted.get(node.id, node.id)

    @property
    def name(self) -> str | None:
        """The column's name where the factor is a name and nothing else, otherwise None."""
        plain = isinstance(self.tree, ast.Name) and not self.latents
        return self._name(self.tree) if plain else None

    @property
    def levels_of(self) -> str | None:
        """The column inside ``C(...)``, or None where there is none."""
        tree = self.tree
        return (
            self._name(tree.args[0]) if isinstance(tree, ast.Call) and _calls(tree, "C") else None
        )

    def _inspect(self, node: ast.expr, top: bool = False) -> None:
        """Collect the names, and refuse what has no meaning on tensors."""
        if isinstance(node, ast.Name):
            name = self._name(node)
            if name in LATENTS and node.id not in self.quoted:
                if not top:
                    raise InputError(f"'{self.source}': {name} stands alone or in products only")
                self.latents.add(name)
            else:
                self.names.add(name)
        elif isinstance(node, ast.Constant):
            if isinstance(node.value, bool) or not isinstance(node.value, int | float):
                raise InputError(f"'{self.source}': {node.value!r} is no number")
            if not abs(node.value) <= sys.float_info.max:
                raise InputError(f"'{self.source}' has a number that is too large")
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            self._inspect(node.operand)
        elif isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            self._inspect(node.left)
            self._inspect(node.right)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitXor):
            raise InputError(f"'{self.source}': ^ is no power within a function; write **")
        elif isinstance(node, ast.Compare) and len(node.ops) == 1:
            if type(node.ops[0]) not in _OPERATORS:
                raise InputError(f"'{self.source}': that comparison has no meaning here")
            self._inspect(node.left)
            self._inspect(node.comparators[0])
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            self._inspect_call(node, node.func.id, top)
        else:
            raise InputError(f"'{self.source}': {type(node).__name__} has no meaning in a formula")

    def _inspect_call(self, node: ast.Call, name: str, top: bool) -> None:
        known = (*PLAIN, *LEARNING, "hinge", "C", "is_missing")
        if name not in known:
            shown = self.quoted.get(name, name)
            raise InputError(f"'{self.source}': no function {shown}; there are {', '.join(known)}")
        if not node.args:
            raise InputError(f"'{self.source}': {name}() is empty")
        allowed = OPTIONS.get(name, ())
        by_place = allowed[: len(node.args) - 1]
        by_name = [k.arg for k in node.keywords]
        unknown = any(k not in allowed or k in by_place for k in by_name)
        if unknown or len(node.args) - 1 > len(allowed):
            raise InputError(
                f"'{self.source}': {name}() takes {', '.join(('one value', *allowed))}"
            )
        if name == "is_missing":
            self.absences.add(self._name(node.args[0]))
            return
        if name in ("C", "poly", "bs", "ns", "cr") and not top:
            raise InputError(f"'{self.source}': {name}() stands alone or in products only")
        if name in ("center", "scale", "standardize"):
            self._keys[node] = ast.unparse(node)
        if name in DEFAULTS:
            self._sizes(name, node)
        elif name == "hinge":
            self._options(node, "knot")
        self._inspect(node.args[0])

    def _options(self, node: ast.Call, *names: str, **defaults: float) -> list[float]:
        given = dict(zip(names, node.args[1:], strict=False))
        given.update({k.arg: k.value for k in node.keywords if k.arg})
        found = []
        for name in names:
            if name not in given and name not in defaults:
                raise InputError(f"'{self.source}': give {name}")
            try:
                value = ast.literal_eval(given[name]) if name in given else defaults[name]
            except ValueError as error:
                raise InputError(f"'{self.source}': {name} must be a number") from error
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise InputError(f"'{self.source}': {name} must be a number, not {value!r}")
            found.append(value)
        return found

    def learn(self, lookup: Lookup) -> list[Tensor]:
        """Evaluate the factor at the observed values, from which its functions learn."""
        self.state = {}
        return self._columns(lookup, learning=True)

    def __call__(self, lookup: Lookup) -> list[Tensor]:
        """Evaluate the factor's columns, each in the shape of what it reads."""
        return self._columns(lookup, learning=False)

    def _columns(self, lookup: Lookup, learning: bool) -> list[Tensor]:
        node = self.tree
        if self.latents:
            return list(lookup(next(iter(self.latents))).unbind(-1))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            name = node.func.id
            if name in ("poly", "bs", "ns", "cr"):
                x = self._value(node.args[0], lookup, learning)
                return self._basis(name, node, x, learning)
        return [self._value(node, lookup, learning)]

    def _sizes(self, name: str, node: ast.Call) -> list[int]:
        """Return the options of a basis, whole numbers within bounds, its size first."""
        options = self._options(node, *OPTIONS[name], **DEFAULTS[name])
        found = []
        for option, value in zip(OPTIONS[name], options, strict=True):
            most = MOST_DF if option == "df" else MOST_DEGREE
            if not (math.isfinite(value) and value == int(value) and 1 <= value <= most):
                raise InputError(
                    f"'{self.source}': {option} {value!r} is not a whole number from 1 to {most}"
                )
            found.append(int(value))
        return found

    def width(self, dims: Mapping[str, int]) -> int:
        """Return the number of columns of the factor, given the latents' dimensions."""
        if self.latents:
            return dims[next(iter(self.latents))]
        node = self.tree
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            name = node.func.id
            if name in DEFAULTS:
                return self._sizes(name, node)[0]
        return 1

    def _basis(self, name: str, node: ast.Call, x: Tensor, learning: bool) -> list[Tensor]:
        first, *more = self._sizes(name, node)
        try:
            if name == "poly":
                if learning:
                    self.state[name] = splines.learn_polynomial(x, first)
                return splines.polynomial(x, **self.state[name])
            if name == "bs":
                if learning:
                    self.state[name] = splines.spline_knots(x, first, *more)
                return splines.b_spline(x, self.state[name], *more)
            if learning:
                self.state[name] = splines.natural_knots(x, first)
            return splines.natural_pieces(x, self.state[name])
        except ValueError as error:
            raise InputError(f"'{self.source}': {error}") from error

    def _value(self, node: ast.expr, lookup: Lookup, learning: bool) -> Any:
        if isinstance(node, ast.Name):
            return lookup(self._name(node))
        if isinstance(node, ast.Constant):
            return float(node.value)  # type: ignore[arg-type]
        if isinstance(node, ast.UnaryOp):
            value = self._value(node.operand, lookup, learning)
            return -value if isinstance(node.op, ast.USub) else value
        if isinstance(node, ast.BinOp):
            left = self._value(node.left, lookup, learning)
            return self._operate(node.op, left, self._value(node.right, lookup, learning))
        if isinstance(node, ast.Compare):
            left = self._value(node.left, lookup, learning)
            right = self._value(node.comparators[0], lookup, learning)
            found = _OPERATORS[type(node.ops[0])](left, right)
            like = left if isinstance(left, Tensor) else right
            return found.to(like.dtype) if isinstance(like, Tensor) else float(found)
        assert isinstance(node, ast.Call)
        return self._call(node, lookup, learning)

    def _operate(self, sign: ast.operator, left: Any, right: Any) -> Any:
        """Apply an operation to tensors and numbers; numbers alone must give a finite number."""
        try:
            found = _OPERATORS[type(sign)](left, right)
        except ArithmeticError as error:
            raise InputError(f"'{self.source}' has a constant without value ({error})") from error
        if isinstance(found, complex):
            raise InputError(f"'{self.source}' has a constant without value (a negative root)")
        return found

    def _call(self, node: ast.Call, lookup: Lookup, learning: bool) -> Any:
        assert isinstance(node.func, ast.Name)
        name = node.func.id
        if name == "is_missing":
            return lookup(f"is_missing({self._name(node.args[0])})")
        x = self._value(node.args[0], lookup, learning)
        if name in ("C", "I"):
            return x
        if name in PLAIN:
            if isinstance(x, Tensor):
                return PLAIN[name](x)
            return float(PLAIN[name](torch.tensor(x, dtype=torch.float64)))
        if name == "hinge":
            (knot,) = self._options(node, "knot")
            return (x - knot).clamp_min(0) if isinstance(x, Tensor) else max(x - knot, 0.0)
        key = self._keys[node]
        if learning:
            seen = torch.as_tensor(x, dtype=torch.float64).reshape(-1)
            spread = float(seen.std()) if len(seen) > 1 else 0.0
            self.state[key] = [float(seen.mean()), spread or 1.0]
        center, scale = self.state[key]
        return x - center if name == "center" else (x - center) / scale

    def affine_in(self, name: str, through: str) -> bool:
        """Whether the factor is affine in a column, or in its logarithm, all else being fixed."""
        if name not in self.names:
            return True
        if _calls(self.tree, "C"):
            return False
        return self._degree(self.tree, name, through) == 1

    def _degree(self, node: ast.expr, name: str, through: str) -> int:
        """Return 0 where the node does not read the column, 1 where it is affine in it, else 2."""
        read = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        if name not in {self.quoted.get(identifier, identifier) for identifier in read}:
            return 0
        if isinstance(node, ast.Name):
            return 1 if through == "identity" else 2
        if isinstance(node, ast.UnaryOp):
            return self._degree(node.operand, name, through)
        if isinstance(node, ast.BinOp):
            left = self._degree(node.left, name, through)
            right = self._degree(node.right, name, through)
            if isinstance(node.op, ast.Add | ast.Sub):
                return max(left, right)
            if isinstance(node.op, ast.Mult) and min(left, right) == 0:
                return max(left, right)
            return left if isinstance(node.op, ast.Div) and right == 0 else 2
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            inside = node.args[0]
            if node.func.id in ("I", "center", "scale", "standardize"):
                return self._degree(inside, name, through)
            own = isinstance(inside, ast.Name) and self._name(inside) == name
            if node.func.id == "log" and through == "log" and own:
                return 1
            if node.func.id == "poly":
                straight = own and through == "identity" and self._options(node, "degree") == [1]
                return 1 if straight else 2
        return 2


def _calls(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


def _depth(tree: ast.AST) -> int:
    """Return the depth of nested operations, computed with a list so that it cannot overflow."""
    deepest, waiting = 0, [(tree, 1)]
    while waiting:
        node, depth = waiting.pop()
        deepest = max(deepest, depth)
        waiting += [(child, depth + 1) for child in ast.iter_child_nodes(node)]
    return deepest


def _short(source: str) -> str:
    return source if len(source) <= 60 else source[:60] + "..."
