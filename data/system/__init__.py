"""The process, its memory and its files: exclusive use, limits, and complete writes."""
