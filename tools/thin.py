#!/usr/bin/env python3
"""thin.py LOG...: makes the step lines of log.jsonl files fewer, in place.

A line then stands for as many steps as a place on the report's curve of the loss: means of their
numbers to seven digits, the last one's epoch and step, and its terms where the loss's terms change. The
report's curves stay the same; done again nothing changes. For runs that are kept (docs/results), not for
those that may be resumed.
"""

import json
import sys

# As PLACES in crates/biqa-lab/src/report/curves.rs.
PLACES = 120


def mean(values):
    first = values[0]
    if isinstance(first, dict):
        return {key: mean([v.get(key) for v in values]) for key in first}
    if isinstance(first, list) and all(isinstance(v, list) and len(v) == len(first) for v in values):
        return [mean(list(of)) for of in zip(*values)]
    if all(isinstance(v, (int, float)) for v in values) and any(isinstance(v, float) for v in values):
        return float(f"{sum(values) / len(values):.7g}")
    return mean(values[-1:]) if isinstance(first, list) and len(values) > 1 else values[-1]


def thinned(lines):
    """Lines of measurements stand where they stood, between steps that aren't joined across them."""
    n = sum(line.get("kind", "step") == "step" for line in lines)
    chunk = max(1, -(-n // PLACES))
    open_steps = []
    for line in lines:
        if line.get("kind", "step") == "step":
            open_steps.append(line)
            if len(open_steps) < chunk:
                continue
            yield mean(open_steps)
            open_steps = []
        else:
            if open_steps:
                yield mean(open_steps)
                open_steps = []
            yield line
    if open_steps:
        yield mean(open_steps)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        with open(path, "w", encoding="utf-8") as file:
            for line in thinned(lines):
                file.write(json.dumps(line, separators=(",", ":")) + "\n")


main()
