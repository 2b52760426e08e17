"""Run a command, and write the CPU seconds and the peak memory of its whole process.

``python -I -S measure.py report.json COMMAND ...``. It is a process of its own that imports
little, since Linux counts the memory of the process that starts a child as the child's.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys


def main(report: str, *command: str) -> int:
    """Run the command, write the report as JSON, and return the command's exit status."""
    status = subprocess.run(command, check=False).returncode
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    kilobytes = used.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    found = {"seconds": used.ru_utime + used.ru_stime, "megabytes": kilobytes / 1024}
    with open(report, "w", encoding="utf-8") as file:
        json.dump(found, file)
    return status


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
