"""Fits of, and imputation of, tables that are larger than memory."""
