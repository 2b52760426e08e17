"""Exclusive use of the process, limits of its memory, and complete writes of its files."""
