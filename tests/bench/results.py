# SPDX-License-Identifier: GPL-2.0-only
"""What make bench has measured: raw numbers, and the rows of its table."""

import json
import os

from tap import Writer

# What is the same in every run, and can be compared between runs
COUNTS = ("instructions", "faults", "calls")
WORSE = 1.05            # times the baseline


def text(value, unit=""):
    """A number as people read it"""
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if unit == "ns":
        return f"{value / 1e6:.1f} ms"
    if unit == "B/s":
        return f"{value / 1e6:.0f} MB/s"
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.2f}"


class Results:
    def __init__(self, meta=None):
        self.meta = meta or {}
        self.raw = {}       # name: {"value": ..., "unit": ...}
        self.rows = []

    def put(self, name, value, unit):
        self.raw[name] = {"value": value, "unit": unit}

    def take(self, prefix, output):
        """Lines of JSON from cxl-bench; {name: value} of these."""
        found = {}
        for line in output.splitlines():
            if line.startswith("{"):
                one = json.loads(line)
                self.put(f"{prefix}.{one['name']}", one["value"], one["unit"])
                found[one["name"]] = one["value"]
        return found

    def row(self, part, what, unit, ours, peer=None, limit=None, ratio=None,
            at_most=None, at_least=None, is_limit=False):
        """
        A row of the table. ratio is ours / peer, if nothing else is given, and the
        goal is about it; is_limit: the goal is that ours is the limit.
        """
        if ratio is None and peer:
            ratio = ours / peer
        goal, met = None, None
        if is_limit:
            goal, met = "= limit", ours == limit
        elif at_most is not None:
            goal, met = f"≤ {at_most}", ratio is not None and ratio <= at_most
        elif at_least is not None:
            goal, met = f"≥ {at_least}", ratio is not None and ratio >= at_least
        self.rows.append({"part": part, "what": what, "unit": unit, "ours": ours, "peer": peer,
                          "limit": limit, "ratio": ratio, "goal": goal, "met": met})

    def table(self):
        lines = [["", "unit", "ours", "peer", "limit", "ratio", "goal", "met"]]
        part = None
        for row in self.rows:
            if row["part"] != part:
                part = row["part"]
                lines.append([part + ":"] + [""] * 7)
            met = {True: "yes", False: "NO", None: ""}[row["met"]]
            unit = row["unit"]
            lines.append(["  " + row["what"], "" if unit in ("ns", "B/s") else unit,
                          *(text(row[key], unit) for key in ("ours", "peer", "limit")),
                          "" if row["ratio"] is None else f"{row['ratio']:.3f}", row["goal"] or "", met])
        widths = [max(len(line[n]) for line in lines) for n in range(8)]
        return "\n".join("  ".join([line[0].ljust(widths[0]), line[1].ljust(widths[1])] +
                                   [line[n].rjust(widths[n]) for n in range(2, 8)]).rstrip()
                         for line in lines)

    def save(self, path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"meta": self.meta, "rows": self.rows, "raw": self.raw}, file, indent=1,
                      ensure_ascii=False)
            file.write("\n")

    def counts(self):
        return {unit: {name: one["value"] for name, one in sorted(self.raw.items()) if one["unit"] == unit}
                for unit in COUNTS}


def compare(results, baseline):
    """Print as TAP whether each count is as good as the baseline's; return whether one is worse."""
    counts, known = results.counts(), baseline["counts"]
    same_compiler = results.meta["compiler"] == baseline["compiler"]
    names = [(unit, name) for unit in COUNTS for name in sorted(set(counts[unit]) | set(known[unit]))]
    tap = Writer(len(names))
    for unit, name in names:
        new, old = counts[unit].get(name), known[unit].get(name)
        if new is None or old is None:
            tap.result(False, f"{name}: {'not measured' if new is None else 'not in the baseline'}")
        elif unit == "instructions" and not same_compiler:
            tap.skip(name, f"the baseline is of gcc {baseline['compiler']}, not {results.meta['compiler']}")
        else:
            tap.result(new <= old * WORSE, f"{name}: {text(new)} {unit}, baseline {text(old)}")
    return tap.done()
