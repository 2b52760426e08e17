"""Weights of chains that end in different modes of the posterior."""

from __future__ import annotations

import math

from torch import Tensor


def chain_weights(log_evidence: Tensor) -> Tensor:
    """Weigh chains by exp(elpd), with elpd the expected log predictive density by WAIC.

    elpd_k = sum_i [log mean_m p(row i | draw m) - var_m log p(row i | draw m)] (Watanabe, JMLR
    2010; Vehtari, Gelman & Gabry, Statistics and Computing 2017). Chains that mix have nearly the
    same elpd and share the weight; of chains in different modes the one that predicts rows better
    takes it (Yao, Vehtari & Gelman, JMLR 2022).

    Args:
        log_evidence: (M, K, n) log p(row | draw) for M draws of each of K chains.

    Returns:
        The weights (K,), which sum to 1.

    >>> import torch
    >>> better = torch.zeros(5, 1, 100, dtype=torch.float64)
    >>> chain_weights(torch.cat([better - 0.1, better], 1)).round(decimals=4).tolist()
    [0.0, 1.0]
    """
    predicted = log_evidence.logsumexp(0) - math.log(len(log_evidence))
    penalty = log_evidence.var(0) if len(log_evidence) > 1 else 0.0
    return (predicted - penalty).sum(-1).softmax(0)
