"""Distributions that Pyro lacks: for masks, a row's latents, pixels, and columns of many kinds."""
