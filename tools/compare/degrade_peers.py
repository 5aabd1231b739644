"""The operations of `biqa bench degrade` in OpenCV, scikit-image and numpy, on the same picture, one thread.

What is measured is the same work on the same pixels, not the same arithmetic: each row names the function. An
operation that neither library has is left out. Numbers are the fastest of several runs, the slowest level of an
operation, as `biqa bench degrade` has it.
"""

import argparse
import subprocess
import time

import cv2
import numpy as np
from skimage import color, filters, util

# Levels of KADID-10k (`biqa degrade --list`) and of QPT, where the libraries take them.
SIGMAS = [0.1, 0.5, 1, 2, 5]
RADII = [1, 2, 4, 6, 8]
LENGTHS = [1, 2, 4, 6, 10]
QUALITY = [43, 36, 24, 7, 4]
DIFFUSE = [1, 3, 6, 8, 12]
FACTORS = [1, 2, 3, 6, 9]
WHITE = [0.001, 0.002, 0.003, 0.005, 0.01]
IMPULSE = [0.001, 0.005, 0.01, 0.02, 0.03]
SPECKLE = [0.001, 0.005, 0.01, 0.02, 0.05]
PIXELATE = [0.01, 0.05, 0.1, 0.2, 0.5]
SHARPEN = [1, 2, 3, 6, 12]
SHIFT = [0.15, 0.08, 0, -0.08, -0.15]
LAMBDAS = [8, 16, 24, 32, 40]
WINDOWS = [3, 5, 7, 9, 11]
STDS = [4, 8, 12, 16, 18]
UP = [1.05, 1.1, 1.15, 1.2, 1.25]
GAMMAS = [1.025, 1.05, 1.075, 1.1, 1.125]
TURNS = [3.6, 7.2, 10.8, 14.4, 18]
FRACTIONS = [0.05, 0.1, 0.15, 0.2, 0.25]
SCALES = [2, 2.5, 3, 3.5, 4]


def clipped(x):
    return np.clip(np.rint(x), 0, 255).astype(np.uint8)


def disc(radius):
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    kernel = (x * x + y * y <= radius * radius).astype(np.float32)
    return kernel / kernel.sum()


def line(length, angle=40.0):
    side = 2 * (int(length) // 2) + 1
    kernel = np.zeros((side, side), np.float32)
    half, a = (side - 1) / 2, np.deg2rad(angle)
    ends = [(round(half + s * half * np.cos(a)), round(half - s * half * np.sin(a))) for s in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0)
    return kernel / kernel.sum()


def blur(image, sigma):
    side = 2 * int(np.ceil(2 * sigma)) + 1
    return cv2.GaussianBlur(image, (side, side), sigma, borderType=cv2.BORDER_REPLICATE)


def in_lab(image, change):
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    return clipped(255 * cv2.cvtColor(change(lab), cv2.COLOR_Lab2RGB))


def in_lab_skimage(image, factor):
    lab = color.rgb2lab(image)
    lab[..., 1:] *= factor
    return clipped(255 * color.lab2rgb(lab))


def diffuse(lab, n):
    lab[..., 1:] = n * blur(lab[..., 1:], 1.5 * n + 2)
    return lab


def scale_colours(lab, n):
    lab[..., 1:] *= n
    return lab


def sharpen(lab, n):
    light = lab[..., 0].copy()
    lab[..., 0] += n * (light - cv2.GaussianBlur(light, (13, 13), 3, borderType=cv2.BORDER_REPLICATE))
    return lab


def hue(image, degrees):
    hsv = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0] + degrees) % 360
    return clipped(255 * cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB))


def jpeg(image, quality):
    flags = [cv2.IMWRITE_JPEG_QUALITY, quality]
    return cv2.imdecode(cv2.imencode(".jpg", image, flags)[1], cv2.IMREAD_COLOR)


def jpeg2000(image, ratio):
    flags = [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, round(1000 / ratio)]
    return cv2.imdecode(cv2.imencode(".jp2", image, flags)[1], cv2.IMREAD_COLOR)


def there_and_back(image, size, down, up):
    h, w = image.shape[:2]
    small = cv2.resize(image, (max(1, int(w * size)), max(1, int(h * size))), interpolation=down)
    return cv2.resize(small, (w, h), interpolation=up)


