"""Benchmarks: a step against hand-written PyTorch, integration against sampling, imputation."""
