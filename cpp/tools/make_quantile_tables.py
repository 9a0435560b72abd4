"""Write quantile_tables.hpp and the known answers of the quantile tests; needs mpmath and numpy; ten seconds.

    python3 cpp/tools/make_quantile_tables.py

quantile.hpp says what a piece, an octave and d are. The functions fitted are z(t), t = g / 2^(bits + 2): the tail
probability of a word up to the factor 1 - 2^-24 (1 - 2^-53), which keeps every lower value below the median.
"""

import random
import textwrap
from pathlib import Path
from statistics import NormalDist

import mpmath as mp
import numpy as np

mp.mp.dps = 50
ROOT = Path(__file__).resolve().parents[2]

DEGREE32, OCTAVES32 = 6, 32
DEGREE64, PIECES64 = 14, 128
MILLS_DEGREE, MILLS_SCALE = 23, 5
EXP_DEGREE, LOG_DEGREE = 13, 10


def quantile(u):
    """Standard normal quantile of u in (0, 1/2]."""
    u = mp.mpf(u)
    if 2 * u == 1:
        return mp.mpf(0)
    z = mp.mpf(NormalDist().inv_cdf(float(u))) if u < 0.499 else (u - 0.5) * mp.sqrt(2 * mp.pi)
    for _ in range(60):
        error = (mp.ncdf(z) - u) / mp.npdf(z)
        step = error / (1 + z * error / 2)
        z -= step
        if abs(step) < abs(z) * mp.mpf(10) ** -18:  # cubic: the next step would be below 10^-50
            return z
    raise ArithmeticError(u)


def mills(z):
    """Mills ratio: upper tail probability over density, z >= 0."""
    if z < 20:
        return mp.ncdf(-z) / mp.npdf(z)
    tail = mp.mpf(0)
    for k in range(200, 0, -1):
        tail = k / (z + tail)
    return 1 / (z + tail)


def minimax_nodes(f, count, low, high):
    """Where the degree count - 1 polynomial of least maximum error that is exact at both ends meets f."""
    n = count
    x = (low + high) / 2 - (high - low) / 2 * np.cos(np.pi * np.arange(1, n) / n) / np.cos(np.pi / (2 * n))
    grid = np.linspace(low, high, 40001)
    values = np.array([f(d) for d in grid])
    for _ in range(8):
        at = np.concatenate(([low, high], x))
        a = np.hstack((at[:, None] ** np.arange(n), np.concatenate(([0, 0], (-1.0) ** np.arange(n - 1)))[:, None]))
        solution = np.linalg.solve(a, [f(d) for d in at])
        error = np.polynomial.polynomial.polyval(grid, solution[:n]) - values
        inner = error[1:-1]
        x = grid[1:-1][((inner - error[:-2]) * (error[2:] - inner) <= 0) & (np.abs(inner) > abs(solution[n]) / 5)]
        assert len(x) == n - 1
    i = np.nonzero(error[1:-2] * error[2:-1] < 0)[0] + 1
    zeros = grid[i] - error[i] * (grid[i + 1] - grid[i]) / (error[i + 1] - error[i])
    assert len(zeros) == n - 2
    return [low, *map(float, zeros), high]


def stretched_chebyshev_nodes(count):
    """Chebyshev nodes on [-1, 1], stretched so that the outer ones are the ends."""
    v = [mp.cos(mp.pi * (2 * i + 1) / (2 * count)) / mp.cos(mp.pi / (2 * count)) for i in range(count)]
    return [float(x) for x in reversed(v)]


def chebyshev_transform(nodes):
    """The matrix that takes values at the nodes to coefficients of Chebyshev polynomials."""
    n = len(nodes)
    return mp.matrix([[mp.chebyt(k, mp.mpf(v)) for k in range(n)] for v in nodes]) ** -1


def power_transform(points):
    """The matrix that takes values at the points to coefficients of powers."""
    n = len(points)
    return mp.matrix([[mp.mpf(d) ** k for k in range(n)] for d in points]) ** -1


def evaluate(coefficients, d):
    return mp.polyval(list(reversed([mp.mpf(c) for c in coefficients])), d)


def fit(f, points, transform):
    return [float(c) for c in transform * mp.matrix([f(mp.mpf(d)) for d in points])]


