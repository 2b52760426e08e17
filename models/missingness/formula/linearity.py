"""Whether a factor is affine in one column, so that its missing values have a closed form."""

from __future__ import annotations

import ast

from .functions import options
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
