"""Where a request comes from: nobody can write themselves another address."""

import pytest

from hailgate.edge.http.source import find_source, parse_networks

PROXIES = parse_networks(["10.0.0.0/8", "192.0.2.7", "fd00::/8"])


@pytest.mark.parametrize(
    ("peer", "forwarded", "source"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),  # a stranger says so
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6, 198.51.100.1"], "198.51.100.1"),  # what the stranger wrote stands left of it
        ("10.0.0.1", ["6.6.6.6", "198.51.100.1, 192.0.2.7"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1, nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1, nonsense, 10.2.3.4"], "10.2.3.4"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("10.0.0.1", ["[2001:db8::1]:4711"], "2001:db8::"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("fd00::1", ["2001:db8:1:2:3:4:5:6"], "2001:db8:1:2::"),
        ("2001:db8:1:2::1", [], "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::1", [], "2001:db8:1:2::"),
        ("", ["198.51.100.1"], ""),
    ],
)
def test_a_source_is_the_peer_or_what_trusted_proxies_say(peer, forwarded, source):
    assert find_source(peer, forwarded, PROXIES) == source


def test_without_trusted_proxies_nothing_is_believed():
    assert find_source("127.0.0.1", ["198.51.100.1"], ()) == "127.0.0.1"


@pytest.mark.parametrize("wrong", ["10.0.0.0/33", "proxy", "10.0.0"])
def test_what_is_no_network_is_refused(wrong):
    with pytest.raises(ValueError, match="does not appear"):
        parse_networks([wrong])