def worst(f, coefficients, low, high, floor, count=41):
    grid = [low + (high - low) * mp.mpf(i) / (count - 1) for i in range(count)]
    return max(abs(evaluate(coefficients, d) - f(d)) / max(floor, abs(f(d))) for d in grid)


def normal32(nodes):
    points = [v / 2 for v in nodes]
    transform = power_transform(points)
    table, error = [], 0
    for octave in range(OCTAVES32):

        def f(d, octave=octave):
            return quantile(mp.ldexp(d + 1.5, octave + 1 - 34))

        table.append(fit(f, points, transform))
        error = max(error, worst(f, table[-1], mp.mpf(-0.5), mp.mpf(0.5), 1))
    print(f"normal, 32 bit: fit within {mp.nstr(error, 3)} max(1, |z|)")
    return table


def normal64(nodes):
    points = [[v / 4 - 0.25 for v in nodes], [v / 4 + 0.25 for v in nodes]]
    transforms = [power_transform(p) for p in points]
    table, error = [], 0
    for piece in range(PIECES64):

        def f(d, piece=piece):
            return quantile(mp.ldexp(d + 1.5, (piece >> 1) + 1 - 66))

        half = piece & 1
        table.append(fit(f, points[half], transforms[half]))
        if piece < PIECES64 - 1:
            error = max(error, worst(f, table[-1], mp.mpf(half - 1) / 2, mp.mpf(half) / 2, 0, 21))
    print(f"normal, 64 bit: fit within {mp.nstr(error, 3)} |z|, rounded coefficients")

    def ratio(s):
        p = mp.sqrt(s)
        return quantile(0.5 - p) / p if p else -mp.sqrt(2 * mp.pi)

    points = [(v + 1) / 32 for v in nodes]
    centre = fit(ratio, points, power_transform(points))
    error = worst(ratio, centre, mp.mpf(0), mp.mpf(1) / 16, 0)
    print(f"normal, 64 bit, centre: fit within {mp.nstr(error, 3)} |z|, rounded coefficients")
    return table, centre


def mills_polynomial():
    """(z + 1) M(z) in y = (z - k) / (z + k), interpolated at Chebyshev nodes."""
    k, n = MILLS_SCALE, MILLS_DEGREE + 1
    y = [mp.cos(mp.pi * (2 * i + 1) / (2 * n)) for i in range(n)]

    def f(y):
        if y == 1:
            return mp.mpf(1)
        z = k * (1 + y) / (1 - y)
        return mills(z) * (z + 1)

    coefficients = fit(f, y, power_transform(y))
    print(f"Mills ratio: fit within {mp.nstr(worst(f, coefficients, mp.mpf(-1), mp.mpf(1), 0, 301), 3)}")
    return coefficients


def literal(x):
    mantissa, exponent = float(x).hex().split("p")
    return mantissa.rstrip("0").rstrip(".") + "p" + exponent if x else "0"


def block(declaration, values):
    lines = [f"inline constexpr double {declaration} = {{"]
    nested = declaration.count("[") == 2
    for row in values:
        text = ", ".join(literal(x) for x in row)
        text = f"{{{text}}}," if nested else f"{text},"
        lines.append(textwrap.fill(text, 118, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False))
    return "\n".join([*lines, "};"])


def rows(matrix):
    return [[matrix[i, j] for j in range(matrix.cols)] for i in range(matrix.rows)]


def transposed(table):
    return list(map(list, zip(*table, strict=True)))


