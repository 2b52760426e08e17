"""CSV files, read as text first, so that observed fields are written back unchanged."""
