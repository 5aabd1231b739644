#!/usr/bin/env python3
"""Models beside each other on the same photos, by what `biqa evaluate -o` has predicted.

paired.py join TABLE NAME[@TEXT]=predictions.csv...
    One row a photo, one column a model; a model's predictions may come in several files (one a part), with
    TEXT of the photos alone whose path contains it.
paired.py TABLE A B [--part PART] [--of TEXT] [--plcc]
    SRCC (or PLCC) of the models A and B, their seeds' mean (A is the column A, or else A-00, A-01, ...),
    and the difference B less A with its 95 % interval: 1,000 resamples of contents, the same for both. Of
    the photos that both have predictions for, of PART alone, and whose path contains TEXT.

Python's own library is enough.
"""

import argparse
import csv
import os
import random
import re
import sys

FIXED = ["path", "content", "part", "score"]
RESAMPLES = 1000


def rows_of(path, needed, from_where):
    try:
        with open(path, encoding="utf-8", newline="") as file:
            table = csv.DictReader(file)
            missing = [column for column in needed if column not in (table.fieldnames or [])]
            if missing:
                sys.exit(f"{path} has no column {', '.join(missing)}; expected {from_where}")
            rows = list(table)
    except (OSError, UnicodeDecodeError) as error:
        sys.exit(f"cannot read {path}: {error}; expected {from_where}")
    if not rows:
        sys.exit(f"{path} has no rows; expected {from_where}")
    return rows


def join(table, models):
    photos, names = {}, []
    for model in models:
        name, _, path = model.partition("=")
        name, _, text = name.partition("@")
        if not name or not path or name in FIXED:
            sys.exit(f"{model}: expected NAME=predictions.csv")
        names += [name] if name not in names else []
        needed = ["path", "content", "split", "score", "prediction"]
        for row in rows_of(path, needed, "predictions.csv of biqa evaluate -o"):
            if text not in row["path"]:
                continue
            fixed = [row["path"], row["content"], row["split"], f"{float(row['score']):g}"]
            known = photos.setdefault(row["path"], (fixed, {}))
            if known[0] != fixed:
                sys.exit(f"{path}: {row['path']} has another content, part or score than before")
            if name in known[1]:
                sys.exit(f"{path}: {name} has a prediction for {row['path']} already; a name is one model")
            known[1][name] = f"{float(row['prediction']):.6f}"
    with open(table + ".part", "w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(FIXED + names)
        for fixed, values in sorted(photos.values(), key=lambda photo: photo[0]):
            out.writerow(fixed + [values.get(name, "") for name in names])
    os.replace(table + ".part", table)


def ranks(values):
    order = sorted(range(len(values)), key=values.__getitem__)
    found, first = [0.0] * len(values), 0
    while first < len(order):
        last = first
        while last + 1 < len(order) and values[order[last + 1]] == values[order[first]]:
            last += 1
        for i in order[first : last + 1]:
            found[i] = (first + last) / 2
        first = last + 1
    return found


def pearson(a, b):
    n = len(a)
    mean_a, mean_b = sum(a) / n, sum(b) / n
    a, b = [x - mean_a for x in a], [x - mean_b for x in b]
    spread = (sum(x * x for x in a) * sum(x * x for x in b)) ** 0.5
    return sum(x * y for x, y in zip(a, b)) / spread if spread else float("nan")


def columns_of(row, of, table):
    models = [column for column in row if column not in FIXED]
    found = [of] if of in models else [c for c in models if re.fullmatch(re.escape(of) + r"-\d\d", c)]
    if not found:
        sys.exit(f"{table} has no column {of} or {of}-00; it has {', '.join(models)}")
    return found


def compare(args):
    rows = rows_of(args.table, FIXED, "a table of paired.py join")
    columns = [columns_of(rows[0], of, args.table) for of in (args.a, args.b)]
    parts = sorted({row["part"] for row in rows})
    if args.part not in ["", *parts]:
        sys.exit(f"{args.table} has no part {args.part}; it has {', '.join(parts)}")
    rows = [
        row
        for row in rows
        if args.part in ("", row["part"])
        and args.of in row["path"]
        and all(row[c] for c in columns[0] + columns[1])
    ]
    if len(rows) < 3:
        sys.exit(f"{args.table}: {len(rows)} photos of this kind with predictions of both, 3 are needed")
    scores = [float(row["score"]) for row in rows]
    models = [[[float(row[c]) for row in rows] for c in of] for of in columns]
    rank = (lambda values: values) if args.plcc else ranks

    def figures(places):
        targets = rank([scores[i] for i in places])
        return [[pearson(rank([m[i] for i in places]), targets) for m in of] for of in models]

    def difference(places):
        a, b = (sum(of) / len(of) for of in figures(places))
        return b - a

    contents = {}
    for i, row in enumerate(rows):
        contents.setdefault(row["content"], []).append(i)
    contents = [contents[key] for key in sorted(contents)]
    draw = random.Random(0)
    every = range(len(rows))
    print(f"{len(rows)} photos, {len(contents)} contents, {'PLCC' if args.plcc else 'SRCC'}")
    for name, of in zip((args.a, args.b), figures(every)):
        print(f"{name}: {' '.join(f'{v:.4f}' for v in of)}, mean {sum(of) / len(of):.4f}")
    drawn = sorted(
        difference([i for _ in contents for i in draw.choice(contents)]) for _ in range(RESAMPLES)
    )
    low, high = drawn[RESAMPLES // 40], drawn[-1 - RESAMPLES // 40]
    print(f"{args.b} less {args.a}: {difference(every):.4f}, {low:.4f} to {high:.4f}")


def main():
    if sys.argv[1:2] == ["join"]:
        return join(sys.argv[2], sys.argv[3:]) if len(sys.argv) > 3 else sys.exit(__doc__)
    options = argparse.ArgumentParser(usage=__doc__.replace("%", "%%"), add_help=False)
    for name in ("table", "a", "b"):
        options.add_argument(name)
    options.add_argument("--part", default="")
    options.add_argument("--of", default="")
    options.add_argument("--plcc", action="store_true")
    return compare(options.parse_args())


main()
