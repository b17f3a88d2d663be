"""URLs that try to make a server knock at its own doors: every trick times every notation."""

from collections.abc import Iterator
from itertools import product

LOOPBACK_4 = [
    "127.0.0.1", "127.1", "127.0.1", "127.127.127.127", "0.0.0.0", "0", "2130706433", "0x7f000001", "0x7f.1",
    "0x7f.0x0.0x0.0x1", "0177.0.0.1", "0177.0.0.01", "017700000001", "00000177.1", "127.0.0.1.", "127.00.00.01",
    "%31%32%37.0.0.1", "①②⑦.⓪.⓪.①", "127。0。0。1", "127.0.0.1%00.example.com", "127.0.0.1\t", "0x7F.0.0.0x1",
]  # fmt: skip
LOOPBACK_6 = [
    "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:0:127.0.0.1]",
    "[::127.0.0.1]", "[64:ff9b::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]",
    "[2002:7f00:0001::1]", "[fe80::1]", "[fe80::1%25lo]", "[::1%25lo]", "[fc00::1]", "[ff02::1]",
    "[2001:0:7f00:1::]", "[2a00::5efe:7f00:1]", "::1", "[localhost]", "[127.0.0.1]", "[v1.localhost]", "[]", "[::1",
]  # fmt: skip
INTERNAL = [
    "localhost", "LOCALHOST", "localhost.", "ip6-localhost", "localhost.localdomain", "10.0.0.5", "172.16.0.9",
    "192.168.1.1", "169.254.169.254", "169.254.169.254.", "100.64.0.1", "192.0.0.170", "198.18.0.1", "224.0.0.1",
    "255.255.255.255", "240.0.0.1",
]  # fmt: skip
# What a name server of the attacker answers; see `answers`.
NAMES = ["loop.evil", "mapped.evil", "nat64.evil", "sixtofour.evil", "mixed.evil", "linklocal.evil", "metadata.evil"]
ANSWERS = {
    "loop.evil": ["127.0.0.1"],
    "mapped.evil": ["::ffff:127.0.0.1"],
    "nat64.evil": ["64:ff9b::7f00:1"],
    "sixtofour.evil": ["2002:7f00:1::"],
    "mixed.evil": ["8.8.8.8", "127.0.0.1"],
    "linklocal.evil": ["fe80::1"],
    "metadata.evil": ["169.254.169.254"],
}
HOSTS = [*LOOPBACK_4, *LOOPBACK_6, *INTERNAL, *NAMES]
SERVICES = [5432, 6379, 15672, 22, 25, 8000]


def hostile_urls(port: int) -> list[str]:
    """``port`` is where the sentinels listen."""
    return list(dict.fromkeys([*_direct(port), *_dressed(port), *_foreign(port)]))


def _direct(port: int) -> Iterator[str]:
    for scheme, host in product(("http", "https"), HOSTS):
        yield f"{scheme}://{host}:{port}/"
        yield f"{scheme}://{host}/latest/meta-data/"


def _dressed(port: int) -> Iterator[str]:
    for host in [*LOOPBACK_4[:4], *LOOPBACK_6[:4], *NAMES, "localhost"]:
        yield f"http://user:password@{host}:{port}/"
        yield f"http://example.com@{host}:{port}/"
        yield f"http://example.com:80@{host}:{port}/"
        yield f"http://{host}:{port}\\@example.com/"
        yield f"http://example.com\\@{host}:{port}/"
        yield f"http://{host}:{port}#@example.com/"
        yield f"http://{host}:{port}?@example.com/"
        yield f"http:{host}:{port}/"
        yield f"http:/{host}:{port}/"
        yield f"http:///{host}:{port}/"
        yield f"//{host}:{port}/"
        yield f" http://{host}:{port}/"
        yield f"http://{host}:{port}/\r\nX: 1"
        yield f"http://\t{host}:{port}/"
        yield f"HTTP://{host.upper()}:{port}/"
        yield from (f"http://{host}:{service}/" for service in SERVICES)


def _foreign(port: int) -> Iterator[str]:
    for scheme in ("file", "gopher", "ftp", "dict", "ldap", "unix", "data", "javascript", "jar", "ws", "http+unix", ""):
        yield f"{scheme}://127.0.0.1:{port}/"
        yield f"{scheme}:///etc/passwd"
        yield f"{scheme}:127.0.0.1:{port}"
