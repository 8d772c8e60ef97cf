"""manage.py, for a process that must not outlive the one that started it.

Its standard input is a pipe that nobody writes to. It ends when the parent does, however that ends: the kernel closes
the other side even after SIGKILL. Then this process asks itself to stop, as the parent would have asked it.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, name="end-with-parent", daemon=True).start()
    sys.path[0] = str(ROOT)  # in place of the folder of this file
    sys.argv[0] = str(ROOT / "manage.py")
    runpy.run_path(sys.argv[0], run_name="__main__")
