"""Experiments: declared comparisons of methods, with their baselines, metrics and figures."""
