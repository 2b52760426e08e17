"""Whether a factor is affine in one column, or smooth, which decides how it is integrated."""

from __future__ import annotations

import ast

from .functions import BASES, DEFAULTS, OPTIONS, called, options
from .syntax import Syntax


def degree(syntax: Syntax, node: ast.expr, name: str, through: str) -> int:
    """Return 0 if a node does not read the column, 1 if it is affine in it, and 2 otherwise.

    Args:
        syntax: the factor, which knows the names behind placeholders.
        node: a node of its tree.
        name: the name of the column.
        through: ``"identity"``, or ``"log"`` for affine in the logarithm of the column.
    """
    read = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    if name not in {syntax.quoted.get(identifier, identifier) for identifier in read}:
        return 0
    if isinstance(node, ast.Name):
        return 1 if through == "identity" else 2
    if isinstance(node, ast.UnaryOp):
        return degree(syntax, node.operand, name, through)
    if isinstance(node, ast.BinOp):
        left = degree(syntax, node.left, name, through)
        right = degree(syntax, node.right, name, through)
        if isinstance(node.op, ast.Add | ast.Sub):
            return max(left, right)
        if isinstance(node.op, ast.Mult) and min(left, right) == 0:
            return max(left, right)
        return left if isinstance(node.op, ast.Div) and right == 0 else 2
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        inside = node.args[0]
        if node.func.id in ("I", "center", "scale", "standardize"):
            return degree(syntax, inside, name, through)
        own = isinstance(inside, ast.Name) and syntax.named(inside) == name
        if node.func.id == "log" and through == "log" and own:
            return 1
        if node.func.id == "poly":
            straight = (
                own and through == "identity" and options(syntax.source, node, "degree") == [1]
            )
            return 1 if straight else 2
    return 2


def smoothness(syntax: Syntax) -> int:
    """Return how many nodes a standard deviation integrate a factor; 0 if it may bend sharply.

    A polynomial is smooth. The cubic pieces of splines meet with equal curvature, and continue
    outside the knots of ``bs`` with equal slope. An exponential changes too fast far out.

    >>> [smoothness(Syntax(text)) for text in ("I(x**2)", "ns(x)", "bs(x)", "abs(x)")]
    [2, 2, 2, 0]
    """
    name = called(syntax.tree)
    if not isinstance(syntax.tree, ast.Call) or name not in BASES:
        return 2 * int(_is_polynomial(syntax.tree))
    if not _is_polynomial(syntax.tree.args[0]):
        return 0
    if name != "bs":
        return 2
    of = options(syntax.source, syntax.tree, *OPTIONS["bs"], **DEFAULTS["bs"])
    return 2 if of[OPTIONS["bs"].index("degree")] >= 3 else 0


def _is_polynomial(node: ast.expr) -> bool:
    """Tell whether a node is a polynomial of columns."""
    if isinstance(node, ast.Name | ast.Constant):
        return True
    if isinstance(node, ast.UnaryOp):
        return _is_polynomial(node.operand)
    if isinstance(node, ast.BinOp):
        right = node.right
        if isinstance(node.op, ast.Add | ast.Sub | ast.Mult):
            return _is_polynomial(node.left) and _is_polynomial(right)
        if not isinstance(right, ast.Constant) or not _is_polynomial(node.left):
            return False
        whole = isinstance(right.value, int) and right.value >= 0
        return isinstance(node.op, ast.Div) or (isinstance(node.op, ast.Pow) and whole)
    smooth = ("I", "center", "scale", "standardize")
    return called(node) in smooth and _is_polynomial(node.args[0])  # type: ignore[attr-defined]
