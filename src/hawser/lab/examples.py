"""The examples that hawser is delivered with, under the names that they have in a checkout, wherever hawser was started."""

import os
from importlib.resources import files
from pathlib import Path
from typing import Final

FOLDER: Final = "examples"


def example(file: str) -> str:
    """`examples/FILE`, where that is: here, or else among those that come with hawser. Any other name as it is."""
    if os.path.exists(file) or not file.startswith(f"{FOLDER}/"):
        return file
    package = Path(str(files("hawser")))
    # Beside the modules, where hawser is installed; at the top of the checkout, where it runs from its sources.
    for place in (package, package.parent.parent):
        if (place / file).is_file():
            return str(place / file)
    return file
