"""The keeper of an embedded broker: ``python kafka_keeper.py LOG ADDRESS COMMAND...`` runs the command as its child.

It writes the child's process id to standard output and ends the child when its own standard input ends, which is when
the process that started it closes it or is gone, however it went. Uses the standard library alone, so it starts fast.
"""

import select
import subprocess
import sys
from pathlib import Path

ORDERLY_SECONDS = 10


def main() -> None:
    log, address, *command = sys.argv[1:]
    with Path(log).open("ab") as output:
        broker = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    print(broker.pid, flush=True)
    while broker.poll() is None:
        ended, _, _ = select.select([sys.stdin], [], [], 0.1)
        if ended:
            Path(address).unlink(missing_ok=True)
            _end(broker)


def _end(broker: "subprocess.Popen[bytes]") -> None:
    broker.terminate()
    try:
        broker.wait(ORDERLY_SECONDS)
    except subprocess.TimeoutExpired:
        broker.kill()
        broker.wait()


if __name__ == "__main__":
    main()
