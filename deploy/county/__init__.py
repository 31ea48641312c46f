"""A simulated county: seeded people and institutions with habits, for demonstrations and measurements.

It shares no threshold, list or code with rules and detectors and knows of this project only what an event is. Beside
it stands its hospitals' own system, which sends what was written: it knows of the gateway only what the national
interface says.

    simulation | hospital -> acts | innocents | orders -> care -> people -> plan | clock | truth

Imports knowledge_base.events and knowledge_base.days. Open first: simulation.py.
"""

from deploy.county.plan import CountyPlan
from deploy.county.simulation import simulate, write_county, write_traffic

__all__ = ["CountyPlan", "simulate", "write_county", "write_traffic"]
