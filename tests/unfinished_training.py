"""Trainings that wait after their first checkpoint, so that they are killed before they end."""

import os
import time
from pathlib import Path

# Python runs a module of this name as it starts. Checkpoints are put in their place by a rename.
WAIT = """
import os, time
rename = os.rename, os.replace
def waiting(act):
    def rename(source, target, **options):
        act(source, target, **options)
        if os.path.join(".cache", "training") in str(target):
            time.sleep(600)
    return rename
os.rename, os.replace = map(waiting, rename)
"""
# Seconds after which a test gives up: no training takes as long to its first checkpoint.
PATIENCE = 300


def environment_of_unfinished(folder: Path) -> dict[str, str]:
    """Variables for processes whose trainings wait; `folder` is made and has the code for it."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(WAIT)
    return {"PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}


def wait_for_checkpoint(checkpoints: Path, process) -> None:
    """Wait until the training of a process has written its first checkpoint."""
    end = time.monotonic() + PATIENCE
    # Not the file that is being written beside it, whose name begins with a dot.
    while not list(checkpoints.glob("[!.]*.safetensors")):
        assert process.poll() is None, "the training ended before it was killed"
        assert time.monotonic() < end
        time.sleep(0.05)
