"""Where a request comes from: the peer, or what proxies that are trusted say of it. Pure.

A header that anybody can send is believed only as far as trusted hands have written it: from the right, over
addresses of trusted proxies, to the first that is not one.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias

Networks: TypeAlias = Sequence[IPv4Network | IPv6Network]

# Addresses that are remembered: reading one costs more than all else that is asked about it.
_REMEMBERED: Final = 4096


def parse_networks(given: Iterable[str]) -> Networks:
    """Raises ValueError for what is no address and no network."""
    return tuple(ip_network(each, strict=False) for each in given)


def find_source(peer: str, forwarded: Sequence[str], trusted: Networks) -> str:
    """``forwarded`` are the values of X-Forwarded-For, in the order of the headers."""
    if not _is_among(peer, trusted):
        return _grouped(peer)
    hops = [hop.strip() for value in forwarded for hop in value.split(",")]
    source = peer
    for hop in reversed(hops):
        address = _address(hop)
        if address is None:  # whoever wrote this is not to be followed further
            break
        source = address
        if not _is_among(address, trusted):
            break
    return _grouped(source)


def _is_among(address: str, networks: Networks) -> bool:
    if not networks or (known := _read(address)) is None:
        return False
    return any(known in network for network in networks if network.version == known.version)


@lru_cache(_REMEMBERED)
def _read(address: str) -> IPv4Address | IPv6Address | None:
    """One of IPv4 within IPv6 is that of IPv4; None for what is no address."""
    try:
        known = ip_address(address)
    except ValueError:
        return None
    return getattr(known, "ipv4_mapped", None) or known


def _address(hop: str) -> str | None:
    """Without a port and brackets; None for what is no address."""
    if hop.startswith("["):
        hop = hop[1:].partition("]")[0]
    elif hop.count(":") == 1:
        hop = hop.partition(":")[0]
    try:
        return str(ip_address(hop))
    except ValueError:
        return None


@lru_cache(_REMEMBERED)
def _grouped(source: str) -> str:
    """One household has a whole /64 of IPv6: counted one by one, its addresses would never end."""
    address = _read(source)
    if address is None:
        return source
    if address.version == 4:
        return str(address)
    return str(ip_network(f"{address}/64", strict=False).network_address)
