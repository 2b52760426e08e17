"""Pyro programs: a model and its guide, with named sites for values, latents and the mask."""
