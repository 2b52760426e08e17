"""absentia: Pyro models for data that are missing not at random.

A model is a Pyro program with a generative site, a missingness site and a guide; one computation
of importance weights trains it, imputes with it and judges it.
"""

from .data import IncompleteData
from .inference import CollapseError, ImportanceWeightedELBO, Weighted, WeightError, collapse, weights
from .models import MIWAE, PPCA, NotMIWAE, NotMIWAEPPCA, SelectionModel, SelfMasking, missingness

__version__ = "0.1.0"
