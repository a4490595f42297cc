"""Stages from the fork server behave as processes of their own do."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest

from spline_lstm.experiments import warm_stages as module
from spline_lstm.experiments.fork_server import TENSORFLOW
from spline_lstm.experiments.processes import MARK, end_marked, marked
from spline_lstm.experiments.warm_libraries import AHEAD, LIBRARIES, PARTS, with_code
from spline_lstm.experiments.warm_stages import FOLDER, main, warm_stages
from spline_lstm.export.tf_import import ENVIRONMENT
from tests.builders import ROOT

PROJECT = ("spline_lstm", "stages")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the fork server is Linux's alone")

TELL = """
import os, sys
import json
print(json.dumps({
    "ppid": os.getppid(), "argv": sys.argv, "cwd": os.getcwd(), "path": sys.path[0],
    "name": __name__, "file": __file__, "stage": os.environ.get("DVC_STAGE"),
    "input": sys.stdin.read(), "loaded": "xml.dom.minidom" in sys.modules,
    "project": any(name.startswith("spline_lstm") for name in sys.modules),
}))
"""
END = """
import os, signal, sys
word = sys.argv[1]
if word == "signal":
    os.kill(os.getpid(), signal.SIGABRT)
if word == "raise":
    raise ValueError("as it was told to")
sys.exit({"text": "16 training diverged", "none": None}.get(word) if word.isalpha() else int(word))
"""
# Of one stage alone.
LIBRARY = {"stages.tell": ["xml.dom.minidom"], "stages.plain": None}
# Seconds after which a test gives up: nothing that it waits for takes as long on any machine. What
# is to be ended by something else lasts longer, so that it is not taken for ended.
PATIENCE, LONG = 120, "600"
SLEEP = "import os, sys, time\nprint(os.getpid(), flush=True)\ntime.sleep(float(sys.argv[1]))\n"


@pytest.fixture
def clone(tmp_path):
    folder = tmp_path / "clone-a"
    (folder / ".git").mkdir(parents=True)
    (folder / "stages").mkdir()
    for name, text in (("__init__", ""), ("tell", TELL), ("end", END), ("sleep", SLEEP)):
        (folder / f"stages/{name}.py").write_text(text)
    return folder


@pytest.fixture
def warm(clone):
    """The environment of stages from a server that has imported one library."""
    plain = {"PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}", MARK: str(clone)}
    with warm_stages(clone, plain, LIBRARY) as environment:
        yield environment


def run(command, clone, environment, **options):
    options = {"capture_output": True, "text": True, **options}
    return subprocess.run(
        ["sh", "-c", command], cwd=clone, env={**environment, "DVC_STAGE": "x"}, **options
    )


def told(done) -> dict:
    assert done.stderr == ""
    return json.loads(done.stdout)


def start(clone, environment):
    """A stage that sleeps: its client, and the stage's own process."""
    client = subprocess.Popen(
        ["python", "-m", "stages.sleep", LONG],
        cwd=clone,
        env=environment,
        executable=str(clone / FOLDER / "python"),
        stdout=subprocess.PIPE,
        text=True,
    )
    return client, psutil.Process(int(client.stdout.readline()))


