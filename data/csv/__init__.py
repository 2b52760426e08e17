"""CSV files read as text first, so that what is not imputed comes back as it was written."""
