"""The entry point of the benchmark: ``python -m absentia.experiments.bench``, or ``make bench``."""

from .command import main

if __name__ == "__main__":
    main()
