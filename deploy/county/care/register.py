"""The register of the county's institutions, as a fund agency keeps one: code, name, level, kind."""

from typing import NamedTuple

from deploy.county.care.institutions import found_institutions
from deploy.county.plan import CountyPlan

_NAMES = {
    "level_3": "模拟县第{n}人民医院",
    "level_2": "模拟县第{n}中心医院",
    "level_1": "模拟城关医院{n}",
    "township": "模拟乡镇卫生院{n}",
    "clinic": "模拟诊所{n}",
    "pharmacy": "模拟大药房{n}",
    "village": "模拟村卫生室{n}",
}


class Registered(NamedTuple):
    """One institution of the register."""

    code: str
    name: str
    level: str
    kind: str


def register(plan: CountyPlan) -> list[Registered]:
    """All institutions of a county, named by their role and number."""
    return [
        Registered(place.code, _NAMES[role].format(n=number), str(place.level), place.kind)
        for role, places in found_institutions(plan).by_role.items()
        for number, place in enumerate(places, 1)
    ]
