"""The network of `biqa score`, in PyTorch eager mode, on the same photos: speed and scores."""

import argparse
import json
import struct
import time

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file

# Expansion, channels, repeats, stride of MobileNetV2 (Sandler et al. 2018, table 2).
GROUPS = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]


def card_of(path):
    with open(path, "rb") as f:
        n = struct.unpack("<Q", f.read(8))[0]
        return json.loads(json.loads(f.read(n))["__metadata__"]["biqa"])


class Lite:
    def __init__(self, path):
        self.card = card_of(path)
        self.w = {k: v.float() for k, v in load_file(path).items()}
        self.taps = self.card["config"]["taps"]

    def conv(self, x, name, stride=1, groups=1, act=True):
        w, b = self.w[f"trunk.{name}.weight"], self.w[f"trunk.{name}.bias"]
        y = F.conv2d(x, w, b, stride=stride, padding=w.shape[2] // 2, groups=groups)
        return y.clamp_(0, 6) if act else y

    def statistics(self, x):
        out, i = [], 0

        def tap(y):
            if i in self.taps:
                flat = y.flatten(2)
                out.extend([flat.mean(2), (flat.var(2, unbiased=False) + 1e-6).sqrt()])

        x = self.conv(x, "features.0.0", stride=2)
        tap(x)
        for t, _, n, s in GROUPS:
            for k in range(n):
                i += 1
                f, y = f"features.{i}.conv", x
                if t != 1:
                    y = self.conv(y, f + ".0.0")
                d = 0 if t == 1 else 1
                y = self.conv(y, f"{f}.{d}.0", stride=s if k == 0 else 1, groups=y.shape[1])
                y = self.conv(y, f"{f}.{d + 1}", act=False)
                x = x + y if x.shape == y.shape else y
                tap(x)
        i += 1
        tap(self.conv(x, "features.18.0"))
        return torch.cat(out, 1)

    @torch.inference_mode()
    def score(self, image):
        view = self.card["view"]
        mean, std = (torch.tensor(view[k]).view(3, 1, 1) for k in ("mean", "std"))
        whole, z = view["policy"]["whole"], []
        for size in whole["sizes"]:
            w, h = image.size
            short = max(min(size, min(w, h)), whole["smallest"])
            if short != min(w, h):
                long = int(short * max(w, h) / min(w, h))
                resized = image.resize((short, long) if w <= h else (long, short), Image.BICUBIC)
            else:
                resized = image
            x = torch.from_numpy(np.array(resized)).permute(2, 0, 1).float() / 255
            z.append(self.statistics(((x - mean) / std)[None]))
        z = (torch.cat(z, 1) - self.w["head.center"]) / self.w["head.spread"]
        hidden = F.gelu(F.linear(z.clamp(-5, 5), self.w["head.fc1.weight"], self.w["head.fc1.bias"]))
        raw = F.linear(hidden, self.w["head.fc2.weight"], self.w["head.fc2.bias"]).item()
        (x0, y0), (x1, y1) = self.card["scale"][0], self.card["scale"][-1]
        return min(max(y0 + (y1 - y0) * (raw - x0) / (x1 - x0), 0), 100)


def main():
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("model")
    args.add_argument("photos", nargs="+")
    args.add_argument("--threads", type=int, default=2)
    args.add_argument("--quiet", action="store_true")
    args = args.parse_args()
    torch.set_num_threads(args.threads)
    lite = Lite(args.model)
    lite.score(Image.open(args.photos[0]).convert("RGB"))  # warm-up
    start = time.time()
    for path in args.photos:
        score = lite.score(Image.open(path).convert("RGB"))
        if not args.quiet:
            print(f"{score:8.4f}  {path}")
    seconds = time.time() - start
    print(f"{len(args.photos) / seconds:.2f} images/s on {args.threads} threads")


if __name__ == "__main__":
    main()
