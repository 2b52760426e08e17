"""Random numbers: seeded without a trace, evenly spread, shared by rows or shifted between them."""
