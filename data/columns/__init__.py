"""One column of a table: what it is, how it becomes numbers, and how it becomes itself again."""
