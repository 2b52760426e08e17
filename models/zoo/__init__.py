"""The models of the literature, each a function that composes one for a table."""
