"""Random numbers: seeded locally, evenly spread, shared by rows or shifted between them."""
