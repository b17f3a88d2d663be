"""Which URLs of strangers may be called, and which addresses are inside."""

from contextlib import suppress
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hailgate.core.egress import LONGEST_URL, EgressRules, any_inside, check_url, is_host_of, is_inside, parse_url
from hailgate.core.errors import InputError

NO_RULES = EgressRules()


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "http://example.com/a.jpg?x=1",
        "https://example.com:443/",
        "https://93.184.216.34/x",
        "https://[2606:2800:220:1::1]/x",
        "https://xn--bcher-kva.example/",
        "HTTPS://EXAMPLE.com/",
    ],
)
def test_urls_of_the_public_internet_may_be_called(url):
    assert check_url(url, NO_RULES).host == check_url(url, NO_RULES).host.lower()


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("ftp://example.com/", "begin with"),
        ("file:///etc/passwd", "begin with"),
        ("gopher://127.0.0.1:6379/_INFO", "begin with"),
        ("//example.com/", "begin with"),
        ("https://user@example.com/", "user or password"),
        ("https://example.com:443@127.0.0.1/", "user or password"),
        ("https://example.com:5432/", "usual port"),
        ("http://example.com:443/", "usual port"),
        ("https://example.com:0/", "port between"),
        ("https://example.com:/", "port between"),
        ("https://example.com:99999/", "be a URL"),
        ("https://[::1/", "be a URL"),
        ("https://exa mple.com/", "plain characters"),
        ("https://example.com\\@127.0.0.1/", "plain characters"),
        ("https://example.com/\r\nHost: inside", "plain characters"),
        ("https://①②⑦.⓪.⓪.①/", "plain characters"),
        ("https://" + "a" * LONGEST_URL, "plain characters"),
        ("https:///path", "name a host"),
        ("https://-bad-.example/", "name a host"),
        ("https://[fe80::1%25eth0]/", "name a host"),
        ("https://localhost./", "name a host"),
    ],
)
def test_what_is_no_plain_web_address_is_refused_with_the_rule(url, rule):
    with pytest.raises(InputError, match=rule) as refused:
        check_url(url, NO_RULES)
    assert refused.value.code == "url_refused"


@pytest.mark.parametrize(
    "host",
    [
        "127.1",
        "0x7f.1",
        "0x7f000001",
        "2130706433",
        "017700000001",
        "0177.0.0.1",
        "127.0.0.1.",
        "1.2.3.4.5",
        "127.0.0.0x1",
    ],
)
def test_odd_notations_of_ipv4_are_refused_before_anybody_can_read_them(host):
    with pytest.raises(InputError):
        check_url(f"http://{host}/", NO_RULES)


INSIDE = [
    "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1",
    "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1", "198.51.100.7",
    "203.0.113.9", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::a00:1",
    "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "3fff::1", "fc00::1", "fd12:3456::1", "fe80::1", "fec0::1",
    "ff02::1", "ff0e::1", "2a00:1450::5efe:7f00:1", "2a00:1450::200:5efe:a00:1", "5f00::1",
]  # fmt: skip
OUTSIDE = ["1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.0", "172.32.0.1", "2606:4700::1111", "2a00:1450:4001::1"]


@pytest.mark.parametrize("address", INSIDE)
def test_addresses_that_only_we_can_reach_are_inside(address):
    assert is_inside(ip_address(address))
    assert any_inside(["1.1.1.1", address])


@pytest.mark.parametrize("address", OUTSIDE)
def test_public_addresses_are_not(address):
    assert not is_inside(ip_address(address))


def test_an_answer_that_is_no_address_counts_as_inside():
    assert any_inside(["fe80::1%eth0"])
    assert any_inside(["localhost"])


@given(st.ip_addresses())
def test_what_python_calls_private_is_inside(address):
    if not address.is_global or address.is_multicast:
        assert is_inside(address) or str(address).startswith("192.0.0.")


def test_an_allowed_host_may_be_inside_and_on_any_port():
    rules = EgressRules(allowed=frozenset({"files.internal", "10.0.0.7:9000", "[fd00::1]:80"}))

    assert check_url("http://files.internal:8080/x", rules).port == 8080
    assert check_url("http://10.0.0.7:9000/x", rules).host == "10.0.0.7"
    assert check_url("http://[fd00:0::1]/x", rules).host == "fd00::1"
    with pytest.raises(InputError):
        check_url("http://10.0.0.7/x", rules)


def test_our_own_name_is_refused_though_it_is_public():
    with pytest.raises(InputError, match="this installation"):
        check_url("https://hailgate.example/v1/x", EgressRules(refused=frozenset({"hailgate.example"})))


@pytest.mark.parametrize(
    ("host", "belongs"),
    [("fbsbx.com", True), ("lookaside.fbsbx.com", True), ("evilfbsbx.com", False), ("fbsbx.com.evil.example", False)],
)
def test_a_domain_is_compared_label_by_label(host, belongs):
    assert is_host_of(host, {"fbsbx.com"}) is belongs


@given(st.text(max_size=80))
def test_any_text_is_either_a_destination_or_refused(text):
    for url in (text, f"http://{text}", f"https://example.com/{text}"):
        with suppress(InputError):
            destination = parse_url(url)
            assert destination.scheme in {"http", "https"}
            assert destination.host
