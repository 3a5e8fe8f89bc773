"""``python tests/soak.py --kills 200``: kills the app or a process of its engine at random
moments of streaming, again and again, and looks at what is left (see ``tests/soaking``)."""

import runpy
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
runpy.run_module("tests.soaking", run_name="__main__")
