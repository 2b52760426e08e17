"""Inventories for intersphinx, made from short lists, so that links need no network.

Each file ``NAME.txt`` has the address of a documentation in its first line, and then one line an
object: its name, its role, and its page.
"""

from __future__ import annotations

import zlib
from pathlib import Path


def inventories(lists: Path, made: Path) -> dict[str, tuple[str, str]]:
    """Write an inventory for every list; return what ``intersphinx_mapping`` takes."""
    made.mkdir(parents=True, exist_ok=True)
    mapping = {}
    for path in sorted(lists.glob("*.txt")):
        address, *lines = path.read_text(encoding="utf-8").splitlines()
        rows = []
        for line in filter(None, lines):
            name, role, page = line.split()
            rows.append(f"{name} py:{role} 1 {page} -\n")
        head = (
            "# Sphinx inventory version 2\n"
            f"# Project: {path.stem}\n# Version: \n"
            "# The remainder of this file is compressed using zlib.\n"
        )
        target = made / f"{path.stem}.inv"
        target.write_bytes(head.encode() + zlib.compress("".join(rows).encode()))
        mapping[path.stem] = (address, str(target))
    return mapping
