#!/usr/bin/env python3
"""Shows that every condition of the capture protocol is needed, and that the torture would notice
its absence: a build with DUCKBACK_MUTATIONS switches one off, and bad images must appear; with none
switched off there must be none."""

import os
import sys

import plan
import torture

# Each with the loads that expose it, on DuckDB 1.5.
MUTATIONS = {
    "wal_after_blocks": "concurrent+slowread",
    "carry_over": "restless+slowread",
    "ignore_marker": "concurrent+slower",
    "ignore_free_lists": "restless+slowread",
    "ignore_path": "swap+slowerread",
}


def run(name, load, arguments):
    """(bad images, judged images)"""
    options = torture.parse_arguments(
        ["--build", "build/dev", "--duckback", os.path.join(plan.ROOT, "build/mutation/duckback")]
        + ["--versions", "1.5.6", "--images", "40", "--seconds", "60", "--pause", "0.1"]
        + ["--timeout", "10", *arguments, "--methods", "duckback", "--workloads", load]
    )
    tools = torture.find_tools(options)
    tools.environment = {"DUCKBACK_MUTATE": name}
    runs = torture.run_cells(torture.make_cells(options, tools), options, tools)
    images = [image for each in runs for image in each.of("duckback")]
    bad = [image for image in images if image.outcome == "bad"]
    print(
        "%-17s %-22s %3d images, %3d bad, %d refused"
        % (name, load, len(images), len(bad), torture.count(images, "refused")),
        flush=True,
    )
    return len(bad), len(images)


def main():
    arguments = sys.argv[1:]
    failed = []
    for name, load in MUTATIONS.items():
        if not run(name, load, arguments)[0]:
            failed.append("without %s no image is bad" % name)
        bad, images = run("none", load, arguments)
        if bad or not images:
            failed.append("with all conditions %d of %d images are bad under %s" % (bad, images, load))
    for line in failed:
        print("FAILED: " + line)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
