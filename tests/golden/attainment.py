"""Days of a section from exported samples, apart from the code under test and in exact fractions.

  python3 attainment.py SAMPLES.csv POINT FLOOR OFFSET_H BEGIN_H YEAR MONTH

A line for each day of the month: date, mean, least, valid hours, hours met, known minutes, seconds below, deficit in m3, verdict.
The integrals of value and of known time up to each moment are taken once; every span is a difference of two of them.
"""
import bisect
import calendar
import csv
import datetime
import sys
from fractions import Fraction

path, point, floor, offset_h, begin_h, year, month = sys.argv[1:]
floor, offset_h, begin_h = Fraction(float(floor)), int(offset_h), int(begin_h)
EPOCH = datetime.datetime(1970, 1, 1)
HOLD = 660_000


def ms(text):
    text = text.removesuffix("Z")
    whole, _, part = text.partition(".")
    moment = datetime.datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S")
    return int((moment - EPOCH).total_seconds()) * 1000 + int((part + "000")[:3])


rows = [row for row in csv.DictReader(open(path, encoding="utf-8")) if row["point"] == point]
rows = sorted(((ms(row["time"]), row) for row in rows), key=lambda pair: pair[0])
begins, ends, values = [], [], []
for index, (at, row) in enumerate(rows):
    until = min(at + HOLD, rows[index + 1][0] if index + 1 < len(rows) else at + HOLD)
    if until > at and row["value"] and row["quality"] in ("good", "simulated", "substituted"):
        begins.append(at)
        ends.append(until)
        values.append(Fraction(float(row["value"])))

water, known = [Fraction(0)], [0]
for begin, end, value in zip(begins, ends, values):
    water.append(water[-1] + value * (end - begin))
    known.append(known[-1] + end - begin)


def up_to(at):
    index = bisect.bisect_left(begins, at)
    if index == 0:
        return Fraction(0), 0
    lost = max(0, ends[index - 1] - at)
    return water[index] - values[index - 1] * lost, known[index] - lost


def span(begin, end):
    (w0, k0), (w1, k1) = up_to(begin), up_to(end)
    return (None, 0) if k1 == k0 else ((w1 - w0) / (k1 - k0), k1 - k0)


for day in range(1, calendar.monthrange(int(year), int(month))[1] + 1):
    start = datetime.datetime(int(year), int(month), day, begin_h) - datetime.timedelta(hours=offset_h)
    start = int((start - EPOCH).total_seconds()) * 1000
    end = start + 86_400_000
    hours = [span(at, at + 3_600_000) for at in range(start, end, 3_600_000)]
    valid = [mean for mean, covered in hours if mean is not None and 5 * covered >= 4 * 3_600_000]
    minutes = [span(at, at + 60_000) for at in range(start, end, 60_000)]
    minutes = [(mean, covered) for mean, covered in minutes if mean is not None and 2 * covered >= 60_000]
    below = [(mean, covered) for mean, covered in minutes if mean < floor]
    within = [value for b, e, value in zip(begins, ends, values) if b < end and e > start]
    mean = span(start, end)[0] if 5 * len(valid) >= 4 * 24 else None
    verdict = "missing" if mean is None else "pass" if mean >= floor else "fail"
    print(
        f"{year}-{int(month):02}-{day:02}",
        "" if mean is None else repr(float(mean)),
        repr(float(min(within))) if within else "",
        len(valid),
        sum(mean >= floor for mean in valid),
        len(minutes),
        60 * len(below),
        repr(float(sum(((floor - mean) * covered for mean, covered in below), Fraction(0)) / 1000)),
        verdict,
        sep=",",
    )
