"""What the process, its memory and its files are asked for: one caller at a time, written whole."""
