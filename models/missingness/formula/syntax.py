"""One factor of a term as a syntax tree that has been checked: names, arithmetic and calls."""

from __future__ import annotations

import ast
import operator
import re
import sys
from collections.abc import Callable
from typing import Any

from ....data.errors import InputError
from .functions import BASES, DEFAULTS, KNOWN, OPTIONS, basis_options, called, options
from .grammar import LATENTS

OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
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
_DEEPEST = 100  # the most operations that may be nested
_QUOTED = re.compile(r"`([^`]*)`")


class Syntax:
    """The syntax tree of a factor, with the names that it reads.

    Args:
        source: the text of the factor; names that are no identifiers stand in backticks.

    Raises:
        ValueError: if the text has an unknown function or operator, or reads nothing.

    >>> sorted(Syntax("log(income / `family size`)").names)
    ['family size', 'income']
    """

    def __init__(self, source: str) -> None:
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
            raise InputError(
                f"'{_short(source)}' is nested too deeply; write it in simpler terms"
            ) from error
        if _depth(self.tree) > _DEEPEST:
            raise InputError(
                f"'{_short(source)}' is nested too deeply: at most {_DEEPEST} operations may stand "
                f"within each other"
            )
        #: the keys under which calls that learn keep what they have learnt
        self.learnt_as: dict[ast.Call, str] = {}
        #: columns and covariates whose values are read, and columns whose absence is read
        self.names: set[str] = set()
        self.absences: set[str] = set()
        self.latents: set[str] = set()
        self._inspect(self.tree, top=True)
        if not (self.names or self.absences or self.latents):
            raise InputError(
                f"'{source}' reads no column, so it is a constant; leave it out, or write a "
                f"multiple of a column as I(2 * x)"
            )

    def _placeholder(self, match: re.Match[str]) -> str:
        key = f"{self._place}_{len(self.quoted)}_"
        self.quoted[key] = match.group(1)
        return key

    def named(self, node: ast.expr) -> str:
        """Return the name of the column that a node stands for."""
        if not isinstance(node, ast.Name):
            raise InputError(
                f"'{self.source}': '{self._text(node)}' stands in place of the name of a column"
            )
        return self.quoted.get(node.id, node.id)

    @property
    def name(self) -> str | None:
        """The column's name where the factor is a name and nothing else, otherwise None."""
        plain = isinstance(self.tree, ast.Name) and not self.latents
        return self.named(self.tree) if plain else None

    @property
    def levels_of(self) -> str | None:
        """The column inside ``C(...)``, or None where there is none."""
        if isinstance(self.tree, ast.Call) and called(self.tree) == "C":
            return self.named(self.tree.args[0])
        return None

    def _text(self, node: ast.expr) -> str:
        """Write a node as the user wrote it, with quoted names in backticks."""
        text = ast.unparse(node)
        for placeholder, name in self.quoted.items():
            text = text.replace(placeholder, f"`{name}`")
        return text

    def _inspect(self, node: ast.expr, top: bool = False) -> None:
        """Collect the names that a node reads, and refuse what has no meaning on tensors."""
        if isinstance(node, ast.Name):
            name = self.named(node)
            if name in LATENTS and node.id not in self.quoted:
                if not top:
                    raise InputError(
                        f"'{self.source}': {name} may only stand alone or in a product such as "
                        f"{name}:age, not within a function"
                    )
                self.latents.add(name)
            else:
                self.names.add(name)
        elif isinstance(node, ast.Constant):
            if isinstance(node.value, bool) or not isinstance(node.value, int | float):
                raise InputError(f"'{self.source}': {node.value!r} is not a number")
            if not abs(node.value) <= sys.float_info.max:
                raise InputError(f"'{self.source}' has a number that is too large for a float")
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            self._inspect(node.operand)
        elif isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
            self._inspect(node.left)
            self._inspect(node.right)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitXor):
            raise InputError(
                f"'{self.source}': within a function ^ does not mean a power; write **"
            )
        elif isinstance(node, ast.Compare) and len(node.ops) == 1:
            if type(node.ops[0]) not in OPERATORS:
                raise InputError(
                    f"'{self.source}': this comparison has no meaning here; use one of "
                    f"<, <=, >, >=, ==, !="
                )
            self._inspect(node.left)
            self._inspect(node.comparators[0])
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            self._inspect_call(node, node.func.id, top)
        else:
            raise InputError(
                f"'{self.source}': '{self._text(node)}' has no meaning in a formula; use names, "
                f"numbers, arithmetic, comparisons and the functions {', '.join(KNOWN)}"
            )

    def _inspect_call(self, node: ast.Call, name: str, top: bool) -> None:
        if name not in KNOWN:
            shown = self.quoted.get(name, name)
            raise InputError(
                f"'{self.source}': there is no function {shown}; there are {', '.join(KNOWN)}"
            )
        if not node.args:
            raise InputError(f"'{self.source}': {name}() has no argument; give it a column")
        allowed = OPTIONS.get(name, ())
        by_place = allowed[: len(node.args) - 1]
        by_name = [k.arg for k in node.keywords]
        unknown = any(k not in allowed or k in by_place for k in by_name)
        if unknown or len(node.args) - 1 > len(allowed):
            raise InputError(
                f"'{self.source}': {name}() takes {' and '.join(('one value', *allowed))}, and "
                f"nothing else"
            )
        if name == "is_missing":
            self.absences.add(self.named(node.args[0]))
            return
        if name in ("C", *BASES) and not top:
            raise InputError(
                f"'{self.source}': {name}() may only stand alone or in a product, not within "
                f"another function"
            )
        if name in ("center", "scale", "standardize"):
            self.learnt_as[node] = ast.unparse(node)
        if name in DEFAULTS:
            basis_options(self.source, node, name)
        elif name == "hinge":
            options(self.source, node, "knot")
        self._inspect(node.args[0])


def _depth(tree: ast.AST) -> int:
    """Return the depth of nested operations; a loop computes it, since recursion may overflow."""
    deepest, waiting = 0, [(tree, 1)]
    while waiting:
        node, depth = waiting.pop()
        deepest = max(deepest, depth)
        waiting += [(child, depth + 1) for child in ast.iter_child_nodes(node)]
    return deepest


def _short(source: str) -> str:
    return source if len(source) <= 60 else source[:60] + "..."
