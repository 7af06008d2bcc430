#!/usr/bin/env python3
"""Adds up what suites report: `tally.py FOLDER` reads every *.xml (JUnit, from ctest) and every *.count
(lines `N passed, N failed, N skipped` of other harnesses) in it.

Prints the names of what failed and of what was skipped, then the sum. Exit 1 if anything failed or
nothing ran.
"""

import pathlib
import re
import sys
import xml.etree.ElementTree

COUNTS = re.compile(r"(\d+) passed, (\d+) failed, (\d+) skipped")


def read_junit(path):
    passed, failed, skipped = 0, [], []
    for case in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
        name = f"{path.stem}: {case.get('name')}"
        if case.find("failure") is not None or case.get("status") == "fail":
            failed.append(name)
        elif case.get("status") == "run":
            passed += 1
        else:
            output = case.findtext("system-out") or ""
            reason = next((line.strip() for line in reversed(output.splitlines())
                           if "skip" in line.lower() and "[  SKIPPED ]" not in line), "")
            skipped.append(f"{name} ({reason})" if reason else name)
    return passed, failed, skipped


def main():
    folder = pathlib.Path(sys.argv[1])
    passed, failed, skipped = 0, 0, 0
    for path in sorted(folder.glob("*.xml")):
        ran, bad, left_out = read_junit(path)
        passed, failed, skipped = passed + ran, failed + len(bad), skipped + len(left_out)
        for name in bad:
            print(f"FAILED  {name}")
        for name in left_out:
            print(f"skipped {name}")
    for path in sorted(folder.glob("*.count")):
        for counts in COUNTS.findall(path.read_text()):
            ran, bad, left_out = map(int, counts)
            passed, failed, skipped = passed + ran, failed + bad, skipped + left_out
            if bad or left_out:
                print(f"{'FAILED ' if bad else 'skipped'} {path.stem}: {bad} failed, {left_out} skipped")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
