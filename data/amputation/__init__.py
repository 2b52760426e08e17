"""Amputation: hiding entries of complete tables and pictures by a known mechanism."""

from .graded import graded_self_masking, random_self_masking
from .neural import neural_blocks, neural_neighbours
from .phases import two_phase
from .polarised import censored, polarised, softly_polarised
from .policies import bandit
from .result import Amputation
from .scored import column_mar, coupled, mar_by_score
from .tables import (
    above_mean,
    angular_sector,
    centre,
    extremes,
    level_self_masking,
    logistic_self_masking,
    mar,
    mcar,
    probit_self_masking,
)
from .together import clusters, latent_factors, panel_dropout
from .uvae import logistic_of_missing, mcar_in_some_columns

__all__ = [
    "Amputation",
    "above_mean",
    "angular_sector",
    "bandit",
    "censored",
    "centre",
    "clusters",
    "column_mar",
    "coupled",
    "extremes",
    "graded_self_masking",
    "latent_factors",
    "level_self_masking",
    "logistic_of_missing",
    "logistic_self_masking",
    "mar",
    "mar_by_score",
    "mcar",
    "mcar_in_some_columns",
    "neural_blocks",
    "neural_neighbours",
    "panel_dropout",
    "polarised",
    "probit_self_masking",
    "random_self_masking",
    "softly_polarised",
    "two_phase",
]
