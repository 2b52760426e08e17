"""The page: it assembles the sections into one HTML file, styled by ``page.html``."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ...data import IncompleteData
from ...data.errors import AbsentiaWarning, InputError
from ...data.system.files import write_text_atomic
from ..imputing.calibrated import Calibrate
from ..imputing.imputation import Imputation
from ..imputing.tables import impute
from ..prepare import Fitted, prepared
from ..sensitivity import SensitivityCurve
from ..uncertainty import MultipleImputation, Pooled
from .answers import Beside, answers, completed_tables
from .assumptions import assumptions, how_to_report, settings
from .cautions import LOOKED_AT, cautions
from .head import About, head_of, versions
from .section import Section
from .sections import Writer
from .twin import twin


def report(
    fitted: Fitted,
    data: IncompleteData,
    path: str | Path,
    *,
    imputation: Imputation | None = None,
    curves: Sequence[SensitivityCurve] = (),
    pooled: Mapping[str, Pooled] | None = None,
    beside: Mapping[str, Beside] | None = None,
    multiple: MultipleImputation | None = None,
    at_random: MultipleImputation | None = None,
    about: About | None = None,
    title: str = "Analysis of missing values",
    calibrate: Calibrate = None,
    replications: int = 100,
    seed: int = 0,
) -> Path:
    """Write one HTML page about a fit and its imputations, with all pictures embedded.

    Every warning, with what to do; the pooled answer, if given; what it rests on; the table and its
    columns before and after; the mechanism's equations and graph, and what identifies them; its
    coefficients with intervals and curves with bands; imputed beside observed values; how far
    weights can be trusted; replicated tables beside the observed one; sensitivity curves, if given;
    settings, seeds and versions, and sentences to cite. A part that does not apply says so. The
    same numbers stand in a JSON file beside. Browsers print the page with page numbers.

    Args:
        imputation: the imputation of these data by this fit, with draws; computed when left out.
        curves: sensitivity curves, from :func:`absentia.sensitivity.slope_sensitivity` or
            :func:`absentia.sensitivity.delta_sensitivity`.
        pooled: pooled estimates by what was asked, such as ``{"y ~ x": tables.pool("y ~ x")}``.
        beside: for each of these, further estimates of the same: tables of "estimate" and "se" by
            how they came about, such as ``{"y ~ x": {"complete cases": table}}``.
        multiple: the multiple imputation, whose pooled means are shown.
        at_random: a multiple imputation of the same table under missing at random, to stand beside.
        about: the file and the command, for the head of the page.
        title: the heading of the page.
        calibrate: ``"odds"`` to show calibrated intervals beside the model's own, and whether seen
            values fit the margins, as :func:`absentia.check.check_cells` does; it may refit.
        replications: the number of tables to replicate for the checks.

    Returns:
        The path of the page; the JSON file has the same name and the suffix ``.json``.

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
    if calibrate not in (None, "odds"):
        raise InputError(f"calibrate is {calibrate!r}; give 'odds' or None")
    writer = Writer(fitted, data, replications, seed, calibrate)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        filled = imputation.modelled if imputation else impute(fitted, data, seed=seed, check=False)
        first = [answers(pooled, beside or {})] if pooled else []
        first += [completed_tables(multiple, at_random)] if multiple is not None else []
        first.append(assumptions(fitted, multiple))
        sections = writer.sections(filled, curves, first, completed=multiple is not None)
        sections.append(settings(fitted, filled, multiple, replications, seed))
    said = cautions(fitted, filled, writer.identification, writer.p_values, replications)
    said += [f"The margin of '{n}' {text}." for n, text in writer.margins.items() if text != "fits"]
    said += [_sentence(w.message) for w in heard if issubclass(w.category, AbsentiaWarning)]
    about = about or About()
    said = [about.words(one) for one in dict.fromkeys(said)]
    for section in sections:
        section.text = about.words(section.text)
        section.points = [about.words(point) for point in section.points]
    head = head_of(fitted, about, seed)
    numbers = {
        "rows": len(data),
        "columns": len(data.columns),
        "missing_values": int((~data.s).sum()),
        "weights_good": float(np.mean(filled.reliable)),
    }
    digest = head.get("SHA-256", "")
    reporting = how_to_report(fitted, data, multiple, bool(pooled), digest)
    write_text_atomic(path, _rendered(title, head, numbers, data, sections, said, reporting))
    write_text_atomic(path.with_suffix(".json"), twin(title, head, numbers, said, sections))
    return path


def _rendered(
    title: str,
    head: Mapping[str, str],
    numbers: Mapping[str, float],
    data: IncompleteData,
    sections: list[Section],
    warned: list[str],
    reporting: str,
) -> str:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # a quotation mark or a backslash would end the text of the style
    margin = re.sub(r"[^\w .,:;()+-]", " ", f"{title}, {head['date']}, {versions()[0]}")
    return environment.get_template("page.html").render(
        title=title,
        head=head,
        rows=numbers["rows"],
        columns=numbers["columns"],
        cells=numbers["missing_values"],
        rate=f"{100 * data.missing_rate:.1f}",
        good=f"{100 * numbers['weights_good']:.1f}",
        looked_at=LOOKED_AT,
        sections=sections,
        warnings=warned,
        reporting=reporting,
        margin=margin,
    )


def _sentence(message: Warning | str) -> str:
    text = str(message).strip().rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."
