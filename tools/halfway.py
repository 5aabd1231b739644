#!/usr/bin/env python3
"""halfway.py A B OUT: the mean of two safetensors files of the same tensors, in float32, with what both
of them learnt from.

A backbone half the way from where a pre-training began to where it ended: whether the whole way is
too far (tools/pretraining.sh). Python's own library is enough.
"""

import json
import os
import struct
import sys

# What weights learnt from (crates/biqa/src/weights/file.rs).
LINEAGE = "biqa-lineage"
KINDS = {"F32": ("f", 4), "F16": ("e", 2)}


def read(path):
    with open(path, "rb") as file:
        try:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length))
        except (struct.error, ValueError) as error:
            sys.exit(f"{path} is no safetensors file, or not whole: {error}")
        data = file.read()
    lineage = json.loads(header.pop("__metadata__", {}).get(LINEAGE, "[]"))
    if max(of["data_offsets"][1] for of in header.values()) != len(data):
        sys.exit(f"{path} is not whole")
    tensors = {}
    for name, of in header.items():
        if of["dtype"] not in KINDS:
            sys.exit(f"{path}: {name} is {of['dtype']}, expected one of {', '.join(KINDS)}")
        kind, size = KINDS[of["dtype"]]
        begin, end = of["data_offsets"]
        tensors[name] = (of["shape"], struct.unpack(f"<{(end - begin) // size}{kind}", data[begin:end]))
    return lineage, tensors


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    (before_a, a), (before_b, b) = read(sys.argv[1]), read(sys.argv[2])
    shapes = [{name: shape for name, (shape, _) in tensors.items()} for tensors in (a, b)]
    if shapes[0] != shapes[1]:
        sys.exit(f"{sys.argv[1]} and {sys.argv[2]} have other tensors or shapes")
    lineage = before_a + [of for of in before_b if of not in before_a]
    header, data = {}, bytearray()
    if lineage:
        header["__metadata__"] = {LINEAGE: json.dumps(lineage, separators=(",", ":"))}
    for name in sorted(a):
        mean = [(x + y) / 2 for x, y in zip(a[name][1], b[name][1])]
        begin = len(data)
        data += struct.pack(f"<{len(mean)}f", *mean)
        header[name] = {"dtype": "F32", "shape": a[name][0], "data_offsets": [begin, len(data)]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(sys.argv[3] + ".part", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)
    os.replace(sys.argv[3] + ".part", sys.argv[3])


main()
