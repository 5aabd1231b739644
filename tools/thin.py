#!/usr/bin/env python3
"""thin.py LOG...: makes the step lines of log.jsonl files fewer, in place.

A line then stands for as many steps as a place on the report's curve of the loss: means of their
numbers to seven digits (of those steps that have them), and the last one's whole numbers, and its
terms where the loss's terms change. A line of a measurement stands behind the line of its step. The report's
curves stay the same; done again nothing changes. For runs that are kept (docs/results), not for those that may be
resumed.
"""

import json
import os
import sys

# As PLACES in crates/biqa-lab/src/report/curves.rs.
PLACES = 120


def mean(values):
    last = values[-1]
    if isinstance(last, dict):
        keys = {key: None for v in values for key in v}
        return {key: mean([v[key] for v in values if key in v]) for key in keys}
    if isinstance(last, list):
        alike = all(isinstance(v, list) and len(v) == len(last) for v in values)
        return [mean(list(of)) for of in zip(*(values if alike else [last]))]
    numbers = [v for v in values if isinstance(v, (int, float))]
    if any(isinstance(v, float) for v in numbers):
        return float(f"{sum(numbers) / len(numbers):.7g}")
    return last


def thinned(lines):
    n = sum(line.get("kind", "step") == "step" for line in lines)
    chunk = max(1, -(-n // PLACES))
    steps, measured = [], []
    for line in lines:
        if line.get("kind", "step") != "step":
            measured.append(line)
        else:
            steps.append(line)
        if len(steps) in (0, chunk):
            yield from [mean(steps)] if steps else []
            yield from measured
            steps, measured = [], []
    yield from [mean(steps)] if steps else []
    yield from measured


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in thinned(lines))
        with open(path + ".part", "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(path + ".part", path)


main()
