"""Splitting a URL that somebody else wrote, with the same answer on every Python.

What the standard library raises ValueError for depends on its patch release: `http://[example.com]/` passes in 3.11.7
and not in 3.11.2 as Debian has it. Here a URL is one whose port is a number and whose brackets hold an IPv6 address
(RFC 3986, 3.2.2; nobody has ever assigned the other form, IPvFuture), and anything else is None.
"""

from ipaddress import IPv6Address, ip_address
from urllib.parse import SplitResult, urljoin, urlsplit


def find_parts(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts if _has_sound_brackets(parts.netloc) else None


def find_target(base: str, reference: str) -> str | None:
    """The URL that `reference`, as in a `Location`, means at `base`."""
    try:
        target = urljoin(base, reference)
    except ValueError:
        return None
    return target if find_parts(target) else None


def is_loopback(bind: str) -> bool:
    """Whether only this machine reaches what listens at ``host:port``."""
    host = bind.rpartition(":")[0].strip("[]")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _has_sound_brackets(netloc: str) -> bool:
    if not set(netloc) & set("[]"):
        return True
    user, _, place = netloc.rpartition("@")
    host, closed, port = place.removeprefix("[").partition("]")
    around = place.startswith("[") and bool(closed) and (not port or port.startswith(":"))
    return around and not set(user) & set("[]") and _is_ipv6(host)


def _is_ipv6(host: str) -> bool:
    try:
        IPv6Address(host)
    except ValueError:
        return False
    return True
