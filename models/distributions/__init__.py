"""Distributions that Pyro lacks: of the mask, of a row's latents, of pixels, of mixed tables."""
