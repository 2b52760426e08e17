"""The report for a program: the same numbers as one JSON document."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from .section import Section


def twin(
    title: str, head: Mapping[str, str], numbers: Mapping[str, Any], warnings: Sequence[str],
    sections: Sequence[Section],
) -> str:  # fmt: skip
    """Return the document as text; numbers that are not finite become null."""
    tables = {name: frame for section in sections for name, frame in section.frames.items()}
    document = {
        "title": title,
        "head": dict(head),
        **numbers,
        "warnings": list(warnings),
        "tables": {name: _rows(frame) for name, frame in tables.items()},
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    named = frame.index.names != [None]
    whole = frame.reset_index() if named else frame
    return [
        {str(name).strip(): _plain(value) for name, value in row.items()}
        for row in whole.to_dict("records")
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)
