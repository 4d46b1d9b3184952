"""A TLS server of Python's own, for the tests: on a free port of 127.0.0.1, for clients whose certificate CA signed.

Says "ready PORT" when it listens. What is wrong with a client it says in an alert of TLS before it closes; whom it accepts
it answers nothing.
"""

import socket
import ssl
import sys

ca, certificate, key = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
context.load_verify_locations(ca)
context.verify_mode = ssl.CERT_REQUIRED
listener = socket.create_server(("127.0.0.1", 0))
print(f"ready {listener.getsockname()[1]}", flush=True)
while True:
    connection, _ = listener.accept()
    try:
        with context.wrap_socket(connection, server_side=True) as tunnel:
            tunnel.recv(260)
    except OSError as error:
        print(error, file=sys.stderr)
