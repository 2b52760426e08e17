"""CPU seconds by turns, which are comparable even on a machine that does other work."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple


class Timing(NamedTuple):
    """The CPU seconds of one contestant, and their ratio to those of the first contestant.

    ``ratio`` is the median over rounds of the ratio within a round. ``ratio_of_fastest`` is the
    ratio of the fastest calls, which other work on the machine disturbs least: if the two
    disagree, the machine was busy.
    """

    median: float
    fastest: float
    ratio: float
    ratio_of_fastest: float


def interleaved(
    contestants: Mapping[str, Callable[[], object]], rounds: int, warmup: int
) -> dict[str, Timing]:
    """Time callables by turns, A B C A B C ..., so that other work disturbs all alike.

    Args:
        contestants: the callables by name.
        rounds: number of timed calls of each.
        warmup: number of calls of each before those.

    >>> from absentia.experiments.bench.timing import interleaved
    >>> times = interleaved({"a": lambda: None, "b": lambda: sum(range(10_000))}, 9, 1)
    >>> times["a"].ratio, times["b"].ratio > 1
    (1.0, True)
    """
    for _ in range(warmup):
        for call in contestants.values():
            call()
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, call in contestants.items():
            start = time.process_time()
            call()
            seconds[name].append(time.process_time() - start)
    first = next(iter(seconds.values()))
    return {
        name: Timing(
            statistics.median(taken),
            min(taken),
            statistics.median(a / b for a, b in zip(taken, first, strict=True)),
            min(taken) / min(first),
        )
        for name, taken in seconds.items()
    }
