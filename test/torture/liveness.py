#!/usr/bin/env python3
"""Whether a capture comes to an end while the database gives it no rest: beside two bulk inserters,
a trickle of commits, CHECKPOINT after every second commit and 450 MB that do not change, 95 % of
the captures must be certified within 30 s; at DuckDB's default threshold every one within 2 s."""

import sys

import torture

GOALS = [("liveness", 30.0, 0.95), ("default-threshold", 2.0, 1.0)]


def judge(run, limit, share):
    """Prints the distribution; whether the goal is met."""
    images = run.of("duckback")
    certified = [i.seconds for i in images if i.outcome == "good" and i.grade == "certified"]
    within = sum(seconds <= limit for seconds in certified)
    met = bool(images) and within >= share * len(images)
    print(
        "%s %s: %d of %d certified within %g s (goal %g %%): %s"
        % (run.cell.version, run.cell.name, within, len(images), limit, share * 100, "met" if met else "NOT MET")
    )
    marks = " ".join(
        "%g%%:%.2f" % (p * 100, torture.percentile(certified, p)) for p in (0.1, 0.5, 0.9, 0.95, 1.0)
    )
    rounds = " ".join(
        "%d:%d" % (r, sum(i.rounds == r for i in images)) for r in sorted({i.rounds for i in images})
    )
    print("  seconds %s; captures by rounds %s" % (marks, rounds))
    return met


def main():
    arguments = sys.argv[1:]
    met = True
    for load, limit, share in GOALS:
        options = torture.parse_arguments(
            ["--versions", "1.5.6", "--images", "40", "--seconds", "400", "--pause", "1"]
            + ["--methods", "duckback", "--alone", "--timeout", str(limit), *arguments, "--workloads", load]
        )
        tools = torture.find_tools(options)
        runs = torture.run_cells(torture.make_cells(options, tools), options, tools)
        torture.print_table(runs, options.methods)
        for run in runs:
            met = judge(run, limit, share) and not torture.failures(run) and met
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
