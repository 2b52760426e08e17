"""The words that options of several commands accept."""

from __future__ import annotations

from enum import StrEnum


class ModelName(StrEnum):
    """The names of the models that commands accept."""

    auto = "auto"
    not_miwae_mixture = "not-miwae-mixture"
    not_miwae_ppca = "not-miwae-ppca"
    not_miwae = "not-miwae"
    ppca = "ppca"
    miwae = "miwae"


class MechanismName(StrEnum):
    """The names of the mechanisms that commands accept."""

    auto = "auto"
    self_masking = "self-masking"
    self_masking_probit = "self-masking-probit"
    limit = "limit"
    two_sided = "two-sided"
    spline = "spline"
    linear = "linear"
    nonlinear = "nonlinear"
    latent = "latent"
    mask_latent = "mask-latent"


class Grounds(StrEnum):
    """The evidence from which the kinds of columns are inferred."""

    dtype = "dtype"
    values = "values"


class CalibratedBy(StrEnum):
    """The ways in which intervals are calibrated."""

    odds = "odds"


class ParameterSource(StrEnum):
    """The sources of the parameters of a multiple imputation."""

    auto = "auto"
    posterior = "posterior"
    laplace = "laplace"
    bootstrap = "bootstrap"
    mechanism = "mechanism"
