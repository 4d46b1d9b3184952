"""Writes snapshots-v1.bin, and the bytes of its moments as snapshots-v1.hex, from the description of the format alone.

python3 snapshots-v1.py
"""
import json
import math
import struct
import zlib
from pathlib import Path

HERE = Path(__file__).parent
SECOND = 1_000_000_000
START = 1_779_114_727 * SECOND  # 2026-05-18T14:32:07Z


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


assert crc32c(b"123456789") == 0xE3069283


def frame(kind: int, body: bytes) -> bytes:
    content = bytes([kind]) + body
    length = struct.pack(">I", len(content))
    return length + struct.pack(">I", crc32c(length + content)) + content


def number(n: int) -> bytes:
    out = b""
    while n > 0x7F:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def signed(n: int) -> bytes:
    return number(2 * n if n >= 0 else -2 * n - 1)


def text(value) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def counted(data: bytes) -> bytes:
    return number(len(data)) + data


# Three points. Forms of a value, of which the first that gives it to the bit is taken: 2 whole numbers, 3 tenths,
# 4 hundredths, 5 thousandths; then 1 a single, 0 all bits.
assert all(round(1.234 / step) * step != 1234 * 0.001 for step in [1, 0.1, 0.01])
assert all(round(1.23 / step) * step != 1230 * 0.001 for step in [1, 0.1]) and 123 * 0.01 == 1230 * 0.001
first = b"".join([
    signed(SECOND), signed(START - SECOND),
    bytes([1 | 8]),  # the record can be written, a picture
    number(3),
    number(1), bytes([5 << 4 | 3]), signed(SECOND // 10), signed(1234),  # 1.234, read 0.1 s ago
    number(1), bytes([8]), bytes([1]),  # never read
    number(1), bytes([0 << 4 | 4 | 3]), struct.pack(">d", math.pi),  # at the same time
    number(0),
    number(2), struct.pack(">QQ", 1, 2**64 - 1),
])
report = {"writes": [{"command": 7, "gate": 2, "result": {"refused": 6}, "at": {"secs": 1, "nanos": 5}}]}
told = b'{"commands":[],"entries":[],"answers":[],"cycle":true}'
second = b"".join([
    signed(SECOND), signed(-95 * SECOND),  # civil time was set back
    bytes([2 | 4]),  # reports, and something decided; the record cannot be written
    number(3),
    number(1), bytes([4 << 4 | 3]), signed(0), signed(123 - 123),  # 1.230 in hundredths, 1.234 is nearest to 123; read now
    number(1), bytes([1 << 4 | 8 | 4 | 3]), struct.pack(">f", 0.3), bytes([3, 4]),  # a single; exception 4 since
    number(1), bytes([1 | 8]), bytes([4]),  # gone: a sentinel
    number(0),
    counted(text(report)),
    counted(told),
])
third = b"".join([
    signed(SECOND), signed(0), bytes([1]), number(3),
    number(2), bytes([2 | 8]), signed(250_000), bytes([0]),  # the same value, read again
    number(0),
])
moments = [first, second, third]

now = {"mono": {"secs": 1, "nanos": 0}, "utc": "2026-05-18T14:32:07Z"}
head = {
    "format": 1, "state": 4, "build": "0.1.0", "basin": "alder", "config": "c0ffee", "boot": "boot-1",
    "settings": {"observing": False, "bench": True},
    "turns": [{"id": "t", "intake": "i", "from": "2026-05-01T00:00:00Z", "to": "2026-05-02T00:00:00Z", "rate": 0.35}],
    "ticks": 41, "now": now,
}
state = {"tick": 41}  # Its form is the build's: what stands here comes back as it is.
closing = {"now": {"mono": {"secs": 4, "nanos": 0}, "utc": "2026-05-18T14:30:35Z"}, "reports": [], "entries": []}

alone = zlib.compressobj(wbits=-15)
out = b"qindanS1" + frame(1, text(head)) + frame(2, alone.compress(text(state)) + alone.flush())
stream = zlib.compressobj(wbits=-15)
for kind, plain in [(3, moment) for moment in moments] + [(4, text(closing))]:
    out += frame(kind, stream.compress(plain) + stream.flush(zlib.Z_SYNC_FLUSH))
(HERE / "snapshots-v1.bin").write_bytes(out)
(HERE / "snapshots-v1.hex").write_text("".join(moment.hex() + "\n" for moment in moments))
