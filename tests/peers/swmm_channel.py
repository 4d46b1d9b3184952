"""A channel in EPA SWMM (dynamic wave), asked for what it passes when its inflow steps up.

usage: swmm_channel.py FOLDER, with the channel as JSON on standard input:
{"km", "slope", "width", "side", "manning", "low", "high", "hours_low", "hours_high"}

Prints JSON: the outflow at every minute from the start (m3/s), and the depth half-way before the step and at the end (m).
"""

import json
import pathlib
import sys

from pyswmm import Links, Nodes, Simulation

CELL_M = 500.0
folder = pathlib.Path(sys.argv[1])
channel = json.load(sys.stdin)

cells = round(channel["km"] * 1000.0 / CELL_M)
length = channel["km"] * 1000.0 / cells
bed = [1000.0 - channel["slope"] * length * at for at in range(cells + 1)]
hours = channel["hours_low"] + channel["hours_high"]


def lines():
    yield "[OPTIONS]"
    yield "FLOW_UNITS CMS"
    yield "FLOW_ROUTING DYNWAVE"
    yield "START_DATE 01/01/2024"
    yield "START_TIME 00:00:00"
    yield "REPORT_START_DATE 01/01/2024"
    yield "REPORT_START_TIME 00:00:00"
    yield f"END_DATE 01/{1 + hours // 24:02d}/2024"
    yield f"END_TIME {hours % 24:02d}:00:00"
    yield "REPORT_STEP 00:01:00"
    yield "ROUTING_STEP 5"
    yield "VARIABLE_STEP 0.5"
    yield "INERTIAL_DAMPING NONE"
    yield "NORMAL_FLOW_LIMITED BOTH"
    yield "MAX_TRIALS 20"
    yield "HEAD_TOLERANCE 0.00001"
    yield "ALLOW_PONDING NO"
    yield "MIN_SURFAREA 0.1"
    yield "[JUNCTIONS]"
    for at in range(cells):
        yield f"N{at} {bed[at]:.6f} 50 0 0 0"
    yield "[OUTFALLS]"
    yield f"OUT {bed[cells]:.6f} NORMAL NO"
    yield "[CONDUITS]"
    for at in range(cells):
        to = f"N{at + 1}" if at + 1 < cells else "OUT"
        yield f"C{at} N{at} {to} {length:.6f} {channel['manning']} 0 0 {channel['low']} 0"
    yield "[XSECTIONS]"
    for at in range(cells):
        side = channel["side"]
        yield f"C{at} TRAPEZOIDAL 20 {channel['width']} {side} {side} 1"
    yield "[INFLOWS]"
    yield "N0 FLOW STEP FLOW 1.0 1.0"
    yield "[TIMESERIES]"
    before = channel["hours_low"]
    yield f"STEP 0:00 {channel['low']}"
    yield f"STEP {before}:00 {channel['low']}"
    yield f"STEP {before}:01 {channel['high']}"
    yield f"STEP {hours + 1}:00 {channel['high']}"


model = folder / "channel.inp"
model.write_text("\n".join(lines()) + "\n")

found = {"outflow": [], "depth_low": None, "depth_high": None}
with Simulation(str(model), str(folder / "channel.rpt"), str(folder / "channel.out")) as run:
    run.step_advance(60)
    middle, last = Nodes(run)[f"N{cells // 2}"], Links(run)[f"C{cells - 1}"]
    begin = None
    for _ in run:
        begin = begin or run.start_time
        minute = round((run.current_time - begin).total_seconds() / 60.0)
        found["outflow"].append(last.flow)
        if minute <= 60 * channel["hours_low"]:
            found["depth_low"] = middle.depth
        found["depth_high"] = middle.depth
json.dump(found, sys.stdout)