def write_header(path):
    nodes32 = minimax_nodes(lambda v: NormalDist().inv_cdf((1.5 + v / 2) / 4), DEGREE32 + 1, -1.0, 1.0)
    nodes64 = stretched_chebyshev_nodes(DEGREE64 + 1)
    table64, centre = normal64(nodes64)
    ln2_high = float(mp.ldexp(mp.floor(mp.ldexp(mp.ln(2), 40)), -40))  # times an exponent: exact
    parts = [
        "// Made by cpp/tools/make_quantile_tables.py: not edited by hand.\n// clang-format off\n#pragma once",
        "namespace weightfill::tables {",
        "// Standard normal law, lower side: [power of d][octave].",
        block(f"kNormal32[{DEGREE32 + 1}][{OCTAVES32}]", transposed(normal32(nodes32))),
        "// [power of d][half octave].",
        block(f"kNormal64[{DEGREE64 + 1}][{PIECES64}]", transposed(table64)),
        "// [power of p^2]: z / p, p = 1/2 - u up to 1/4.",
        block(f"kNormalCentre[{DEGREE64 + 1}]", [centre]),
        "// Where a piece, as [-1, 1], is interpolated; both ends are nodes, so neighbours meet. For degree 6: where\n"
        "// the best polynomial meets the innermost octave of the normal law; degree 14: stretched Chebyshev nodes.",
        block(f"kNodes32[{DEGREE32 + 1}]", [nodes32]),
        block(f"kNodes64[{DEGREE64 + 1}]", [nodes64]),
        "// From values at the nodes to coefficients of Chebyshev polynomials: [order][node].",
        block(f"kChebyshev32[{DEGREE32 + 1}][{DEGREE32 + 1}]", rows(chebyshev_transform(nodes32))),
        block(f"kChebyshev64[{DEGREE64 + 1}][{DEGREE64 + 1}]", rows(chebyshev_transform(nodes64))),
        f"// (z + 1) M(z) by powers of (z - k) / (z + k), k = {MILLS_SCALE}; M the Mills ratio, z >= 0.",
        f"inline constexpr double kMillsScale = {MILLS_SCALE};",
        block(f"kMills[{MILLS_DEGREE + 1}]", [mills_polynomial()]),
        "// Taylor: exp(x) by powers of x, |x| <= ln(2) / 2; 2 atanh(s) / s by powers of s^2, |s| <= 0.1716.",
        block(f"kExp[{EXP_DEGREE + 1}]", [[1 / mp.factorial(k) for k in range(EXP_DEGREE + 1)]]),
        block(f"kLog[{LOG_DEGREE + 1}]", [[mp.mpf(2) / (2 * k + 1) for k in range(LOG_DEGREE + 1)]]),
        "// ln(2) as a sum, the first part with 40 fraction bits.",
        f"inline constexpr double kLn2High = {ln2_high.hex()}, kLn2Low = {float(mp.ln(2) - mp.mpf(ln2_high)).hex()};",
        f"inline constexpr double kInverseLn2 = {float(1 / mp.ln(2)).hex()};",
        f"inline constexpr double kInverseSqrt2Pi = {float(1 / mp.sqrt(2 * mp.pi)).hex()};",
        f"inline constexpr double kSqrt2Pi = {float(mp.sqrt(2 * mp.pi)).hex()};",
        "}  // namespace weightfill::tables\n",
    ]
    path.write_text("\n\n".join(parts))


