"""A day from the rows of a replay (series.csv), apart from the code under test: nothing of samples, dead bands or journals.

  python3 rows_of_a_run.py SERIES.csv OFFSET_H BEGIN_H YYYY-MM-DD

Lines: section,ID,mean of what its meter showed,least of it,least true flow / intake,ID,m3,m3 since the run began / level,ID,at the end of the day.
A row is the moment at the end of its interval; values between two rows lie on the line between them.
"""
import csv
import datetime
import sys

path, offset_h, begin_h, date = sys.argv[1:]
start = datetime.datetime.fromisoformat(date) + datetime.timedelta(hours=int(begin_h) - int(offset_h))
end = start + datetime.timedelta(days=1)


def moment(text):
    return datetime.datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")


rows = [(moment(row["time_utc"]), row) for row in csv.DictReader(open(path, encoding="utf-8"))]
so_far = [(at, row) for at, row in rows if at <= end]
rows = [(at, row) for at, row in so_far if start <= at]
assert rows[0][0] == start and rows[-1][0] == end, (rows[0][0], rows[-1][0])


def values(column, rows=rows):
    return [(at, float(row[column])) for at, row in rows if row[column] != ""]


def integral(points):
    pairs = zip(points, points[1:])
    return sum((a + b) / 2 * (t1 - t0).total_seconds() for (t0, a), (t1, b) in pairs)


for column in rows[0][1]:
    if column.startswith("section.") and column.endswith(".seen_m3s"):
        points = values(column)
        if points:
            covered = (points[-1][0] - points[0][0]).total_seconds()
            name = column.removeprefix("section.").removesuffix(".seen_m3s")
            true = min(value for _, value in values(f"section.{name}.min_m3s"))
            print("section", name, repr(integral(points) / covered), repr(min(v for _, v in points)), repr(true), sep=",")
    elif column.startswith("intake."):
        both = [repr(integral(values(column, rows))) for rows in (rows, so_far)]
        print("intake", column.removeprefix("intake.").removesuffix("_m3s"), *both, sep=",")
    elif column.startswith("level."):
        print("level", column.removeprefix("level.").removesuffix("_m"), repr(values(column)[-1][1]), sep=",")
