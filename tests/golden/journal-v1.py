"""Writes journal-v1.seg from the description of the format alone, without the service: an auditor's view.

python3 journal-v1.py > journal-v1.seg
"""
import hashlib
import json
import struct
import sys


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


assert crc32c(b"123456789") == 0xE3069283

prev = hashlib.sha256(b"0123456789abcdef").digest()
header = b"qindanJ1" + struct.pack(">QQ", 1, 1) + prev + bytes(4)
out = header + struct.pack(">I", crc32c(header))
about = {"actor": "dispatch", "gate": "alder.v1", "command": 1}
records = [
    (2, "intent", "2026-05-28T20:26:41Z", 1_000_000, {"action": {"goto": 0.25}}),
    (4, "outcome", "2026-05-28T20:26:42Z", 2_000_000, {"of": 1, "outcome": {"state": "verified"}}),
]
for seq, (number, kind, utc, mono, rest) in enumerate(records, start=1):
    record = {"seq": seq, "epoch": 1, "kind": kind, "utc": utc, "mono_us": mono, "boot": "boot-1", "config": "",
              "prev": prev.hex(), **about, **rest}
    body = json.dumps(record, separators=(",", ":")).encode()
    chain = hashlib.sha256(prev + struct.pack(">Q", seq) + body).digest()
    content = struct.pack(">BBQ", number, 1, seq) + body + chain
    length = struct.pack(">I", len(content))
    out += length + struct.pack(">I", crc32c(length + content)) + content
    prev = chain
sys.stdout.buffer.write(out)