def rows(rng):
    """Name as biqa has it, what it is here, levels, function of (picture, level)."""
    normal = lambda x, std: clipped(x + std * rng.standard_normal(x.shape, np.float32))
    table = lambda x, f: cv2.LUT(x, clipped(f(np.arange(256.0))))
    near, linear, cubic = cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC
    return [
        ("kadid:gaussian_blur", "cv2.GaussianBlur", SIGMAS, blur),
        ("kadid:gaussian_blur", "skimage gaussian", SIGMAS, lambda x, s: filters.gaussian(x, s, channel_axis=2)),
        ("kadid:lens_blur", "cv2.filter2D", RADII, lambda x, r: cv2.filter2D(x, -1, disc(r))),
        ("kadid:motion_blur", "cv2.filter2D", LENGTHS, lambda x, n: cv2.filter2D(x, -1, line(n))),
        ("kadid:color_diffusion", "cv2 Lab, blur", DIFFUSE, lambda x, n: in_lab(x, lambda lab: diffuse(lab, n))),
        ("kadid:saturate_lab", "cv2 Lab", FACTORS, lambda x, n: in_lab(x, lambda lab: scale_colours(lab, n))),
        ("kadid:saturate_lab", "skimage Lab", FACTORS, in_lab_skimage),
        ("kadid:jpeg2000", "cv2 jpeg2000", [16, 32, 45, 120, 400], jpeg2000),
        ("kadid:jpeg", "cv2 jpeg", QUALITY, jpeg),
        ("kadid:noise_white", "numpy normal", WHITE, lambda x, v: normal(x, 255 * v**0.5)),
        ("kadid:noise_white", "skimage random_noise", WHITE, lambda x, v: util.random_noise(x, "gaussian", rng, var=v)),
        ("kadid:noise_impulse", "skimage random_noise", IMPULSE, lambda x, d: util.random_noise(x, "s&p", rng, amount=d)),
        ("kadid:noise_multiplicative", "skimage random_noise", SPECKLE, lambda x, v: util.random_noise(x, "speckle", rng, var=v)),
        ("kadid:mean_shift", "cv2.LUT", SHIFT, lambda x, s: table(x, lambda v: v + 255 * s)),
        ("kadid:pixelate", "cv2.resize", PIXELATE, lambda x, s: there_and_back(x, 0.95 - s**0.6, near, near)),
        ("kadid:sharpen", "cv2 Lab, blur", SHARPEN, lambda x, n: in_lab(x, lambda lab: sharpen(lab, n))),
        ("qpt:gaussian_blur", "cv2.GaussianBlur", [0.5, 1, 1.5, 2, 2.5], lambda x, s: cv2.GaussianBlur(x, (3, 3), s)),
        ("qpt:median_blur", "cv2.medianBlur", WINDOWS, cv2.medianBlur),
        ("qpt:defocus_blur", "cv2.filter2D", [3, 4, 5, 6, 7], lambda x, r: cv2.filter2D(x, -1, disc(r))),
        ("qpt:gaussian_color_noise", "numpy normal", STDS, normal),
        ("qpt:poisson_noise", "numpy poisson", LAMBDAS, lambda x, n: clipped(x + rng.poisson(n, x.shape))),
        ("qpt:multiplicative_noise", "numpy uniform", FRACTIONS, lambda x, h: clipped(x * rng.uniform(1 - h, 1 + h, x.shape))),
        ("qpt:jpeg", "cv2 jpeg", [10, 30, 50, 70, 90], jpeg),
        ("qpt:brightness_up", "cv2.LUT", UP, lambda x, f: table(x, lambda v: f * v)),
        ("qpt:gamma_up", "cv2.LUT", GAMMAS, lambda x, g: table(x, lambda v: 255 * (v / 255) ** g)),
        ("qpt:hue_up", "cv2 HSV", TURNS, hue),
        ("qpt:downscale_nearest", "cv2.resize", SCALES, lambda x, s: there_and_back(x, 1 / s, near, near)),
        ("qpt:downscale_bilinear", "cv2.resize", SCALES, lambda x, s: there_and_back(x, 1 / s, linear, linear)),
        ("qpt:downscale_bicubic", "cv2.resize", SCALES, lambda x, s: there_and_back(x, 1 / s, cubic, cubic)),
    ]


def fastest(run, image, level, runs):
    best = float("inf")
    for _ in range(runs):
        begin = time.perf_counter()
        run(image.copy(), level)
        best = min(best, time.perf_counter() - begin)
    return 1e3 * best


def ours(command, picture, runs):
    """Milliseconds by operation, as `biqa bench degrade` prints them."""
    lines = subprocess.run([command, "bench", "degrade", picture, "--runs", str(runs), "-q"],
                           check=True, capture_output=True, text=True).stdout.splitlines()[1:]
    cells = [line.split() for line in lines]
    return {row[0].split("@")[0]: float(row[1]) for row in cells if ":" in row[0]}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", help="512 x 384 pixels: biqa bench degrade --save PNG writes one")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--biqa", help="the command biqa, to measure it on the same picture beside this")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    image = cv2.cvtColor(cv2.imread(args.picture, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    known = ours(args.biqa, args.picture, args.runs) if args.biqa else {}
    print(f"{'operation':<28} {'here':<22} {'ms':>8} {'biqa ms':>8}")
    for name, what, levels, run in rows(np.random.default_rng(0)):
        ms = max(fastest(run, image, level, args.runs) for level in levels)
        mine = f"{known[name]:8.2f}" if name in known else ""
        print(f"{name:<28} {what:<22} {ms:8.2f} {mine:>8}")


if __name__ == "__main__":
    main()
