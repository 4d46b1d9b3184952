"""A Modbus server on pymodbus, for the tests: "tcp" or "tls" on a free port of 127.0.0.1, or "rtu" at a device path.

Tables of 3000: holding register a holds a, input register a 10000 + a; every third coil and every fifth discrete input
is on. Unit 1. Says "ready PORT" or "ready PATH" when it listens. With "tls" a client has to show a certificate that CA
signed; what requests came out of the tunnel is appended to LOG in hex, one a line.
"""

import asyncio
import ssl
import sys
from pathlib import Path

from pymodbus import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer, ModbusTlsServer
from pymodbus.simulator import DataType, SimData, SimDevice

SIZE = 3000
UNIT = 1


def device() -> SimDevice:
    def bits(every: int) -> list[SimData]:
        return [SimData(0, values=[at % every == 0 for at in range(SIZE)], datatype=DataType.BITS)]

    def registers(first: int) -> list[SimData]:
        return [SimData(0, values=list(range(first, first + SIZE)), datatype=DataType.REGISTERS)]

    return SimDevice(UNIT, simdata=(bits(3), bits(5), registers(0), registers(10_000)))


async def main(arguments: list[str]) -> None:
    match arguments:
        case ["tcp"]:
            server = ModbusTcpServer(device(), address=("127.0.0.1", 0))
            await server.serve_forever(background=True)
            where = server.transport.sockets[0].getsockname()[1]
        case ["tls", ca, certificate, key, log]:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            context.load_verify_locations(ca)
            context.verify_mode = ssl.CERT_REQUIRED

            def note(sending: bool, data: bytes) -> bytes:
                if not sending:
                    with Path(log).open("a") as lines:
                        lines.write(data.hex() + "\n")
                return data

            server = ModbusTlsServer(device(), address=("127.0.0.1", 0), sslctx=context, trace_packet=note)
            await server.serve_forever(background=True)
            where = server.transport.sockets[0].getsockname()[1]
        case ["rtu", path]:
            server = ModbusSerialServer(
                device(), framer=FramerType.RTU, port=path, baudrate=9600, parity="N", stopbits=2
            )
            await server.serve_forever(background=True)
            where = path
        case _:
            sys.exit(f"use: {sys.argv[0]} tcp | tls CA CERT KEY LOG | rtu PATH")
    print(f"ready {where}", flush=True)
    await server.serving


asyncio.run(main(sys.argv[1:]))
