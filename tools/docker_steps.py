"""Run the steps of the Dockerfile in a clean directory, where there is no builder of images.

::

    python -m tools.docker_steps FOLDER

A virtual environment stands for the image, and the committed files for what is copied into it;
steps that make users are left out. At the end the entry point serves a pipeline folder, and says
which model it has loaded.
"""

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tools.import_closure import ROOT

# Of an image alone.
LEFT_OUT = {"FROM", "WORKDIR", "USER", "EXPOSE"}


def steps(text: str) -> Iterator[tuple[str, str]]:
    """Instruction and what follows it, of each step."""
    for line in re.sub(r"\\\n", " ", text).splitlines():
        if line and not line.startswith("#"):
            instruction, _, rest = line.partition(" ")
            yield instruction, rest


def copied(sources: list[str], source: Path, folder: Path) -> None:
    """A COPY into the working directory, or into a folder of it."""
    *names, target = sources
    for name in names:
        if (source / name).is_dir():
            shutil.copytree(source / name, folder / target)
        else:
            shutil.copy(source / name, folder / target)


def run(step: str, folder: Path, environment: dict[str, str]) -> None:
    """A RUN, with the packages of the virtual environment in place of those of the system."""
    if step.startswith("useradd"):
        return
    command = shlex.split(step.replace("--system", "").replace("--no-cache ", ""))
    subprocess.run(command, cwd=folder, env=environment, check=True)


def served(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    """What the service that a command starts says about its models."""
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            address = process.stdout.readline().strip().removesuffix("/docs")
            port = address.rpartition(":")[2]
            ready = f"http://127.0.0.1:{port}/v2/health/ready"
            with urllib.request.urlopen(ready, timeout=300) as answer:
                return answer.read().decode()
        finally:
            process.terminate()


def main() -> None:
    """Run all steps, and serve a pipeline folder."""
    parser = argparse.ArgumentParser(description="Run the steps of the Dockerfile.")
    parser.add_argument("folder", type=Path, help="pipeline folder to serve at the end")
    pipeline: Path = parser.parse_args().folder.resolve()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        source, folder, environment_folder = (place / part for part in ("files", "app", "venv"))
        folder.mkdir()
        subprocess.run(["git", "clone", "-q", str(ROOT), str(source)], check=True)
        subprocess.run([sys.executable, "-m", "venv", str(environment_folder)], check=True)
        # How to reach a package index may be said by variables.
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {
            "PATH": f"{environment_folder / 'bin'}:{os.environ['PATH']}",
            "VIRTUAL_ENV": str(environment_folder),
        }
        entry: list[str] = []
        for instruction, rest in steps((source / "Dockerfile").read_text(encoding="utf-8")):
            print(f"{instruction} {rest}", flush=True)
            if instruction == "COPY":
                copied(rest.split(), source, folder)
            elif instruction == "RUN":
                run(rest, folder, environment)
            elif instruction == "ENTRYPOINT":
                entry = json.loads(rest)
            elif instruction == "CMD":
                print(served([*entry, "--port", "0", str(pipeline)], folder, environment))
            elif instruction not in LEFT_OUT:
                sys.exit(f"the Dockerfile has an instruction that is not known here: {instruction}")


if __name__ == "__main__":
    main()
