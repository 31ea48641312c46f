"""The command line ``fundwatch``. Every command has help with an example, and --json where a machine might read it.

Errors that a person can mend are one sentence on standard error and exit code 1, an interrupted piece of work is one
and 130; others show where they arose.

One file a trade, with ``register``. No command imports another; what several share is in output, serving, publishing,
progress, purging and, of the doctor, in examination; interrupts come first. Imports everything below.
Open first: services.py, then output.py.
"""

from deploy.commands import interrupts

# isort: split
import sys
from importlib.metadata import version
from typing import Annotated, NoReturn

import typer

from deploy.commands import (
    anew,
    audit,
    county,
    dead_letters,
    decisions,
    doctor,
    findings,
    gateway,
    imports,
    journal,
    knowledge,
    people,
    receipt,
    reconcile,
    restoring,
    rules,
    services,
    sign_in_key,
    silence,
    tokens,
    warnings,
)
from deploy.commands.output import Failure, Interrupted, say
from deploy.embedded.postgres_programs import EmbeddedError
from deploy.settings import PREFIX, SettingsError
from knowledge_base.files.yaml_files import FileFaults
from knowledge_base.signs import neutral
from streams.bus import BusAway, OtherBus
from streams.importers import ImporterError
from streams.store.intake.imports import AlreadyImporting
from streams.store.sessions import Unreachable

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="医保基金监管 · Fundwatch: 规则、疑点、线索 / rules, findings and leads of fund supervision",
)


def _print_version(asked: bool) -> None:
    if asked:
        say(f"fundwatch {version('fundwatch')}")
        raise typer.Exit


@app.callback()
def _take_options(
    asked: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="显示版本 / print the version")
    ] = False,
) -> None:
    """What stands before a command."""


for part in (
    services,
    tokens,
    audit,
    county,
    imports,
    rules,
    knowledge,
    anew,
    findings,
    warnings,
    gateway,
    sign_in_key,
    decisions,
    receipt,
    reconcile,
    silence,
    dead_letters,
    journal,
    people,
    restoring,
    doctor,
):
    part.register(app)
interrupts.end()


def main() -> None:
    """Runs the command line and turns errors that a person can mend into one sentence."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(interrupts.INTERRUPTED)
    except Interrupted as error:
        _fail(str(error), interrupts.INTERRUPTED)
    except AlreadyImporting:
        _fail("这个来源正由另一个进程导入 / another process is importing this source")
    except Unreachable as error:
        _fail(f"数据库 / database {error} ({PREFIX}DATABASE_URL)")
    except BusAway as error:
        _fail(f"总线不可用，检查它是否在运行 / the bus is away, check that it runs: {error}")
    except (Failure, SettingsError, EmbeddedError, FileFaults, ImporterError, OtherBus, OSError) as error:
        _fail(str(error))


def _fail(says: str, code: int = 1) -> NoReturn:
    print("\n".join(map(neutral, f"fundwatch: {says}".split("\n"))), file=sys.stderr)
    sys.exit(code)