def gone(process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.wait(PATIENCE)
    return not process.is_running()


def server_of(clone) -> psutil.Process:
    """The only server of a clone that is no child of another: those are stages."""
    servers = {each.pid: each for each in marked(clone.parent) if is_server(each)}
    (found,) = (each for each in servers.values() if each.ppid() not in servers)
    return found


def is_server(process) -> bool:
    # Of what was found, anything but the server may have ended since.
    with contextlib.suppress(psutil.NoSuchProcess):
        return any("fork_server.py" in word for word in process.cmdline())
    return False


def test_a_stage_is_what_it_is_as_a_process_of_its_own(clone, warm):
    command = "echo words | python -m stages.tell . --resume"
    plain, forked = (
        told(run(command, clone, environment))
        for environment in ({**warm, "PATH": warm["PATH"].partition(":")[2]}, warm)
    )
    assert forked.pop("ppid") == server_of(clone).pid != plain.pop("ppid")
    assert (forked.pop("loaded"), plain.pop("loaded")) == (True, False)
    assert forked == plain
    assert (forked["stage"], forked["input"], forked["project"]) == ("x", "words\n", False)


# A module of the project that a stage imports; it tells what it is loaded by.
PART = "import os\nloaded_by = os.getpid()\n"
USE = """
import os, sys
from spline_lstm import part
print(os.getpid() == part.loaded_by, __name__, sys.path.count(os.getcwd()), sys.path[0])
"""


@pytest.fixture
def project(clone):
    """The environment of stages whose code the server has imported with the libraries."""
    (clone / "spline_lstm").mkdir()
    for path, text in {
        "spline_lstm/__init__": "",
        "spline_lstm/part": PART,
        "stages/use": USE,
    }.items():
        (clone / f"{path}.py").write_text(text)
    libraries = {"stages.use": ["xml.dom.minidom", "stages.use", "spline_lstm.part"]}
    plain = {**os.environ, MARK: str(clone)}
    with warm_stages(clone, plain, libraries, project=str(clone)) as environment:
        yield environment


def said(clone, environment) -> str:
    done = run("python -m stages.use", clone, environment)
    assert done.stderr == ""
    own, *rest = done.stdout.split()
    assert rest == ["__main__", "1", str(clone)]
    return own


def test_a_stage_finds_the_code_of_its_project_imported(clone, project):
    assert said(clone, project) == "False"
    # As Emacs marks a file that it has changed.
    (clone / "spline_lstm/.#part.py").symlink_to("somebody@somewhere.1")
    assert said(clone, project) == "False"


def test_after_a_change_of_the_code_stages_run_plainly(clone, project):
    part = clone / "spline_lstm/part.py"
    assert said(clone, project) == "False"
    part.write_text(f"{PART}# changed\n")
    assert said(clone, project) == "True"
    part.write_text(PART)
    # Same size, later.
    os.utime(part, ns=(1, 1))
    assert said(clone, project) == "True"


def test_a_new_module_is_a_change(clone, project):
    assert said(clone, project) == "False"
    (clone / "spline_lstm/other.py").write_text("")
    assert said(clone, project) == "True"


def test_in_another_folder_stages_run_plainly(clone, project, tmp_path):
    shutil.copytree(clone, tmp_path / "copy", ignore=shutil.ignore_patterns(".git"))
    assert said(tmp_path / "copy", project) == "True"


def test_code_of_stages_starts_no_backend_and_changes_no_variable():
    code = (
        "import os, sys\n"
        "from fork_server import import_all\n"
        "before = dict(os.environ)\n"
        "import_all(sys.argv[1:])\n"
        "from jax._src import xla_bridge\n"
        "assert not xla_bridge.backends_are_initialized()\n"
        "assert 'tensorflow' not in sys.modules\n"
        "changed = {name for name in os.environ if os.environ[name] != before.get(name)}\n"
        "assert changed <= {*fork_server.TENSORFLOW}\n"
    ).replace("import os, sys", "import os, sys, fork_server")
    modules = {name for names in with_code().values() for name in names if name.startswith(PROJECT)}
    assert {"stages.train_flax_rnn", "spline_lstm.series.preprocess_folder"} < modules
    environment = {
        **os.environ,
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONPATH": f"{module.HERE}:{ROOT}",
    }
    subprocess.run([sys.executable, "-c", code, *sorted(modules)], env=environment, check=True)


def test_parts_are_those_that_stages_load():
    for stage, parts in PARTS.items():
        text = (ROOT / f"{stage.replace('.', '/')}.py").read_text()
        assert {*parts} == {*re.findall(r'load_part\(.+?, "(\w+)"\)', text)}


@pytest.mark.parametrize("word", ["0", "12", "text", "none", "raise", "signal"])
def test_a_stage_ends_as_a_process_of_its_own_does(clone, warm, word):
    plain, forked = (
        run(f"python -m stages.end {word}", clone, environment)
        for environment in ({**warm, "PATH": warm["PATH"].partition(":")[2]}, warm)
    )
    assert forked.returncode == plain.returncode
    assert forked.stderr.splitlines()[-1:] == plain.stderr.splitlines()[-1:]


def test_other_commands_and_other_environments_run_plainly(clone, warm):
    server = server_of(clone).pid
    parent = "import os; print(os.getppid())"
    assert int(run(f"python -c '{parent}'", clone, warm).stdout) != server
    assert (
        told(run("python -m stages.tell", clone, warm, stdin=subprocess.DEVNULL))["ppid"] == server
    )
    (clone / "stages/plain.py").write_text(TELL)
    plain = told(run("python -m stages.plain", clone, warm, stdin=subprocess.DEVNULL))
    assert plain["ppid"] != server
    other = {**warm, "JAX_ENABLE_X64": "1"}
    assert (
        told(run("python -m stages.tell", clone, other, stdin=subprocess.DEVNULL))["ppid"] != server
    )


def test_the_stage_ends_with_its_client(clone, warm):
    client, stage = start(clone, warm)
    assert stage.ppid() == server_of(clone).pid
    client.kill()
    client.communicate()
    assert gone(stage)
    assert told(run("python -m stages.tell", clone, warm, stdin=subprocess.DEVNULL))["loaded"]


@pytest.fixture
def command(clone):
    """`run_warm` of a shell whose stage sleeps: its process, the stage's and the server's."""
    run_warm = subprocess.Popen(
        [
            *(sys.executable, "-m", "spline_lstm.experiments.warm_stages"),
            *("sh", "-c", f"python -m stages.sleep {LONG}; exit $?"),
        ],
        cwd=clone,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    stage = psutil.Process(int(run_warm.stdout.readline()))
    server = psutil.Process(stage.ppid())
    assert any(word.endswith("fork_server.py") for word in server.cmdline())
    return run_warm, stage, server


def test_ctrl_c_reaches_a_stage_of_a_command_which_ends_as_without_the_server(command):
    run_warm, stage, server = command
    os.killpg(run_warm.pid, signal.SIGINT)
    assert run_warm.communicate()[1] == ""
    assert run_warm.returncode == 128 + signal.SIGINT
    assert gone(stage)
    assert gone(server)


def test_sigterm_ends_the_command_and_its_stage(command):
    run_warm, stage, server = command
    (shell,) = (
        process for process in psutil.Process(run_warm.pid).children() if process.pid != server.pid
    )
    run_warm.terminate()
    run_warm.communicate()
    assert run_warm.returncode == 128 + signal.SIGTERM
    assert gone(shell)
    assert gone(stage)
    assert gone(server)


def test_the_stage_ends_with_the_server_and_the_next_runs_plainly(clone, warm):
    client, stage = start(clone, warm)
    server_of(clone).kill()
    client.communicate()
    assert client.returncode == 70
    assert gone(stage)
    assert not told(run("python -m stages.tell", clone, warm, stdin=subprocess.DEVNULL))["loaded"]


def test_the_mark_finds_server_client_and_stage(clone, warm):
    client, stage = start(clone, warm)
    assert end_marked(clone.parent) == 3
    client.communicate()
    assert client.returncode == -signal.SIGTERM
    assert gone(stage)


def test_if_the_driver_is_killed_the_stage_comes_to_its_end_and_the_server_with_it(clone):
    code = (
        "import os, sys, time, pathlib\n"
        "from spline_lstm.experiments.warm_stages import warm_stages\n"
        "with warm_stages(pathlib.Path(sys.argv[1]), dict(os.environ), {}) as environment:\n"
        "    print(environment['PATH'], flush=True)\n"
        f"    time.sleep({LONG})\n"
    )
    environment = {**os.environ, MARK: str(clone)}
    driver = subprocess.Popen(
        [sys.executable, "-c", code, str(clone)], env=environment, stdout=subprocess.PIPE, text=True
    )
    warm = {**environment, "PATH": driver.stdout.readline().strip()}
    client, stage = start(clone, warm)
    server = psutil.Process(stage.ppid())
    driver.kill()
    driver.communicate()
    time.sleep(0.2)
    assert stage.is_running()
    stage.terminate()
    client.communicate()
    assert client.returncode == -signal.SIGTERM
    assert gone(server)


def test_elsewhere_than_on_linux_stages_are_processes(clone, monkeypatch):
    monkeypatch.setattr(module.sys, "platform", "darwin")
    with warm_stages(clone, {"PATH": "/bin"}) as environment:
        assert environment == {"PATH": "/bin"}


def test_a_library_that_is_missing_leaves_plain_processes(clone):
    with warm_stages(clone, dict(os.environ), {"": ["no_such_library"]}) as environment:
        assert not told(run("python -m stages.tell", clone, environment, stdin=subprocess.DEVNULL))[
            "project"
        ]


def test_a_library_that_is_missing_ends_no_other_stage(clone):
    libraries = {"stages.tell": ["no_such_library"]}
    plain = {**os.environ, MARK: str(clone)}
    with warm_stages(clone, plain, libraries) as environment:
        client, stage = start(clone, environment)
        for _ in range(2):
            told(run("python -m stages.tell", clone, environment, stdin=subprocess.DEVNULL))
        assert stage.is_running()
        assert server_of(clone).is_running()
        client.kill()
        client.communicate()
        assert gone(stage)
    assert "no_such_library" in (clone / FOLDER / "log").read_text()


# Takes ten minutes to import, in which many modules are looked for.
SLOW = """
import contextlib, os, pathlib, time
pathlib.Path(__file__).with_name("begun").touch()
for number in range(6000):
    time.sleep(0.1)
    with contextlib.suppress(ImportError):
        __import__(f"no_such_module_{number}")
"""


def come(path) -> bool:
    end = time.monotonic() + PATIENCE
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.02)
    return path.exists()


@pytest.fixture
def ahead(clone, tmp_path):
    """The environment of stages; while one sleeps, a library is imported that takes long."""
    (tmp_path / "slow.py").write_text(SLOW)
    plain = {**os.environ, MARK: str(clone), "PYTHONPATH": str(tmp_path)}
    libraries = {"stages.next": ["no_such_library", "slow"]}
    with warm_stages(clone, plain, libraries, {"stages.sleep": ["stages.next"]}) as environment:
        yield environment


def test_libraries_are_imported_while_a_stage_runs_that_still_ends_with_its_client(
    clone, tmp_path, ahead
):
    client, stage = start(clone, ahead)
    assert come(tmp_path / "begun")
    client.kill()
    client.communicate()
    assert gone(stage)


def test_a_stage_that_ends_during_an_import_is_told_to_its_client(clone, tmp_path, ahead):
    client, stage = start(clone, ahead)
    assert come(tmp_path / "begun")
    stage.terminate()
    client.communicate(timeout=PATIENCE)
    assert client.returncode == -signal.SIGTERM


def test_ctrl_c_while_the_server_imports_for_a_stage_ends_it_without_a_word(clone, tmp_path):
    (tmp_path / "slow.py").write_text(SLOW)
    plain, said = {**os.environ, "PYTHONPATH": str(tmp_path)}, tmp_path / "said"
    with (
        warm_stages(clone, plain, {"stages.tell": ["slow"]}) as environment,
        said.open("w") as stream,
    ):
        client = subprocess.Popen(
            ["python", "-m", "stages.tell"],
            cwd=clone,
            env=environment,
            executable=str(clone / FOLDER / "python"),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
        )
        assert come(tmp_path / "begun")
        client.send_signal(signal.SIGINT)
        assert client.wait(PATIENCE) == -signal.SIGINT
    assert said.read_text() == ""


def test_libraries_of_the_first_stages_are_imported_before_any_comes(clone, tmp_path):
    (tmp_path / "slow.py").write_text(SLOW.replace("6000", "1"))
    plain = {**os.environ, "PYTHONPATH": str(tmp_path)}
    with warm_stages(clone, plain, {"": ["slow"]}, {"": [""]}) as environment:
        assert come(tmp_path / "begun")
        assert not told(run("python -m stages.tell", clone, environment, stdin=subprocess.DEVNULL))[
            "project"
        ]


def test_if_the_driver_is_killed_during_an_import_the_server_ends_after_it(clone, tmp_path):
    (tmp_path / "slow.py").write_text(SLOW.replace("6000", "10"))
    code = (
        "import os, sys, time, pathlib\n"
        "from spline_lstm.experiments.warm_stages import warm_stages\n"
        "folder, plain = pathlib.Path(sys.argv[1]), dict(os.environ)\n"
        "with warm_stages(folder, plain, {'': ['slow']}, {'': ['']}):\n"
        f"    time.sleep({LONG})\n"
    )
    environment = {**os.environ, MARK: str(clone), "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    driver = subprocess.Popen([sys.executable, "-c", code, str(clone)], env=environment)
    assert come(tmp_path / "begun")
    server = server_of(clone)
    driver.kill()
    driver.wait()
    assert gone(server)


def test_stages_to_expect_have_libraries():
    assert {"", *LIBRARIES} >= {*AHEAD, *(after for stages in AHEAD.values() for after in stages)}


def test_the_libraries_start_no_backend_and_do_not_bring_the_project():
    code = (
        "import sys\n"
        "from fork_server import import_all\n"
        "import_all(sys.argv[1:])\n"
        "from jax._src import xla_bridge\n"
        "assert not xla_bridge.backends_are_initialized()\n"
        "assert not [name for name in sys.modules if name.startswith(('spline_lstm', 'stages'))]\n"
    )
    listed = {name for names in LIBRARIES.values() for name in names}
    libraries = [name for name in listed if name.startswith(("jax", "flax", "optax"))]
    assert len(libraries) == 4
    environment = {**os.environ, "PYTHONPATH": str(module.HERE)}
    subprocess.run([sys.executable, "-c", code, *libraries], env=environment, check=True)


def test_tensorflow_is_imported_as_the_export_does():
    assert TENSORFLOW == ENVIRONMENT


@pytest.mark.parametrize("command", [[], ["nonsense"]])
def test_without_a_command_of_this_machine_there_is_one_line(command, capsys):
    assert main(command) == 2
    assert capsys.readouterr().err.startswith("2 usage: ")
