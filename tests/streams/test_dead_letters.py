"""Replaying dead letters keeps the order in which they came."""

from collections.abc import Sequence
from random import Random
from typing import Any, cast

from streams.acts.letters import go_on_replaying
from streams.bus import Bus, Message
from streams.store.intake.dead_letters import LetterFilter, begin_replay
from streams.store.sessions import connect

from .replay import VAULT


class Outbound:
    """A bus that keeps what it is given."""

    def __init__(self) -> None:
        self.sent: list[Message] = []

    async def send(self, topic: str, messages: Sequence[Message], within: Any = None) -> None:
        self.sent += messages


async def test_letters_are_sent_again_in_the_order_in_which_they_came(postgres_url: str) -> None:
    connection = await connect(postgres_url)
    await connection.executemany(
        'insert into dead_letters (topic, partition, "offset", outcome, source, reasons, body)'
        " values ('claims', 0, $1, 'dead', 's', '[]', $2)",
        [(number, VAULT.seal(b"%d" % number)) for number in range(50)],
    )
    # Rows that were written anew lie in the table in another order.
    for number in Random(2).sample(range(50), 50):
        await connection.execute('update dead_letters set money = 1 where "offset" = $1', number)
    number = await begin_replay(connection, LetterFilter(), "somebody")
    assert number is not None
    bus = Outbound()
    await go_on_replaying(connection, cast(Bus, bus), VAULT, number)
    assert [message.value for message in bus.sent] == [b"%d" % number for number in range(50)]
    await connection.close()