def edge_words(rng, bits=64):
    """Both ends, the middle, octave edges, random words; half of them on the upper side."""
    top = 1 << bits
    words = {0, 1, 2, 3, top // 2 - 1, top // 2 - 2, top // 2 - 1000, top // 4, top // 4 - 1}
    for octave in range(2, bits):
        words |= {(1 << octave - 1) - 1, (1 << octave - 1) + rng.randrange(2)}
    words |= {rng.randrange(top // 2) for _ in range(40)}
    words |= {rng.randrange(top // 2) >> rng.randrange(1, bits - 1) for _ in range(40)}
    words = {w for w in words if w < top // 2}
    return sorted(words | {top - 1 - w for w in words})


def write_normal_answers(path):
    lines = ["# word, standard normal quantile at (word + 1/2) / 2^64; by make_quantile_tables.py"]
    for w in edge_words(random.Random(1)):
        m = min(w, 2**64 - 1 - w)
        z = quantile((m + mp.mpf(0.5)) / mp.mpf(2) ** 64)
        lines.append(f"{w:016x} {mp.nstr(z if m == w else -z, 25)}")
    path.write_text("\n".join(lines) + "\n")


BOUNDS = [
    ("-2", "2"), ("0", "inf"), ("5", "6"), ("8", "inf"), ("-0.001", "0.001"), ("-40", "-38"), ("-inf", "-1"),
    ("-1", "1e9"), ("3", "3.000000001"), ("-1e-300", "5"), ("-inf", "-1e8"), ("-1e9", "1e9"), ("-1", "1"),
    ("-0.25", "0.25"),
    ("-3", "0.5"), ("0.1", "0.3"), ("0.3", "0.9"), ("-0.2", "0.15"), ("-12", "-1e-7"), ("1e8", "100000001"),
    ("1e12", "inf"), ("0", "1e-12"), ("2", "2.2"), ("-6", "9"), ("37", "45"), ("-1e-12", "3e-12"), ("-0.5", "0.5"),
]  # fmt: skip


def truncated_quantile(low, high, t):
    """x with a share t of the standard normal law between the bounds below it."""
    if low >= 0 or high <= 0:
        near, far, share = (low, high, 1 - t) if low >= 0 else (-high, -low, t)
        rest = mp.ncdf(-far)
        goal = mp.log(rest + share * (mp.ncdf(-near) - rest))
        z = near
        for _ in range(500):  # Newton on the logarithm, concave: from the right after the first step
            tail = mp.ncdf(-z)
            step = (mp.log(tail) - goal) * tail / mp.npdf(z)
            z += step
            if abs(step) < (z - near) * mp.mpf(10) ** -40:
                return z if low >= 0 else -z
        raise ArithmeticError((low, high, t))
    below, above = mp.ncdf(low), mp.ncdf(-high)
    mass = 1 - below - above
    lower, upper = below + t * mass, above + (1 - t) * mass
    if abs(lower - upper) < mp.mpf(10) ** -3:
        return newton_at_centre((lower - upper) / 2)
    return quantile(lower) if lower < upper else -quantile(upper)


def newton_at_centre(p):
    """Standard normal quantile of 1/2 + p, p small."""
    goal = p * mp.sqrt(2 * mp.pi)
    z = goal
    for _ in range(30):
        z -= (mp.sqrt(mp.pi / 2) * mp.erf(z / mp.sqrt(2)) - goal) * mp.exp(z * z / 2)
    return z


def write_truncated_answers(path):
    lines = ["# low, high, word, quantile at (word + 1/2) / 2^64 of the standard normal law between the bounds"]
    rng = random.Random(2)
    for low, high in BOUNDS:
        words = edge_words(rng)
        words = sorted({words[0], words[1], words[-1], words[-2], *(rng.choice(words) for _ in range(24)),
                        *(rng.randrange(2**64) for _ in range(12))})  # fmt: skip
        for w in words:
            # the bounds are the doubles, exactly
            x = truncated_quantile(mp.mpf(float(low)), mp.mpf(float(high)), (w + mp.mpf(0.5)) / mp.mpf(2) ** 64)
            lines.append(f"{low} {high} {w:016x} {mp.nstr(x, 25)}")
    path.write_text("\n".join(lines) + "\n")


def laplace_quantile(mean, scale, u):
    return mean + scale * mp.log(2 * u) if 2 * u < 1 else mean - scale * mp.log(2 * (1 - u))


def log_uniform_quantile(low, high, transform, u):
    x = low * (high / low) ** u
    return mp.log(mp.expm1(x)) if transform else x


LAWS = [
    (laplace_quantile, ["0,1", "0,0.02", "3,0.5"]),
    (log_uniform_quantile, ["0.001,0.1,0", "1e-20,1e10,0", "1,1.001,0", "0.01,16,0"]),
    (log_uniform_quantile, ["0.001,0.1,1", "1e-20,1e10,1", "0.5,0.9,1", "0.01,16,1"]),
]


def write_law_answers(path):
    lines = ["# law, word, quantile at (word + 1/2) / 2^64"]
    rng = random.Random(3)
    for quantile_of, laws in LAWS:
        for law in laws:
            parameters = [mp.mpf(float(number)) for number in law.split(",")]
            words = edge_words(rng)
            for w in sorted({*words[:2], *words[-2:], *rng.sample(words, 24), 2**63 - 1, 2**63}):
                x = quantile_of(*parameters, (w + mp.mpf(0.5)) / mp.mpf(2) ** 64)
                lines.append(f"{quantile_of.__name__.removesuffix('_quantile')}({law}) {w:016x} {mp.nstr(x, 25)}")
    path.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    write_header(ROOT / "cpp" / "src" / "laws" / "quantile_tables.hpp")
    data = ROOT / "tests" / "data"
    write_normal_answers(data / "normal_quantiles.txt")
    mp.mp.dps = 90
    write_truncated_answers(data / "truncated_quantiles.txt")
    write_law_answers(data / "law_quantiles.txt")
