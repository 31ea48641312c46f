"""A process that has the command line loaded, and forks a process for each command.

To load it takes more than a second of processor time, which is most of what a short command takes. A process of its own
starts from where ``python -m deploy.commands`` is once all is loaded, with the words, environment, folder and streams
that it was given; the sources that judge are hashed by then, too. What may go wrong before that, tests with processes
of theirs see (tests/outside/test_environment.py and test_interrupts.py).
"""

import gc
import json
import os
import runpy
import socket
import sys
from contextlib import suppress

import deploy.commands  # noqa: F401
from knowledge_base.catalogues.files import load_facts
from rules_lib.rule_files import load_rule_set


def serve(asked: socket.socket) -> None:
    """Answers until nobody can ask any more. Returns in the processes that are to be commands, too, made ready.

    Each request is a byte with five open files: what is to be run, its three streams, and where the answer goes.
    """
    while True:
        byte, files, _, _ = socket.recv_fds(asked, 1, 5)
        if not byte:
            sys.exit()
        if os.fork() == 0:
            break
        for file in files:
            os.close(file)
        with suppress(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)
    asked.close()
    request, *streams, answer = files
    command = os.fork()
    if command:
        _tell(answer, command)
        _tell(answer, os.waitstatus_to_exitcode(os.waitpid(command, 0)[1]))
        os._exit(0)
    os.close(answer)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    _take(request)


def _tell(answer: int, number: int) -> None:
    os.write(answer, f"{number}\n".encode())


def _take(request: int) -> None:
    """Takes words, environment and folder from an open file."""
    with os.fdopen(request, encoding="utf-8", errors="surrogateescape") as told:
        words, environment, folder = json.load(told)
    sys.argv[1:] = words
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)


if __name__ == "__main__":
    assert load_rule_set(load_facts()).sources
    gc.collect()
    gc.freeze()
    serve(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module("deploy.commands", run_name="__main__", alter_sys=True)
