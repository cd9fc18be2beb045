#!/usr/bin/env python3
"""A second encoder of mtbridge.v1, in the standard library alone, so that the golden frames do not rest on the hub's own.

    python3 tests/wire/encode.py           write the `hex` of every golden frame from its values
    python3 tests/wire/encode.py --check   only compare; exit code 1 if one differs

The values alone say how they are encoded: README.md beside this file has the rules.
"""

import json
import pathlib
import struct
import sys

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ID_PREFIXES = ("cmd_", "ses_")


def head(small, small_max, sizes, count):
    """The first byte, or byte and length, of a string, bin or array."""
    if small is not None and count <= small_max:
        return bytes([small | count])
    for marker, form, limit in sizes:
        if count <= limit:
            return bytes([marker]) + struct.pack(form, count)
    raise ValueError(f"{count} elements are too many")


def integer(value):
    if value >= 0:
        if value < 0x80:
            return bytes([value])
        forms = ((0xCC, ">B", 0xFF), (0xCD, ">H", 0xFFFF), (0xCE, ">I", 0xFFFF_FFFF), (0xCF, ">Q", 2**64 - 1))
        return next(bytes([marker]) + struct.pack(form, value) for marker, form, limit in forms if value <= limit)
    if value >= -32:
        return struct.pack(">b", value)
    forms = ((0xD0, ">b", -(2**7)), (0xD1, ">h", -(2**15)), (0xD2, ">i", -(2**31)), (0xD3, ">q", -(2**63)))
    return next(bytes([marker]) + struct.pack(form, value) for marker, form, limit in forms if value >= limit)


def binary(data):
    return head(None, 0, ((0xC4, ">B", 0xFF), (0xC5, ">H", 0xFFFF), (0xC6, ">I", 0xFFFF_FFFF)), len(data)) + data


def identifier(text):
    number = 0
    for letter in text:
        number = number * 32 + CROCKFORD.index(letter)
    return number.to_bytes(16, "big")


def encode(value):
    if value is None:
        return b"\xc0"
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return integer(value)
    if isinstance(value, float):
        return b"\xcb" + struct.pack(">d", value)
    if isinstance(value, str):
        if value.startswith("hex:"):
            return binary(bytes.fromhex(value[4:]))
        if value.startswith(ID_PREFIXES) and len(value) == 30:
            return binary(identifier(value[4:]))
        data = value.encode()
        return head(0xA0, 31, ((0xD9, ">B", 0xFF), (0xDA, ">H", 0xFFFF), (0xDB, ">I", 0xFFFF_FFFF)), len(data)) + data
    if isinstance(value, dict) and set(value) == {"packed"}:
        # MqlRates: little-endian, 60 bytes each, and a bin of its own.
        return binary(b"".join(struct.pack("<qddddqiq", *bar.values()) for bar in value["packed"]))
    if isinstance(value, dict) and set(value) == {"packed_ticks"}:
        # MqlTick: the same.
        return binary(b"".join(struct.pack("<qdddQqId", *tick.values()) for tick in value["packed_ticks"]))
    if isinstance(value, dict) and set(value) == {"inside"}:
        # A bin whose bytes are MessagePack themselves: the body of a reply.
        return binary(encode(value["inside"]))
    elements = list(value.values()) if isinstance(value, dict) else value
    return head(0x90, 15, ((0xDC, ">H", 0xFFFF), (0xDD, ">I", 0xFFFF_FFFF)), len(elements)) + b"".join(map(encode, elements))


def frame(golden):
    elements = golden["sent"] if "sent" in golden else list(golden["fields"].values())
    return encode([golden["tag"], golden["count"], *elements])


def main():
    check = sys.argv[1:] == ["--check"]
    wrong = []
    for path in sorted(pathlib.Path(__file__).parent.glob("*.json")):
        golden = json.loads(path.read_text())
        if "refused" in golden:
            continue
        told = frame(golden).hex()
        if golden.get("hex") != told:
            wrong.append(path.name)
            if not check:
                golden["hex"] = told
                path.write_text(json.dumps(golden, indent=2, ensure_ascii=False) + "\n")
    print(("differ: " if check else "written: ") + (", ".join(wrong) or "none"))
    return 1 if check and wrong else 0


if __name__ == "__main__":
    sys.exit(main())
