"""Experiments: baselines, metrics and figures that reproduce what is claimed."""
