"""Weights of chains that end in different modes of the posterior, for the bends that all share."""

from __future__ import annotations

import math

import torch
from torch import Tensor

#: Bayesian bootstraps of the rows
_REPLICATES = 400
#: differences below so many standard deviations of one chain's own log evidence hardly count
_WITHIN = 2.0


def chain_weights(log_evidence: Tensor) -> Tensor:
    """Weigh chains by how well they predict rows, and as evenly as the rows leave it open.

    A row's expected log predictive density under a chain is, by WAIC,

        elpd_ik = log mean_m p(row i | draw m) - var_m log p(row i | draw m)

    (Watanabe, JMLR 2010). Weights exp(sum_i elpd_ik) would choose one of two chains by a difference
    of a few units, which other rows could turn around, and so could other draws: within one mode
    the log evidence of a draw goes up and down by its own standard deviation, and chains of a few
    hundred draws differ by as much. The sums are divided by twice that standard deviation (of the
    chain in which it is least), and the weights are averaged over Bayesian bootstraps of the rows
    ("pseudo-BMA+"; Yao, Vehtari, Simpson & Gelman, Bayesian Analysis 2018). Chains that sample the
    same mode then count nearly alike, and one in a mode that predicts most rows worse still gets no
    weight (Yao, Vehtari & Gelman, JMLR 2022).

    Args:
        log_evidence: (M, K, n) log p(row | draw) for M draws of each of K chains.

    Returns:
        The weights (K,), which sum to 1.

    >>> better = torch.zeros(5, 1, 100, dtype=torch.float64)
    >>> chain_weights(torch.cat([better - 0.1, better], 1)).round(decimals=4).tolist()
    [0.0, 1.0]
    """
    predicted = log_evidence.logsumexp(0) - math.log(len(log_evidence))
    elpd, unit = predicted, log_evidence.new_ones(())  # (K, n)
    if len(log_evidence) > 1:
        elpd = predicted - log_evidence.var(0)
        unit = (_WITHIN * log_evidence.sum(-1).std(0).min()).clamp_min(1.0)
    # the same bootstraps for all chains and calls, so that equal evidence gives equal weights
    generator = torch.Generator().manual_seed(0)
    rows = elpd.shape[-1]
    share = torch.rand(_REPLICATES, rows, generator=generator, dtype=elpd.dtype).log().neg()
    share = rows * share / share.sum(-1, keepdim=True)
    return (share.to(elpd.device) @ elpd.T / unit).softmax(-1).mean(0)
