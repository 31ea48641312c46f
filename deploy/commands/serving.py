"""Serving over HTTP beside a service, until it is told to stop."""

import asyncio
import socket
from contextlib import AbstractContextManager, nullcontext

import uvicorn
from fastapi import FastAPI

from api.operation.metrics import create_metrics_app
from deploy.commands.output import Failure
from deploy.settings import Settings
from streams.hosts.metrics import show_disk
from streams.hosts.service import Service


def check_address(host: str, port: int, what: str, setting: str) -> None:
    """Says in one sentence that something cannot be served there, before anything else is said. Raises ``Failure``."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            place = f"{host}:{port}"
            raise Failure(
                f"不能在 {place} 提供{what}，可用 {setting} 换端口 / cannot serve on {place}: {error}"
            ) from None


def add_metrics(settings: Settings, service: Service, port: int | None) -> None:
    """Serves this process's metrics on a port of their own, where one is given. Raises ``Failure`` if it is in use."""
    if port is None:
        return
    check_address(settings.host, port, "指标", "FUNDWATCH_METRICS_PORT")
    show_disk(settings.home)
    service.watch()
    app = create_metrics_app(service.pool, settings.metrics_token)
    service.add(serve_app(app, settings.host, port, service.stop))


async def serve_app(app: FastAPI, host: str, port: int, stop: asyncio.Event) -> None:
    """Serves an application until told to stop; where serving ends by itself the others are told to stop too."""
    config = uvicorn.Config(
        app, host=host, port=port, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=3
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    stop.set()
    await serving
    stopping.cancel()


class _Server(uvicorn.Server):
    """A server that leaves signals to the command that runs it."""

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        return nullcontext()
