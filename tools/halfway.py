#!/usr/bin/env python3
"""halfway.py A B OUT: the mean of two safetensors files of the same tensors, in float32.

A backbone half the way from where a pre-training began to where it ended: whether the whole way is
too far (tools/pretraining.sh). Python's own library is enough.
"""

import json
import struct
import sys

KINDS = {"F32": ("f", 4), "F16": ("e", 2)}


def read(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    header.pop("__metadata__", None)
    tensors = {}
    for name, of in header.items():
        if of["dtype"] not in KINDS:
            sys.exit(f"{path}: {name} is {of['dtype']}, expected one of {', '.join(KINDS)}")
        kind, size = KINDS[of["dtype"]]
        begin, end = of["data_offsets"]
        tensors[name] = (of["shape"], struct.unpack(f"<{(end - begin) // size}{kind}", data[begin:end]))
    return tensors


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    a, b = read(sys.argv[1]), read(sys.argv[2])
    shapes = [{name: shape for name, (shape, _) in tensors.items()} for tensors in (a, b)]
    if shapes[0] != shapes[1]:
        sys.exit(f"{sys.argv[1]} and {sys.argv[2]} have other tensors or shapes")
    header, data = {}, bytearray()
    for name in sorted(a):
        mean = [(x + y) / 2 for x, y in zip(a[name][1], b[name][1])]
        begin = len(data)
        data += struct.pack(f"<{len(mean)}f", *mean)
        header[name] = {"dtype": "F32", "shape": a[name][0], "data_offsets": [begin, len(data)]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(sys.argv[3], "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


main()
