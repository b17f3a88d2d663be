"""Which URLs that somebody gave us may be called, and which addresses they may lead to. Pure.

A URL in a message or an answer is a stranger's word: it must not make this program knock at doors that only this
machine or its network can reach. What the owner configures (a channel's `api_url`) is no such URL.

Ranges follow IANA's registries of special-purpose addresses. For IPv6 the list is of what is allowed: everything but
plain global unicast is refused, so that forms which carry an IPv4 address inside (mapped, 6to4, Teredo, NAT64) need no
unpacking.
"""

import re
from collections.abc import Collection, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import NamedTuple
from urllib.parse import SplitResult

from hailgate.core.errors import InputError
from hailgate.core.urls import find_parts, find_target

PORTS = {"http": 80, "https": 443}
LONGEST_URL = 2048

_INSIDE_4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    )
)  # fmt: skip
_GLOBAL_UNICAST = IPv6Network("2000::/3")
# Inside global unicast: protocol assignments with Teredo, documentation, 6to4.
_INSIDE_6 = tuple(
    IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)
# Names that no public resolver answers for (RFC 6761, RFC 6762, ICANN's reservation for private use).
_INSIDE_NAMES = ("localhost", "local", "internal")
# An interface id that holds an IPv4 address (ISATAP, RFC 5214).
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)

# As RFC 1123 has it; names of containers and Active Directory hold underscores.
_NAME = re.compile(r"(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
# What some resolvers read as an IPv4 address (127.1, 0x7f.1, 2130706433): the last label begins with a digit.
_NUMERIC = re.compile(r"(?:.*\.)?\d[^.]*$")


class Destination(NamedTuple):
    """Where a URL leads. ``host`` is in lower case, an IPv6 address without its brackets."""

    url: str
    scheme: str
    host: str
    port: int

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port


class EgressRules(NamedTuple):
    """``allowed`` are hosts (``name`` or ``name:port``) that may be inside and on any port; ``refused`` never work."""

    allowed: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()

    def allows(self, host: str, port: int) -> bool:
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        return host in self.allowed or place in self.allowed


def check_url(url: str, rules: EgressRules) -> Destination:
    """Raise InputError unless the URL may be called at all; where its name leads is checked when it is resolved."""
    destination = parse_url(url)
    if destination.host in rules.refused:
        raise _refused("must not lead back to this installation")
    if rules.allows(destination.host, destination.port):
        return destination
    if destination.port != PORTS[destination.scheme]:
        raise _refused("must use the usual port of its scheme, 80 or 443")
    if (address := find_address(destination.host)) is not None and is_inside(address):
        raise _refused("must lead to a public address")
    return destination


def check_redirect(base: Destination, location: str, rules: EgressRules) -> Destination:
    """Where an answer's `Location` leads; it is as much a stranger's word as the first URL."""
    if (target := find_target(base.url, location)) is None:
        raise _refused("must be a URL")
    return check_url(target, rules)


def parse_url(url: str) -> Destination:
    """Only http and https, no user or password, a host that every reader reads alike."""
    if len(url) > LONGEST_URL or not (url.isascii() and url.isprintable()) or set(url) & set(' \\"<>^`{|}'):
        raise _refused(f"must be at most {LONGEST_URL} plain characters, others percent-encoded")
    if (parts := find_parts(url)) is None:
        raise _refused("must be a URL")
    port = parts.port
    if parts.scheme not in PORTS:
        raise _refused("must begin with https:// or http://")
    if "@" in parts.netloc:
        raise _refused("must not hold a user or password")
    if port == 0 or parts.netloc.endswith(":"):
        raise _refused("must name a port between 1 and 65535, or none")
    return Destination(url, parts.scheme, _host(parts), port or PORTS[parts.scheme])


def find_address(host: str) -> IPv4Address | IPv6Address | None:
    """The address that a host is written as; None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def is_inside(address: IPv4Address | IPv6Address) -> bool:
    """Not surely the public internet's."""
    if isinstance(address, IPv4Address):
        return any(address in network for network in _INSIDE_4)
    unusual = address not in _GLOBAL_UNICAST or any(address in network for network in _INSIDE_6)
    return unusual or (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP


def leads_inside(host: str) -> bool:
    """Whether a host leads inside by how it is written alone; where a name leads, only a resolver can tell."""
    host = host.lower().rstrip(".")
    if is_host_of(host, _INSIDE_NAMES):
        return True
    if (address := find_address(host)) is not None:
        return is_inside(address)
    return _NUMERIC.fullmatch(host) is not None


def any_inside(addresses: Iterable[str]) -> bool:
    """One bad address among good ones is enough: whoever answers so chose which of them is tried first."""
    return any((found := find_address(each)) is None or is_inside(found) for each in addresses)


def is_host_of(host: str, domains: Collection[str]) -> bool:
    """``host`` is one of ``domains`` or lies below one."""
    return any(host == domain or host.endswith(f".{domain}") for domain in domains)


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    if parts.netloc.startswith("["):
        if "%" in host or not isinstance(find_address(host), IPv6Address):
            raise _refused("must name a host")
        return str(IPv6Address(host))
    if _NUMERIC.fullmatch(host):
        if not isinstance(find_address(host), IPv4Address):
            raise _refused("must write an IPv4 address as four decimal numbers")
        return host
    if not _NAME.fullmatch(host):
        raise _refused("must name a host")
    return host


def _refused(rule: str) -> InputError:
    return InputError(f"The URL {rule}.", code="url_refused", field="url")
