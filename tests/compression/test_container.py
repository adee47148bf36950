"""The container of compressed rows: any change is noticed."""

import pytest

from skvae.compression import _container
from skvae.compression._container import MAGIC, Container, _checksum

DIGESTS = bytes(range(32)), bytes(range(40, 72)), bytes(range(80, 112))


@pytest.fixture
def container():
    return Container(*DIGESTS, {"n": 3, "text": "ä\ud800"}, b"12345678")


def test_a_container_comes_back(container):
    again = Container.unpack(container.pack())
    assert (again.header, again.payload) == (container.header, container.payload)
    checks = again.is_of_model, again.has_probe, again.holds
    for place, check in enumerate(checks):
        assert [check(digest) for digest in DIGESTS] == [k == place for k in range(3)]


def test_every_cut_and_every_changed_bit_is_an_error(container):
    data = container.pack()
    for size in range(len(data)):
        with pytest.raises(ValueError, match="compressed rows are|are not rows"):
            Container.unpack(data[:size])
    for place in range(8 * len(data)):
        changed = bytearray(data)
        changed[place // 8] ^= 1 << place % 8
        with pytest.raises(ValueError, match="compressed rows are|are not rows"):
            Container.unpack(bytes(changed))
    with pytest.raises(ValueError, match="damaged"):
        Container.unpack(data + b"\0")


def test_a_newer_version_is_named(container):
    data = container.pack()
    start, body = MAGIC + b"\x09", data[len(MAGIC) + 9 :]
    with pytest.raises(ValueError, match="format version 9, but this version of skvae reads"):
        Container.unpack(start + _checksum(start + body) + body)


def test_the_text_of_a_description_is_bounded(container, monkeypatch):
    monkeypatch.setattr(_container, "_MOST_HEADER", 10)
    with pytest.raises(ValueError, match="too long or cut"):
        Container.unpack(container.pack())


def test_the_overhead_is_small():
    assert len(Container(*DIGESTS, {}, b"").pack()) < 64
