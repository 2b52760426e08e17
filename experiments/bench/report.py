"""The benchmark's figures as a plain text table, with the machine and versions used."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from typing import Any

import pyro
import torch

from .imputation import MEMORY_TARGET


def versions() -> dict[str, str]:
    """Return the versions of everything that times depend on."""
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "pyro": str(pyro.__version__),
    }


def machine() -> dict[str, Any]:
    """Describe the machine by its cores, threads and vector instructions, not by its name."""
    return {
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "vector_instructions": torch.backends.cpu.get_cpu_capability(),
    }


def table(figures: dict[str, Any]) -> str:
    """Write all figures in lines of at most 100 characters."""
    parts: dict[str, Callable[[Any], Iterator[str]]] = {
        "step": _steps,
        "integrate": _integrated,
        "impute": _imputation,
    }
    return "\n".join(line for name, figure in figures.items() for line in parts[name](figure))


def _steps(figures: list[dict[str, Any]]) -> Iterator[str]:
    yield "Training step, K = 20, as a multiple of the same step by hand (brackets: fastest steps)"
    yield f"{'batch':>7}{'d':>5}{'by hand, ms':>14}{'absentia':>18}{'target':>9}{'stock Pyro':>18}"
    for figure in figures:
        times, target = figure["times"], figure["target"]
        yield (
            f"{figure['batch_size']:>7}{figure['latent_dim']:>5}"
            f"{1e3 * times['by hand']['median']:>14.2f}{_ratio(times['absentia']):>18}"
            f"{'' if target is None else f'{target:.2f}':>9}{_ratio(times['stock Pyro']):>18}"
        )
    yield ""


def _integrated(figure: dict[str, Any]) -> Iterator[str]:
    missing = f"{figure['missing_rate']:.0%} missing"
    yield f"Missing values integrated out or drawn, K = 20: breast cancer, {missing}"
    yield f"{'':>10}{'step':>18}{'bound, nats per row':>22}{'its sd':>10}"
    for way, label in (("sample", "drawn"), ("integrate", "integrated")):
        bound = figure["bounds"][way]
        yield (
            f"{label:>10}{_ratio(figure['times'][way]):>18}"
            f"{bound['mean']:>22.3f}{bound['sd']:>10.3f}"
        )
    yield ""


def _imputation(figure: dict[str, Any]) -> Iterator[str]:
    yield (
        f"Imputation of {figure['num_rows']:,} x 30, {figure['particles']:,} particles "
        f"(target: under {MEMORY_TARGET:.0f} MB)"
    )
    yield f"{'draws':>10}{'seconds':>12}{'peak, MB':>12}{'above imports, MB':>20}"
    for run in figure["full"]:
        above = run["peak_mb"] - run["peak_of_imports_mb"]
        yield f"{run['num_draws']:>10}{run['seconds']:>12.1f}{run['peak_mb']:>12.0f}{above:>20.0f}"
    one = figure["one_shot"]
    yield (
        f"{one['rows']} rows: streamed takes {_ratio(one['times']['streamed'])} of one shot, "
        f"{one['rows_at_once']} rows at once in {one['peak_mb']:.0f} MB"
    )
    yield ""


def _ratio(timing: dict[str, float]) -> str:
    return f"{timing['ratio']:.2f} ({timing['ratio_of_fastest']:.2f})"
