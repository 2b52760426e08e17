"""Run the notebooks of ``experiments/notebooks``; as a program, with their outputs written back."""

import os
import re
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[2] / "experiments" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def executed(path):
    """Return a notebook as it is after a run from its first cell to the last."""
    os.environ.pop("MPLBACKEND", None)  # the tests' own: a kernel draws in its cells
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # of tqdm, on machines without Jupyter's widgets; no bar is shown in any case
    os.environ["PYTHONWARNINGS"] = "ignore:IProgress not found"
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    client = NotebookClient(notebook, timeout=600, kernel_name="python3", record_timing=False)
    client.execute()
    notebook.metadata["language_info"] = {"name": "python"}
    return without_places(notebook)


def without_places(notebook):
    """Return the notebook with warnings that do not say where this machine keeps its files."""
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            if output.get("name") == "stderr":
                text = re.sub(r"\S*ipykernel_\d+\S*?\.py:\d+", "this cell", output["text"])
                output["text"] = re.sub(r"\S*/site-packages/", "", text)
    return notebook


def main(names):
    """Run the notebooks whose names begin so, or all, and write them with their outputs."""
    for path in NOTEBOOKS:
        if not names or path.name.startswith(tuple(names)):
            nbformat.write(executed(path), path)
            print(path.name)


if __name__ == "__main__":
    main(sys.argv[1:])
