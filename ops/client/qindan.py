#!/usr/bin/env python3
"""A client of qindan with the standard library of Python 3.9 alone: state, stream, trends, actions, forecasts.

    export QINDAN_URL=https://qindan.example.org:8443 QINDAN_TOKEN_FILE=/etc/me/qindan.token
    qindan.py state                              sections with flow, quality and floor
    qindan.py follow [--states N]                a line for every new state; goes on after a break where it was
    qindan.py trends section:runcheng --hours 24
    qindan.py actions --limit 20
    qindan.py forecast FILE                      .csv or .json; needs a token of scope forecast

A token is made by `qindan token add NAME --scope read` and belongs into a file only its user can read. QINDAN_CA names
the certificate of a service that made its own. Nothing here can move a gate: tokens open no such route.
"""
import argparse
import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

# A beat comes every 2 s; whoever hears nothing for so long is not connected any more.
SILENT_S = 10
AGAIN_S = 1


class Refused(Exception):
    """The service said no: the status and its reason."""


def merge(target, patch):
    """A merge patch (RFC 7386); a list is patched by position."""
    if not isinstance(patch, dict):
        return patch
    if isinstance(target, list):
        for at, value in patch.items():
            target[int(at)] = merge(target[int(at)], value)
        return target
    target = target if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        else:
            target[key] = merge(target.get(key), value)
    return target


class Client:
    """One service, and what opens it."""

    def __init__(self, url: str, token: str, ca: "str | None" = None) -> None:
        self.url = url.rstrip("/")
        self.token = token
        self.tls = ssl.create_default_context(cafile=ca) if url.startswith("https:") else None

    def _open(self, path: str, body: "bytes | None" = None, **headers: str):
        headers = {"Authorization": f"Bearer {self.token}", **headers}
        request = urllib.request.Request(self.url + path, data=body, headers=headers)
        try:
            return urllib.request.urlopen(request, timeout=SILENT_S, context=self.tls)
        except urllib.error.HTTPError as error:
            said = error.read().decode(errors="replace")
            raise Refused(f"{error.code}: {said}") from error

    def get(self, path: str, **query):
        """An answer in JSON."""
        query = urllib.parse.urlencode({key: value for key, value in query.items() if value is not None})
        with self._open(f"{path}?{query}" if query else path) as answer:
            return json.load(answer)

    def forecast(self, body: bytes, kind: str):
        """Hands in forecasts. Sent twice, they are known the second time: after a break just send them again."""
        with self._open("/api/v1/forecasts", body, **{"Content-Type": kind, "X-Qindan": "1"}) as answer:
            return json.load(answer)

    def events(self, last: "str | None" = None):
        """(event, id, data) of the stream, until it ends."""
        with self._open("/api/v1/stream", **({"Last-Event-ID": last} if last else {})) as stream:
            event, name, data = "message", None, []
            for line in stream:
                line = line.decode().rstrip("\r\n")
                if not line:
                    if data:
                        yield event, name, json.loads("\n".join(data))
                    event, data = "message", []
                    continue
                field, _, value = line.partition(":")
                value = value.removeprefix(" ")
                if field == "event":
                    event = value
                elif field == "id":
                    name = value
                elif field == "data":
                    data.append(value)

    def states(self):
        """Every state, whole, for ever: after a break it goes on with what was missed, or with the whole state."""
        state, last = None, None
        while True:
            try:
                for event, name, data in self.events(last):
                    if event == "full":
                        state = data
                    elif event == "patch" and state is not None and data["base"] == state["seq"]:
                        state = merge(state, data["patch"])
                        state["seq"] = data["seq"]
                    elif event == "patch":
                        # Something was missed: ask for the whole.
                        last = None
                        break
                    else:
                        continue
                    last = name
                    yield state
            except (OSError, ValueError) as error:
                print(f"the stream broke: {error}", file=sys.stderr)
            time.sleep(AGAIN_S)


def shown(value: dict) -> str:
    """A value with its quality; one that is not there is not a number."""
    number = value.get("v")
    return f"{'-' if number is None else number} {value.get('q', '?')}"


def sections(state: dict, basin: dict):
    """Name, reading and floor of each section."""
    for section, now in zip(basin["sections"], state["sections"]):
        yield section["id"], now["reading"], now.get("floor_m3s")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("state")
    follow = commands.add_parser("follow")
    follow.add_argument("--states", type=int, help="end after so many")
    trends = commands.add_parser("trends")
    trends.add_argument("series", nargs="+", help="section:ID, meter:ID or gate:ID")
    trends.add_argument("--hours", type=float, default=24)
    trends.add_argument("--points", type=int)
    actions = commands.add_parser("actions")
    actions.add_argument("--limit", type=int, default=20)
    forecast = commands.add_parser("forecast")
    forecast.add_argument("file")
    args = parser.parse_args()

    token = os.environ.get("QINDAN_TOKEN")
    if "QINDAN_TOKEN_FILE" in os.environ:
        with open(os.environ["QINDAN_TOKEN_FILE"], encoding="utf-8") as file:
            token = file.read().strip()
    if not token:
        print("set QINDAN_TOKEN_FILE, or QINDAN_TOKEN; `qindan token add` makes one", file=sys.stderr)
        return 2
    client = Client(os.environ.get("QINDAN_URL", "http://127.0.0.1:8080"), token, os.environ.get("QINDAN_CA"))
    try:
        if args.command == "state":
            basin, state = client.get("/api/v1/basin"), client.get("/api/v1/state")
            print(f"state {state['seq']}, mode {state['mode']}")
            for name, reading, floor in sections(state, basin):
                print(f"{name}: {shown(reading)}, floor {'none' if floor is None else floor}")
        elif args.command == "follow":
            basin = client.get("/api/v1/basin")
            for number, state in enumerate(client.states(), start=1):
                flows = ", ".join(f"{name} {shown(reading)}" for name, reading, _ in sections(state, basin))
                print(f"{state['seq']}: {flows}", flush=True)
                if number == args.states:
                    break
        elif args.command == "trends":
            query = {"series": ",".join(args.series), "hours": args.hours, "points": args.points}
            json.dump(client.get("/api/v1/trends", **query), sys.stdout)
        elif args.command == "actions":
            json.dump(client.get("/api/v1/actions", limit=args.limit), sys.stdout, ensure_ascii=False, indent=1)
        else:
            kind = "text/csv" if args.file.endswith(".csv") else "application/json"
            with open(args.file, "rb") as file:
                json.dump(client.forecast(file.read(), kind), sys.stdout, indent=1)
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
