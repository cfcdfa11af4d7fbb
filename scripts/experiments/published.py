"""The numbers that the paper's own result images have, in dB.

`TABLES[experiment][picture][method]`; measured from the authors' images by the rules of
`rules.py`, and in agreement with what the paper prints.
"""

Table = dict[str, dict[str, float]]


def _table(text: str) -> Table:
    """From lines: the pictures, and then each method with its numbers."""
    pictures, *rows = (line.split() for line in text.strip().splitlines())
    columns = {method: map(float, values) for method, *values in rows}
    table: Table = {picture: {} for picture in pictures}
    for method, values in columns.items():
        for picture, value in zip(pictures, values, strict=True):
            table[picture][method] = value
    return table


TABLES: dict[str, Table] = {
    "denoise": _table("""
    F16 baboon house kodim01 kodim02 kodim03 kodim12 lena peppers
    noisy 20.35 20.32 20.30 20.28 20.59 20.37 20.31 20.37 20.49
    NLM   31.34 25.62 31.49 27.55 30.72 32.41 31.74 30.88 30.34
    CBM3D 32.67 26.01 32.72 29.20 32.16 34.03 33.14 32.06 30.75
    DIP   33.69 24.51 32.09 28.44 32.71 33.79 32.68 32.56 31.15
    """),
    "denoise_50": _table("""
    F16 baboon house kodim01 kodim02 kodim03 kodim12 lena peppers
    noisy 15.09 14.76 14.72 14.60 15.23 14.76 14.71 14.81 15.02
    CBM3D 28.57 22.95 29.49 25.62 28.17 29.73 29.43 28.68 27.38
    DIP   29.17 21.14 29.69 25.51 28.50 29.38 29.01 28.78 28.04
    """),
    "sr_set5_x4": _table("""
    baby bird butterfly head woman
    bicubic  31.78 30.20 22.13 31.34 26.75
    DIP      31.49 31.80 26.23 31.04 28.93
    LapSRN   33.55 33.76 27.28 32.62 30.72
    SRResNet 33.66 35.10 28.41 32.73 30.60
    """),
    "sr_set5_x8": _table("""
    baby bird butterfly head woman
    bicubic 27.28 25.28 17.74 28.82 22.74
    DIP     28.28 27.09 20.02 29.55 24.50
    LapSRN  28.88 27.10 19.97 29.76 24.79
    """),
    "sr_set14_x4": _table("""
    baboon barbara bridge coastguard comic face flowers foreman lenna man monarch pepper ppt3 zebra
    bicubic  22.44 25.15 24.47 25.53 21.59 31.34 25.33 29.45 29.84 25.70 27.45 30.63 21.78 24.01
    DIP      22.29 25.53 24.38 25.81 22.18 31.02 26.14 31.66 30.83 26.09 29.98 32.08 24.38 25.71
    LapSRN   22.83 25.69 25.36 26.21 22.90 32.62 27.54 33.59 31.98 27.27 31.62 33.88 25.36 26.98
    SRResNet 23.00 26.08 25.52 26.31 23.44 32.71 28.13 33.80 32.42 27.43 32.85 34.28 26.56 26.95
    """),
    "sr_set14_x8": _table("""
    baboon barbara bridge coastguard comic face flowers foreman lenna man monarch pepper ppt3 zebra
    bicubic 21.28 23.44 22.24 23.65 19.25 28.79 22.06 25.37 26.27 23.06 23.18 26.55 18.62 19.59
    DIP     21.38 23.94 22.20 24.21 19.86 29.52 22.86 27.87 27.93 23.57 24.86 29.18 20.12 20.62
    LapSRN  21.51 24.21 22.77 24.10 20.06 29.85 23.31 28.13 28.22 24.20 24.97 29.22 20.13 20.28
    """),
    "inpaint": _table("""
    barbara boat house Lena512 peppers256 Cameraman256 couple fingerprint hill man montage
    Papyan 28.14 31.44 34.58 35.04 31.11 27.90 31.18 31.34 32.35 31.92 28.05
    nearest 24.59 27.97 30.06 31.04 27.72 24.71 27.96 25.08 29.78 28.92 24.73
    DIP    32.18 33.04 39.00 36.08 33.06 29.80 32.48 32.81 32.73 32.17 34.49
    """),
}

# Of whole sets in RGB, x4 and x8 (section 2); with * the box has its last row and column.
RGB_AVERAGES = {
    "sr_set5_x4": {"bicubic": 26.71, "DIP": 27.95, "LapSRN*": 29.36, "SRResNet": 30.09},
    "sr_set14_x4": {"bicubic": 24.24, "DIP": 25.08, "LapSRN*": 25.90, "SRResNet": 26.49},
    "sr_set5_x8": {"bicubic*": 22.74, "DIP*": 24.17, "LapSRN*": 24.22},
    "sr_set14_x8": {"bicubic*": 21.37, "DIP*": 22.29, "LapSRN*": 22.43},
}

# The slide about the paper: RGB, and its second row still has the first one's sum in it.
SLIDE = {
    "Set5": {"bicubic": 26.70, "DIP": 27.95, "SRResNet": 30.09},
    "Set14": {"bicubic": 33.78, "DIP": 35.06, "SRResNet": 37.23},
}
