"""A served console and a browser that looks at it. Screenshots land in ``screenshots/``, which git ignores."""

import asyncio
import queue
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import asyncpg
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, Request, sync_playwright

from api.access.sessions import ensure_first_user
from api.app import create_app
from rules_lib.rule_set import RuleSet
from streams.buses.postgres import PostgresBus
from tests.api.story import TODAY, VAULT, save_county
from tests.patience import PATIENCE

SCREENSHOTS = Path(__file__).parent / "screenshots"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class Console:
    """A served console: its address, how to sign in, and the store behind it."""

    url: str
    dsn: str
    password: str


@dataclass
class Visit:
    """A signed-in tab, with everything that went wrong in it."""

    page: Page
    errors: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)


@contextmanager
def served_console(dsn: str, rule_set: RuleSet, with_county: bool = True) -> Iterator[Console]:
    """A console on the loopback, over a county or over an empty store, with a loop and thread of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    servers: list[uvicorn.Server] = []
    passwords: queue.Queue[str] = queue.Queue()

    async def serve() -> None:
        if with_county:
            await save_county(dsn, rule_set)
        async with asyncpg.create_pool(dsn, min_size=1, max_size=4) as pool:
            async with pool.acquire() as connection:
                created = await ensure_first_user(cast(asyncpg.Connection, connection))
            app = create_app(pool, rule_set, PostgresBus(pool), VAULT, TODAY.toordinal)
            servers.append(uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off")))
            passwords.put(created[1] if created else "")
            await servers[0].serve(sockets=[listener])

    # Playwright's loop runs in this thread.
    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        yield Console(f"http://127.0.0.1:{listener.getsockname()[1]}", dsn, passwords.get(timeout=PATIENCE))
    finally:
        servers[0].should_exit = True
        thread.join(10)


@contextmanager
def opened_browser(chromium: str) -> Iterator[Browser]:
    """Chromium with a fresh profile."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        browser.close()


def in_store(dsn: str, work: Callable[[asyncpg.Connection], Awaitable[object]]) -> None:
    """Something that happens in the store meanwhile, in a loop and thread of its own."""

    async def connected() -> None:
        connection = await asyncpg.connect(dsn)
        await work(connection)
        await connection.close()

    with ThreadPoolExecutor(1) as other:
        other.submit(asyncio.run, connected()).result()


def visit(context: BrowserContext, console: Console) -> Visit:
    """A tab in which somebody signs in; errors of the page and requests to other hosts are noted."""
    page = context.new_page()
    page.set_default_timeout(1000 * PATIENCE)
    visited = Visit(page)
    page.on("console", lambda message: visited.errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: visited.errors.append(str(error)))

    def note(request: Request) -> None:
        if not request.url.startswith(console.url):
            visited.strangers.append(request.url)

    page.on("request", note)
    page.goto(f"{console.url}/")
    sign_in(page, console)
    return visited


def sign_in(page: Page, console: Console) -> None:
    page.get_by_label("用户名").fill("inspector")
    page.get_by_label("密码").fill(console.password)
    with page.expect_navigation():
        page.keyboard.press("Enter")
