# SPDX-License-Identifier: GPL-2.0-only
"""Draw what make bench has measured, by gnuplot: each plot as SVG and as PNG."""

import os
import subprocess

GIB = 1 << 30

HEAD = """
set encoding utf8
set border 3
set tics nomirror
set grid ytics lc rgb "#dddddd"
set key outside bottom center horizontal
set style line 1 lc rgb "#0060a8" lw 2 pt 7 ps 0.7
set style line 2 lc rgb "#c04000" lw 2 pt 5 ps 0.7
set style line 3 lc rgb "#808080" lw 2 pt 9 ps 0.7
"""


def numbers(raw, name):
    """[(number in the name, value)] of raw numbers whose name is like "life.{}.open", in order"""
    begin, end = name.split("{}")
    found = [(int(key[len(begin):len(key) - len(end)]), one["value"]) for key, one in raw.items()
             if key.startswith(begin) and key.endswith(end) and key[len(begin):len(key) - len(end)].isdigit()]
    return sorted(found)


def block(name, points):
    return f"${name} << EOD\n" + "".join(" ".join(map(str, p)) + "\n" for p in points) + "EOD\n"


def faults(raw):
    """Page faults until all is mapped"""
    data = {kind: [(size / GIB, n) for size, n in numbers(raw, f"faults.{kind}.{{}}.faults")]
            for kind in ("memory", "bar", "forced")}
    if not data["memory"]:
        return None
    top = max(size for size, _ in data["memory"])
    # One page at a time was counted for the smallest size only.
    size, n = data["forced"][0]
    return ("set logscale xy\nset xlabel \"mapped, GiB\"\nset ylabel \"page faults\"\n" +
            "".join(block(kind, points) for kind, points in data.items()) +
            f"set xrange [0.2:{top * 1.3}]\nset yrange [0.7:*]\n"
            f"plot {n / size} * x with lines ls 3 dt 2 title '4 KiB each', $forced with points ls 3 notitle, "
            "$bar with points ls 2 ps 1.4 title 'BAR, vfio-pci', "
            "$memory with linespoints ls 1 title 'device memory, vfio-cxl-pci'\n")


def regs(raw):
    """Instructions of one access"""
    bars = [("HDM read", "hdm_read", "bar_read_peer"), ("HDM write", "hdm_write", "bar_write_peer"),
            ("array read", "array_read", "bar_read_peer"), ("RAS read", "ras_read", "bar_read_peer"),
            ("BAR read", "bar_read_ours", "bar_read_peer"),
            ("config read", "config_id_ours", "config_id_peer"),
            ("DVSEC read", "dvsec_read_ours", "dvsec_read_peer")]
    if "regs.hdm_read" not in raw:
        return None
    points = [(f'"{name}"', *(raw[f"regs.{key}"]["value"] for key in keys)) for name, *keys in bars]
    return (block("bars", points) +
            "set style data histograms\nset style fill solid 0.8\nset boxwidth 0.9\nset yrange [0:*]\n"
            "set ylabel \"instructions\"\nset xtics rotate by -30\n"
            f"set arrow from graph 0, first {raw['regs.syscall']['value']} to graph 1, "
            f"first {raw['regs.syscall']['value']} nohead ls 3 dt 2\n"
            "plot $bars using 2:xtic(1) ls 1 title 'vfio-cxl-pci', '' using 3 ls 2 title 'vfio-pci', "
            "NaN with lines ls 3 dt 2 title 'pread() of /dev/zero'\n")


def life(raw):
    """Instructions of bind, open and close, by size of the memory"""
    steps = ("bind", "open", "reset", "close")
    data = {step: [(size / GIB, n / 1000) for size, n in numbers(raw, f"life.{{}}.{step}")] for step in steps}
    if len(data["open"]) < 2:
        return None
    return ("set logscale x\nset xlabel \"device memory, GiB\"\nset ylabel \"1000 instructions\"\n"
            "set yrange [0:*]\n" +
            "".join(block(step, data[step]) for step in steps) + "plot " +
            ", ".join(f"${step} with linespoints lw 2 pt 7 ps 0.7 title '{step}'" for step in steps) + "\n")


def scale(raw):
    """Instructions until QEMU answers, by number of devices"""
    points = [(n, work / 1e6) for n, work in numbers(raw, "scale.{}.work") if n]
    if len(points) < 2:
        return None
    return (block("work", points) +
            "set xlabel \"devices\"\nset ylabel \"10^6 instructions\"\nset xrange [0:*]\nset yrange [0:*]\n"
            "plot $work with linespoints ls 1 notitle\n")


def tidy(path):
    """Remove trailing blanks and empty lines, which gnuplot leaves in an SVG"""
    with open(path, encoding="utf-8") as file:
        lines = [line.rstrip() for line in file]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(filter(None, lines)) + "\n")


def draw(raw, directory):
    """Returns the files that were written."""
    files = []
    for plot in (faults, regs, life, scale):
        body = plot(raw)
        if not body:
            continue
        for kind, terminal in (("svg", 'svg size 640,400 font "sans,12"'), ("png", "pngcairo size 640,400")):
            path = os.path.join(directory, f"{plot.__name__}.{kind}")
            script = (f"set terminal {terminal} background rgb 'white'\nset output '{path}'\n"
                      f"set title '{plot.__doc__}'\n{HEAD}{body}")
            subprocess.run(["gnuplot"], input=script, text=True, check=True)
            if kind == "svg":
                tidy(path)
            files.append(path)
    return files
