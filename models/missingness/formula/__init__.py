"""Formulas of missingness mechanisms, evaluated on tensors with gradients.

The grammar is Wilkinson's as :mod:`formulaic` reads it: ``a + b``, ``a:b``, ``a*b``,
``(a + b)**2``, ``0 +`` for no intercept, names with spaces in backticks. A sign directly before a
term is a direction: ``+income`` says that high incomes go missing, ``-income`` that low ones do.
A direction belongs to one coefficient, so that ``+a*b`` is refused; write ``+a + b + a:b``.

What a sign means is decided by what stands directly before it. At the beginning, or after another
sign or operator, it is the direction of the term behind it: ``-income + age``, ``age + -income``.
After a term, ``+`` adds the next one and ``-`` leaves out one that was there: ``a*b - a``; taking
away what is not there, as in ``age - income``, is refused, and so are ``age^2`` and ``age**2`` (in
this notation ``age`` alone; the square is ``I(age**2)``) and ``a / b`` (a ratio is ``I(a / b)``).

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
