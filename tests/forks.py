"""Commands in processes that are forked from one that has imported torch and matplotlib, which is most of what a start costs.

What such a process is given and what can be done to it from outside is as of any other: it has a folder, an environment,
streams and a session of its own, and its modules of the runner are its own. What an interpreter reads before it begins is
the server's: the seed of hashes, OMP_NUM_THREADS, TORCH_CPP_LOG_LEVEL, how streams are encoded; and what it frees at its end
is not freed. Tests of such things start interpreters. `Forked` starts a command; as a program (`python forks.py SOCKET -m
MODULE ...`) this file starts one on its own streams, in its own folder, and ends as that does.
"""

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path
from typing import IO, Any

# torch's optimizers import its compiler at their first step
IMPORTED = ("torch", "torch._dynamo", "matplotlib.figure", "matplotlib.backends.backend_agg", "rich.progress", "hydra")
BYTES = 1 << 20  # of an environment and of what is typed
_codes: list[int] = []  # of a forked process that has come to its end


class Forked:
    """A command in a process of its own, with as much of `subprocess.Popen` as tests use."""

    def __init__(
        self,
        module: str,
        *typed: str,
        cwd: Path | str,
        env: dict[str, str],
        stdout: int = subprocess.PIPE,
        stderr: int = subprocess.PIPE,
        start_new_session: bool = False,
    ) -> None:
        self.args = ["-m", module, *typed]
        self.returncode: int | None = None
        self.stdout, output = _stream(stdout)
        self.stderr, errors = _stream(stderr)
        asked = {"typed": self.args, "cwd": str(cwd), "env": env, "session": start_new_session}
        self._process, self.pid = _ask(server(), asked, (0, output, errors))
        for given, end in ((stdout, output), (stderr, errors)):
            if given == subprocess.PIPE:
                os.close(end)

    def poll(self) -> int | None:
        """The exit code, or minus the signal that ended it; None as long as it goes on."""
        if self.returncode is None and select.select([self._process], [], [], 0)[0]:
            self.returncode = int(self._process.recv(BYTES))
            self._process.close()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end."""
        if self.returncode is None and not select.select([self._process], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        code = self.poll()
        assert code is not None
        return code

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """What it says until its end, which comes with the `timeout`."""
        said = {}

        def read(stream: IO[str]) -> None:
            with stream:
                said[stream] = stream.read()

        streams = [stream for stream in (self.stdout, self.stderr) if stream]
        end = time.monotonic() + (timeout or 3600)
        readers = [threading.Thread(target=read, args=(stream,), daemon=True) for stream in streams]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(max(0, end - time.monotonic()))
            if reader.is_alive():
                self.kill()
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
        self.wait(max(0, end - time.monotonic()))
        return tuple(said[stream] if stream else "" for stream in (self.stdout, self.stderr))

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it has not ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


def _stream(given: int) -> tuple[IO[str] | None, int]:
    """Where the command's words are read here, and the end of it that the command writes to."""
    if given != subprocess.PIPE:
        return None, given
    here, there = os.pipe()
    return os.fdopen(here), there


def _ask(address: str, asked: dict[str, Any], streams: tuple[int, int, int]) -> tuple[socket.socket, int]:
    """Where the end of the process is told, and its number."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BYTES)
    connection.connect(address)
    socket.send_fds(connection, [json.dumps(asked).encode()], streams)
    return connection, int(connection.recv(BYTES))


@functools.cache
def server() -> str:
    """The address of the process that others are forked from; it is started once and ends with this one."""
    folder = tempfile.TemporaryDirectory(prefix="forks")
    address = f"{folder.name}/socket"
    command = [sys.executable, "-W", "ignore", __file__, address]
    # torch reads the level when it is imported; with several processes the command sets it before
    environment = {**os.environ, "TORCH_CPP_LOG_LEVEL": "ERROR", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin
    assert process.stdout
    assert process.stdout.read(1), "the process that others are forked from did not begin"
    process.stdout.close()

    def close() -> None:
        assert process.stdin
        process.stdin.close()
        process.wait()
        folder.cleanup()

    atexit.register(close)
    return address


def forked() -> list[str]:
    """The words that stand for the interpreter in `python -m MODULE ...`; tests of what is typed use them."""
    return [sys.executable, "-S", "-E", __file__, server()]


def _serve(address: str) -> list[str]:
    """Fork a process for everyone who asks, until standard input ends; in each such process, return what is typed."""
    for name in IMPORTED:
        importlib.import_module(name)
    gc.freeze()  # or each collection would copy the memory of all that was imported
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the processes between are not waited for
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(address)
        listener.listen(64)
        sys.stdout.write(".")
        sys.stdout.flush()
        while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
            connection, _ = listener.accept()
            with connection:
                if not os.fork():
                    listener.close()
                    return _attended(connection)
    sys.exit()


def _attended(connection: socket.socket) -> list[str]:
    """Fork the process that is asked for and tell its end; in it, return what is typed."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    words, streams, *_ = socket.recv_fds(connection, BYTES, 3)
    asked = json.loads(words)
    process = os.fork()
    if process:
        for stream in streams:
            os.close(stream)
        with contextlib.suppress(BrokenPipeError, ConnectionError):
            connection.send(str(process).encode())
            connection.send(str(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])).encode())
        os._exit(0)
    connection.close()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdout.reconfigure(line_buffering=os.isatty(1))
    if asked["session"]:
        os.setsid()
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    return asked["typed"]


def _become(module: str, *typed: str) -> None:
    """Be the interpreter that runs `module`, with the folder it is in and PYTHONPATH before all others."""
    places = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:1] = [os.getcwd(), *places]
    tempfile.tempdir = None
    importlib.import_module("numpy").random.seed()
    sys.argv = [module, *typed]
    if any(Path(place, "sitecustomize.py").exists() for place in places):
        sys.modules.pop("sitecustomize", None)
        importlib.import_module("sitecustomize")
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        _codes.append(ended.code if isinstance(ended.code, int) else int(ended.code is not None))
        raise


def _leave() -> None:
    """End where all else is done that an interpreter does at its end but to free what was imported, which takes a while."""
    for code in _codes:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    """Fork others at an address, or start one there."""
    address, *typed = sys.argv[1:]
    if not typed:
        atexit.register(_leave)  # first, and so called last
        _, *words = _serve(address)
        warnings.simplefilter("ignore")
        _become(*words)
        return
    assert typed[0] == "-m"
    asked = {"typed": typed, "cwd": os.getcwd(), "env": dict(os.environ), "session": False}
    connection, _ = _ask(address, asked, (0, 1, 2))
    with connection:
        code = int(connection.recv(BYTES))
    sys.exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
