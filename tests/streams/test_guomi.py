"""SM2 and SM3: what the standards print, and what a second library, written by others, says of the same."""

import os

import pytest
from gmssl import sm2

from streams.messages.guomi import (
    CannotOpen,
    hmac_sm3,
    is_private_key,
    new_private_key,
    open_sealed,
    public_half,
    sm3,
)
from tests.api.hospital import signed

# GB/T 32918.5-2017, annex C: a key pair and what is sealed to it, of the curve that the standard recommends.
PRIVATE = bytes.fromhex("3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8")
PUBLIC = bytes.fromhex(
    "0409F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020"
    "CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13"
)
SEALED = bytes.fromhex(
    "04EBFC718E8D1798620432268E77FEB6415E2EDE0E073C0F4F640ECD2E149A73E8"
    "58F9D81E5430A57B36DAAB8F950A3C64E6EE6A63094D99283AFF767E124DF0"
    "59983C18F809E262923C53AEC295D30383B54E39D609D160AFCB1908D0BD8766"
    "21886CA989CA9C7D58087307CA93092D651EFA"
)
PLAIN = b"encryption standard"


@pytest.mark.parametrize(
    ("data", "digest"),
    [
        (b"abc", "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"),
        (b"abcd" * 16, "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"),
    ],
)
def test_sm3_is_that_of_the_standard(data: bytes, digest: str) -> None:
    """GB/T 32905-2016, annex A."""
    assert sm3(data).hex() == digest


@pytest.mark.parametrize("length", [0, 1, 55, 56, 63, 64, 65, 200])
def test_sm3_and_its_hmac_are_those_of_another_library(length: int) -> None:
    data = os.urandom(length)
    assert sm3(data) == signed.hash_sm3(data)
    for key in (b"", b"k", os.urandom(32), os.urandom(64), os.urandom(65)):
        assert hmac_sm3(key, data) == signed.hmac_sm3(key, data)


def test_the_keys_and_what_is_sealed_to_them_are_those_of_the_standard() -> None:
    assert public_half(PRIVATE) == PUBLIC
    assert open_sealed(PRIVATE, SEALED, len(PLAIN)) == PLAIN


def test_what_another_library_seals_is_opened_with_the_04_and_without() -> None:
    for _ in range(3):
        private = new_private_key()
        assert is_private_key(private)
        key = os.urandom(32)
        sealed = bytes.fromhex(signed.sealed_to(public_half(private), key))
        assert open_sealed(private, sealed, 32) == open_sealed(private, b"\4" + sealed, 32) == key
        other = sm2.CryptSM2(private_key=private.hex(), public_key=public_half(private)[1:].hex(), mode=1)
        assert other.decrypt(sealed) == key


def test_no_bit_of_what_is_sealed_may_be_another() -> None:
    for place in range(0, len(SEALED) * 8, 29):
        changed = bytearray(SEALED)
        changed[place // 8] ^= 1 << place % 8
        with pytest.raises(CannotOpen):
            open_sealed(PRIVATE, bytes(changed), len(PLAIN))


@pytest.mark.parametrize("sealed", [b"", b"\4", SEALED[:-1], SEALED + b"x", SEALED[:1] + bytes(64) + SEALED[65:]])
def test_what_cannot_have_been_sealed_is_not_opened(sealed: bytes) -> None:
    with pytest.raises(CannotOpen):
        open_sealed(PRIVATE, sealed, len(PLAIN))


def test_a_private_key_is_less_than_the_order_of_the_curve() -> None:
    order = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
    assert is_private_key((1).to_bytes(32, "big"))
    assert is_private_key((order - 2).to_bytes(32, "big"))
    for key in (bytes(32), (order - 1).to_bytes(32, "big"), b"\xff" * 32, PRIVATE[1:], PRIVATE + b"x"):
        assert not is_private_key(key)
