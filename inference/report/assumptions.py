"""What the answers rest on, and how to report and repeat them: the parts that are filed."""

from __future__ import annotations

import platform
from dataclasses import fields
from importlib.metadata import PackageNotFoundError, version

import pandas as pd

from ...data import IncompleteData
from ...models.missingness.averaged import FORMS, AveragedMissingness
from ...models.networks.decoders import LinearGaussianDecoder
from ...models.networks.residual import ResidualDecoder
from ...models.programs.base import RowModel
from ...models.programs.mixture import DirectDecoder, MixturePrior
from ...models.programs.parallel import ParallelModel
from ..fitting.settings import FitSettings
from ..imputing.imputation import Imputation
from ..prepare import Fitted, fit_of, model_of
from ..uncertainty import MultipleImputation
from .answers import source_in_words
from .section import Section

_PACKAGES = ("absentia", "torch", "pyro-ppl", "numpy", "scipy", "pandas", "arviz")
#: the settings of a fit that sampled the posterior; the others were not used
_OF_SAMPLING = ("steps", "seed", "optimiser")


def values_in_words(model: RowModel) -> str:
    """Say what distribution a model gives to the values of a row."""
    latents = getattr(model.prior, "latent_dim", 0)
    many = f"{latents} latent variable{'' if latents == 1 else 's'}"
    decoder, prior = getattr(model, "decoder", None), model.prior
    if isinstance(prior, MixturePrior) and isinstance(decoder, LinearGaussianDecoder):
        of = "the columns" if isinstance(decoder, DirectDecoder) else many
        return f"a mixture of {prior.components} Normal distributions of {of}"
    if isinstance(decoder, LinearGaussianDecoder):
        return f"a Normal distribution, linear in {many} (probabilistic PCA)"
    if isinstance(decoder, ResidualDecoder):
        return f"a Normal distribution, linear in {many} but for a shrunk residual network"
    network = "a function" if decoder is None else f"a function ({type(decoder).__name__})"
    return f"distributions that are {network} of {many}, each of its column's kind"


def why_in_words(fitted: Fitted) -> str:
    """Say what was assumed about why values are missing, as a phrase that follows "assuming"."""
    model, fit = model_of(fitted), fit_of(fitted)
    mechanism = model.missingness
    if getattr(model, "delta", None) is not None:
        return "that values are missing at random but for stated shifts (a pattern mixture)"
    if mechanism.ignorable:
        return "that values are missing at random"
    if fit is not None and fit.odds is not None:
        return f"no single reason for their absence but averaging over {len(FORMS)} of them"
    if isinstance(mechanism, AveragedMissingness):
        return "no single reason for their absence, with shrunk terms for several of them"
    return f"a mechanism of their absence ({type(mechanism).__name__})"


def assumptions(fitted: Fitted, multiple: MultipleImputation | None) -> Section:
    """Return the section that lists what the answers rest on, a sentence each."""
    model, fit = model_of(fitted), fit_of(fitted)
    mechanism = model.missingness
    points = [
        "Rows are independent of each other.",
        f"The values of a row follow {values_in_words(model)}, on a scale on which every column "
        f"has mean 0 and sd 1; columns of a kind of their own keep it (see the table of columns).",
    ]
    if isinstance(model, ParallelModel):
        points.append("Given the latent variables, values and their absence are independent.")
    elif mechanism.ignorable:
        points.append(f"It is assumed {why_in_words(fitted)}.")
    elif fit is not None and fit.odds is not None:
        prior = ", ".join(f"{name} {share:g}" for name, share in FORMS.items())
        points.append(
            f"Which of {len(FORMS)} reasons holds for a column was not assumed; their prior "
            f"probabilities are around: {prior}. Where a column's own value matters, its effect is "
            f"monotone. Limits of detection and values hidden at both ends are not among them."
        )
    elif isinstance(mechanism, AveragedMissingness):
        points.append(
            "The log-odds of being missing may depend on the column's own value, on others and on "
            "the latent variables, with coefficients shrunk towards none; effects are monotone."
        )
    else:
        points.append(
            f"The absence of a column depends on what its equation below names, by a "
            f"{mechanism.link} link, and on nothing else."
        )
    points.append(
        "No observed value can show that these hold. How much depends on them is what a "
        "sensitivity curve shows."
        if not mechanism.ignorable or getattr(model, "delta", None) is None
        else "No observed value can show that the shifts are right."
    )
    if multiple is not None:
        points.append(
            f"Parameters are not taken as known: those of the {len(multiple)} completed tables "
            f"were {source_in_words(multiple.parameters)}."
            if multiple.parameters != "fixed"
            else "Parameters are taken as known: intervals are too narrow."
        )
    return Section("What the answers rest on", points=points)


def how_to_report(
    fitted: Fitted,
    data: IncompleteData,
    multiple: MultipleImputation | None,
    pooled: bool,
    digest: str,
) -> str:
    """Write the sentences that a paper or a protocol may cite."""
    cells, gaps = data.s.numel(), int((~data.s).sum())
    columns = int((~data.s.all(0)).sum())
    share = f"{100 * gaps / max(cells, 1):.1f}"
    text = (
        f"Of {cells:,} values ({len(data):,} rows, {len(data.columns)} columns) {gaps:,} "
        f"({share} %) were missing, in {columns} column{'' if columns == 1 else 's'}. They were "
        f"imputed with absentia {_version('absentia')}, assuming {why_in_words(fitted)}, and for "
        f"the values {values_in_words(model_of(fitted))}."
    )
    if multiple is not None:
        text += (
            f" {len(multiple)} tables were completed, their parameters "
            f"{source_in_words(multiple.parameters)}"
            + ("; estimates were pooled by Rubin's rules." if pooled else ".")
        )
    text += " Assumptions, diagnostics, settings, seeds and versions are in the attached report"
    return text + (f" on the table of SHA-256 {digest[:16]}...." if digest else ".")


def settings(
    fitted: Fitted,
    filled: Imputation,
    multiple: MultipleImputation | None,
    replications: int,
    seed: int,
) -> Section:
    """Return the section of all settings, seeds and versions that the numbers depend on."""
    rows: dict[str, str] = {}
    fit = fit_of(fitted)
    if fit is not None:
        used = _OF_SAMPLING if fit.posterior is not None else [f.name for f in fields(FitSettings)]
        words = {"seed": "seed of the fit"}
        if fit.posterior is not None:
            words["steps"] = "sweeps of the fit"
            rows["draws of the parameters"] = f"{len(fit.posterior)} from their posterior"
        for name in used:
            rows[words.get(name, f"{name} of the fit")] = str(getattr(fit.settings, name))
    rows["importance samples of a row (median)"] = str(filled.particles)
    rows["draws kept of a missing cell"] = str(filled.num_draws)
    if multiple is not None:
        rows["completed tables"] = str(len(multiple))
        rows["their parameters"] = source_in_words(multiple.parameters)
    rows["replicated tables of the checks"] = str(replications)
    rows["seed of imputation, checks and report"] = str(seed)
    rows["Python"] = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    rows |= {name: number for name in _PACKAGES if (number := _version(name))}
    found = Section("Settings, seeds and versions")
    frame = pd.DataFrame({"value": rows}).rename_axis("setting")
    found.table(
        "With these, the same command gives the same numbers", frame, "settings", fold=False
    )
    return found


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # run from a folder that is not installed
        return ""
