#!/bin/sh
# The capture torture in its usual sizes; further arguments go to torture.py.
#   run.sh --short       a few images of every version and load, about two minutes
#   run.sh --minutes N   thousands of images in an hour
#   run.sh --mutation    that each condition of the protocol is needed; needs build/mutation
#   run.sh --liveness    whether a capture ends while the database gives it no rest
set -eu
here=$(dirname "$0")
torture="python3 $here/torture.py"
size=${1:?usage: run.sh --short | --minutes N | --liveness | --mutation [torture.py arguments]}
shift

case $size in
  --short)
    exec $torture --images 4 --seconds 15 --jobs 2 --methods duckback,backup,stopped \
      --workloads single-1mb,bulk+16k,concurrent+slow,skip-wal-1mb+slow,swap "$@"
    ;;
  --minutes)
    minutes=${1:?run.sh --minutes N}
    shift
    loads=single-16mb,single-1mb+16k,bulk,catalog,deletes,idle,concurrent,concurrent+16k+slow
    loads=$loads,concurrent-deletes+slow,skip-wal-100kb+slow,skip-wal-1mb+slow,paused-reader,swap,swap+own
    loads=$loads,concurrent+encrypted,idle+nokey
    # About 82 of six versions and sixteen loads, two at a time.
    exec $torture --images 100000 --seconds $((minutes * 60 * 2 / 82)) --jobs 2 --workloads $loads "$@"
    ;;
  --liveness)
    exec python3 "$here/liveness.py" "$@"
    ;;
  --mutation)
    exec python3 "$here/mutation.py" "$@"
    ;;
  *)
    echo "run.sh: there is no size '$size'; there are: --short --minutes --liveness --mutation" >&2
    exit 2
    ;;
esac
