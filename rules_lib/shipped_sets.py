"""Sets that came with this program before it was kept who published a set (``rule_set_switches.published_by``).

One of these in force in a store of before is the program's own, any other is a person's. The list is closed: from
then on the store says it.
"""

SHIPPED = frozenset(
    {
        "e58f01afca6d9fe7ac92da5cf5fca7c4",
        "37d71f962fd0870eb8ec1c1e4c85879f",
        "9f388f2ebf61f80cf0b1ed3b4d2c0eba",
        "1fc62dc7e8866543540a8f472ca7a100",
        "3e18b7356ddadf40f0f4bd5755693a42",
        "adc72e4c0507a6b040e8aa881113d876",
        "d8e8d488ff548c02b2da1902e8aafbf4",
    }
)
