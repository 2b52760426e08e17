"""The page: it assembles the sections into one HTML file, styled by ``page.html``."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ...data import IncompleteData
from ...data.errors import AbsentiaWarning, InputError
from ...data.system.files import write_text_atomic
from ..imputing.imputation import Imputation
from ..imputing.tables import impute
from ..prepare import Fitted, prepared
from ..sensitivity import SensitivityCurve
from .cautions import LOOKED_AT, cautions
from .sections import Section, Writer

_PACKAGES = ("absentia", "torch", "pyro-ppl", "numpy", "arviz")


def report(
    fitted: Fitted,
    data: IncompleteData,
    path: str | Path,
    *,
    imputation: Imputation | None = None,
    curves: Sequence[SensitivityCurve] = (),
    title: str = "Analysis of missing values",
    replications: int = 100,
    seed: int = 0,
) -> Path:
    """Write one HTML page about a fit and its imputations, with all pictures embedded.

    The table and its missing values; the mechanism's equations and what identifies them; its
    coefficients with intervals and curves with bands; imputed beside observed values; how far
    weights can be trusted; replicated tables beside the observed one; sensitivity curves, if
    given; every warning on the way; versions, and how to cite. A part that does not apply says so.

    Args:
        imputation: the imputation of these data by this fit, with draws; computed when left out.
        curves: sensitivity curves, from :func:`absentia.sensitivity.slope_sensitivity` or
            :func:`absentia.sensitivity.delta_sensitivity`.
        replications: the number of tables to replicate for the checks.

    Returns:
        The path that was written.

    Raises:
        ValueError: the data have other columns than the model, or the imputation has no draws.
        OSError: the file cannot be written; nothing is left behind then.

    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import absentia as ab
    >>> rows = np.random.default_rng(0).normal(size=(60, 2))
    >>> rows[rows > 1] = np.nan
    >>> data = ab.IncompleteData.from_numpy(rows, columns=["pay", "age"])
    >>> fitted = ab.fit(ab.NotMIWAEPPCA(data, "pay ~ +pay"), data, steps=50, progress=False)
    >>> page = ab.report(fitted, data, Path(tempfile.mkdtemp()) / "r.html", replications=10)
    >>> "logit P(pay missing)" in page.read_text()
    True
    """
    path = Path(path)
    if imputation is not None and not imputation.num_draws:
        raise InputError("the imputation has no draws to show; impute with draws=200")
    _, data = prepared(fitted, data)
    writer = Writer(fitted, data, replications, seed)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        filled = imputation.modelled if imputation else impute(fitted, data, seed=seed, check=False)
        sections = writer.sections(filled, curves)
    said = cautions(fitted, filled, writer.identification, writer.p_values, replications)
    said += [_sentence(w.message) for w in heard if issubclass(w.category, AbsentiaWarning)]
    write_text_atomic(path, _rendered(title, data, filled, sections, list(dict.fromkeys(said))))
    return path


def _rendered(
    title: str,
    data: IncompleteData,
    filled: Imputation,
    sections: list[Section],
    warned: list[str],
) -> str:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    good = 100 * float(np.mean(filled.reliable))
    return environment.get_template("page.html").render(
        title=title,
        rows=len(data),
        columns=len(data.columns),
        cells=int((~data.s).sum()),
        rate=f"{100 * data.missing_rate:.1f}",
        good=f"{good:.1f}",
        looked_at=LOOKED_AT,
        sections=sections,
        warnings=warned,
        versions=", ".join(_versions()),
    )


def _sentence(message: Warning | str) -> str:
    text = str(message).strip().rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."


def _versions() -> list[str]:
    found = []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:  # run from a folder that is not installed
            continue
    return found
