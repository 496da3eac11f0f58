"""Colour profiles of a few hundred bytes, made here: ICC.1, version 2."""

import struct

P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
SRGB = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))
"""Red, green and blue as XYZ relative to D50, the white of profiles."""
_WHITE = (0.9642, 1.0, 0.8249)


def fixed(*values):
    """Numbers of 15.16 bits."""
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


SRGB_CURVE = b"para\0\0\0\0\0\3\0\0" + fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def gamma(exponent):
    """The curve of a power."""
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(exponent * 256)) + b"\0\0"


def rgb(primaries, curve):
    """The profile of a screen."""
    colours = zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=True)
    curves = [(name, curve) for name in (b"rTRC", b"gTRC", b"bTRC")]
    return _profile(b"mntr", b"RGB ", b"XYZ ", [*((name, _xyz(own)) for name, own in colours), *curves])


def grey(curve):
    """The profile of a grey screen."""
    return _profile(b"mntr", b"GRAY", b"XYZ ", [(b"kTRC", curve)])


def cmyk(paper, ink):
    """A press on which full ink of any kind gives the colour `ink`: L, a and b as bytes."""
    table = b"".join(bytes(paper if corner == 0 else ink) for corner in range(16))
    ramps = bytes(range(256))
    lut = struct.pack(">4s4xBBBx", b"mft1", 4, 3, 2) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1) + 4 * ramps + table
    return _profile(b"prtr", b"CMYK", b"Lab ", [(name, lut + 3 * ramps) for name in (b"A2B0", b"A2B1")])


def _xyz(values):
    return b"XYZ \0\0\0\0" + fixed(*values)


def _profile(device, space, connection, tags):
    tags = [(b"wtpt", _xyz(_WHITE)), *tags]
    table, body, at = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, content in tags:
        table += struct.pack(">4sII", name, at + len(body), len(content))
        body += content.ljust(-(-len(content) // 4) * 4, b"\0")
    header = (
        struct.pack(">I4xI", at + len(body), 0x02100000) + device + space + connection + bytes(12) + b"acsp"
    )
    return header.ljust(68, b"\0") + fixed(*_WHITE) + bytes(48) + table + body
