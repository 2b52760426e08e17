"""Benchmarks: a training step against hand-written PyTorch, the collapsed bound, the imputer."""
