"""Every module of scenarios: importing this registers them all."""

from . import (  # noqa: F401 -- they register
    arrivals,
    cancels,
    clocks,
    crowds,
    databases,
    departures,
    disks,
    freezes,
    instants,
    kills,
    neighbours,
    networks,
    newcomers,
    outages,
    outcomes,
    poisons,
    repeats,
    restarts,
    statuses,
    storms,
)
