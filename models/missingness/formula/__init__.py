"""Formulas of missingness mechanisms, evaluated on tensors with gradients.

The grammar is Wilkinson's as :mod:`formulaic` reads it: ``a + b``, ``a:b``, ``a*b``,
``(a + b)**2``, ``0 +`` for no intercept, names with spaces in backticks. A sign directly before a
term is a direction: ``+income`` says that high incomes go missing, ``-income`` that low ones do.
A direction belongs to one coefficient, so ``+a*b`` is refused; write ``+a + b + a:b``.

The meaning of a sign depends on what is directly before it. At the beginning, or after another sign
or operator, it is the direction of the next term: ``-income + age``, ``age + -income``. After a
term, ``+`` adds the next term and ``-`` removes one that was there: ``a*b - a``. Removing a term
that is not there, as in ``age - income``, is refused. So are ``age^2`` and ``age**2``, which mean
``age`` alone in this notation (the square is ``I(age**2)``), and ``a / b`` (a ratio is ``I(a /
b)``).

Terms are columns and covariates, ``latent`` (the row's z), ``mask_latent``,
``is_missing(column)``, and arithmetic and functions of numbers: ``I(x**2)``, ``log``, ``log1p``,
``exp``, ``sqrt``, ``abs``, ``tanh``, ``sigmoid``, ``hinge(x, knot)``, ``center``, ``scale``,
``poly(x, 2)``, ``bs(x, df=5)``, ``ns(x, df=4)``, comparisons such as ``I(x > 3)``, and ``C(grade)``
for the levels of an ordinal column.
"""

from .design import Design
from .factors import Source
from .grammar import Formula, Term, parse

__all__ = ["Design", "Formula", "Source", "Term", "parse"]
