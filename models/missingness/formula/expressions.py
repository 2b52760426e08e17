"""One factor of a term, evaluated on tensors."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from ....data.errors import InputError
from . import splines
from .functions import BASES, PLAIN, basis_options, called, options
from .linearity import degree
from .syntax import OPERATORS, Syntax

#: returns the values of a name
Lookup = Callable[[str], Tensor]


class Expression(Syntax):
    """A factor such as ``log(income)``, ``bs(age, df=4)`` or ``C(stage)``.

    >>> factor = Expression("I(age**2)")
    >>> factor(lambda name: torch.tensor([1.0, 3.0]))[0]
    tensor([1., 9.])

    Args:
        source: the text of the factor; names that are no identifiers stand in backticks.
        state: what its functions have learnt, from :meth:`learn`.

    Raises:
        ValueError: if the text has an unknown function or operator, or reads nothing.
    """

    def __init__(self, source: str, state: dict[str, Any] | None = None) -> None:
        super().__init__(source)
        self.state: dict[str, Any] = {} if state is None else dict(state)

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
        name = called(node)
        if isinstance(node, ast.Call) and name in BASES:
            x = self._value(node.args[0], lookup, learning)
            return self._basis(name, node, x, learning)
        return [self._value(node, lookup, learning)]

    def width(self, dims: Mapping[str, int]) -> int:
        """Return the number of columns of the factor, given the latents' dimensions."""
        if self.latents:
            return dims[next(iter(self.latents))]
        name = called(self.tree)
        if isinstance(self.tree, ast.Call) and name in BASES:
            return basis_options(self.source, self.tree, name)[0]
        return 1

    def _basis(self, name: str, node: ast.Call, x: Tensor, learning: bool) -> list[Tensor]:
        first, *more = basis_options(self.source, node, name)
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
            return lookup(self.named(node))
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
            found = OPERATORS[type(node.ops[0])](left, right)
            like = left if isinstance(left, Tensor) else right
            return found.to(like.dtype) if isinstance(like, Tensor) else float(found)
        assert isinstance(node, ast.Call)
        return self._call(node, lookup, learning)

    def _operate(self, sign: ast.operator, left: Any, right: Any) -> Any:
        """Apply an operation to tensors and numbers; numbers alone must give a finite number."""
        try:
            found = OPERATORS[type(sign)](left, right)
        except ArithmeticError as error:
            raise InputError(
                f"'{self.source}' contains a constant without a finite value ({error})"
            ) from error
        if isinstance(found, complex):
            raise InputError(
                f"'{self.source}' contains a constant without a real value (the root of a negative "
                f"number)"
            )
        return found

    def _call(self, node: ast.Call, lookup: Lookup, learning: bool) -> Any:
        assert isinstance(node.func, ast.Name)
        name = node.func.id
        if name == "is_missing":
            return lookup(f"is_missing({self.named(node.args[0])})")
        x = self._value(node.args[0], lookup, learning)
        if name in ("C", "I"):
            return x
        if name in PLAIN:
            if isinstance(x, Tensor):
                return PLAIN[name](x)
            return float(PLAIN[name](torch.tensor(x, dtype=torch.float64)))
        if name == "hinge":
            (knot,) = options(self.source, node, "knot")
            return (x - knot).clamp_min(0) if isinstance(x, Tensor) else max(x - knot, 0.0)
        key = self.learnt_as[node]
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
        return called(self.tree) != "C" and degree(self, self.tree, name, through) == 1
