"""The tables of decoders and of densities, and the copula against a Normal distribution."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from absentia.experiments.kernel_copula import KernelCopula
from absentia.experiments.tasks.decoders import decoders_table, density_table


def cell(method, heading, seed, **metrics):
    configuration, peak = {"seed": seed}, metrics.pop("peak_memory_mb", None)
    result = {"configuration": configuration, "metrics": metrics, "peak_memory_mb": peak}
    return method, heading, result


def test_errors_are_ratios_of_the_same_seed():
    more = {"khat_good_before": 1.0, "cpu_seconds": 2.0}
    cells = [
        cell("linear", "wine, MCAR", 0, rmse=0.5, **more, peak_memory_mb=480),
        cell("linear", "wine, MCAR", 1, rmse=1.0, **more, peak_memory_mb=490),
        cell("residual", "wine, MCAR", 1, rmse=0.9, **{**more, "khat_good_before": 0.5}),
        cell("residual", "wine, MCAR", 2, rmse=0.1, **more),  # without its linear cell
    ]
    head, line, before, seconds, memory = decoders_table(cells)
    assert head == ["table and mechanism", "linear", "residual / linear"]
    assert line == ["wine, MCAR", "0.750", "0.900 (1)"]
    assert before[1:] == ["1.000", "0.750"]
    assert seconds[1:] == ["2.0", "2.0"]
    assert memory[1:] == ["490", ""]  # of the largest cell; nothing where it was not measured


def test_the_best_density_is_bold():
    cells = [
        cell("PPCA", "wine", 0, log_density=-1.25, cpu_seconds=1.0),
        cell("copula", "wine", 0, log_density=-1.0, cpu_seconds=0.5),
        cell("PPCA", "yeast", 0, log_density=-2.0, cpu_seconds=1.0),
    ]
    assert density_table(cells)[1:3] == [
        ["wine", "-1.250", "**-1.000**"],
        ["yeast", "**-2.000**", ""],
    ]


def test_the_copula_of_a_normal_table_has_its_conditional_density():
    rng = np.random.default_rng(0)
    covariance = np.array([[1.0, 0.8, 0.2], [0.8, 1.0, 0.4], [0.2, 0.4, 1.0]])
    x = rng.multivariate_normal(np.zeros(3), covariance, size=2000)
    s = np.ones(x.shape, dtype=bool)
    s[:500, 1] = False
    found = KernelCopula(x, s).log_density(x, s)[:500]
    both = multivariate_normal(np.zeros(3), covariance).logpdf(x[:500])
    given = multivariate_normal(np.zeros(2), covariance[::2, ::2]).logpdf(x[:500, ::2])
    # kernels widen a margin by 3 %, and the standard error of the estimated density is .02
    assert found.mean() == pytest.approx((both - given).mean(), abs=0.06)
    assert found.mean() > norm.logpdf(x[:500, 1]).mean() + 0.3
