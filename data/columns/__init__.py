"""Single columns: their kind, their encoding as numbers, and the way back."""
