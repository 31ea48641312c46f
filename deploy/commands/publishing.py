"""Putting rules in force, as every command does that runs the program's own."""

from collections.abc import Callable

from deploy.commands.output import note
from streams.handlers import rule_sets
from streams.handlers.rule_sets import Switch
from streams.hosts.service import Service
from streams.store.sessions import borrowed


async def publish_own(service: Service) -> None:
    """Puts the rules that came with this program in force where no person's are, and says so where that changes any."""
    async with borrowed(service.pool) as connection:
        switch = await rule_sets.publish_own(connection, service.rule_set)
    if switch.rules:
        say_switch(switch, note)


def say_switch(switch: Switch, say: Callable[[str], None]) -> None:
    """Says what a switch of rules changed, and what has to be judged again."""
    if switch.before == switch.after:
        say(f"这套规则已经生效 / this set is in force already: {switch.after}")
        return
    say(f"已生效 / in force: {switch.after} ({switch.by}); 变动的规则 / changed rules: {', '.join(switch.rules) or 0}")
    if switch.areas:
        say(
            f"{len(switch.areas)} 个统筹区须重判，请运行 fundwatch rejudge / "
            f"areas to be judged again: {len(switch.areas)}, run fundwatch rejudge"
        )
