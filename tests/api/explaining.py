"""What a query reads, as the store itself explains it: no clock is needed to see that one reads too much."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

import asyncpg


class Explaining:
    """A connection that keeps the plan by which its last query was done."""

    def __init__(self, connection: asyncpg.Connection):
        self._connection = connection
        self._plan: Mapping[str, Any] = {}

    @property
    def as_connection(self) -> asyncpg.Connection:
        """This, for what asks for a connection and fetches rows."""
        return cast(asyncpg.Connection, self)

    async def fetch(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        told = await self._connection.fetchval(f"explain (analyze, buffers, format json) {query}", *arguments)
        self._plan = json.loads(told)[0]["Plan"]
        return list(await self._connection.fetch(query, *arguments))

    @property
    def blocks(self) -> int:
        """How many blocks it read, from wherever they were."""
        return int(self._plan["Shared Hit Blocks"] + self._plan["Shared Read Blocks"])

    def rows(self, table: str) -> int:
        """How many rows of a table it read, those that it passed over too."""
        return sum(
            (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
            for node in self._nodes(self._plan)
            if node.get("Relation Name") == table
        )

    def ways(self, table: str) -> set[str]:
        """By which kinds of nodes it read a table."""
        return {node["Node Type"] for node in self._nodes(self._plan) if node.get("Relation Name") == table}

    def _nodes(self, node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        yield node
        for inner in node.get("Plans", ()):
            yield from self._nodes(inner)
