"""Start and stop a cluster on this machine, and build its programs.

usage: python -m clusters build [PROGRAM ...] | up | down
"""

import argparse
import sys
import time
from pathlib import Path

from clusters import cluster, machine, programs
from clusters.cluster import Cluster
from clusters.problems import ClusterError

FOLDER = Path(__file__).resolve().parent.parent / ".state" / "kubernetes"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m clusters", description="A real Kubernetes on this machine")
    verbs = parser.add_subparsers(dest="verb", required=True)
    build = verbs.add_parser("build", help="build programs of Kubernetes into the cache")
    build.add_argument("programs", nargs="*", metavar="PROGRAM", help=f"some of {', '.join(programs.PACKAGES)}")
    build.add_argument("--if-possible", action="store_true", help="only say why if they cannot be built here")
    verbs.add_parser("up", help="build what is missing, and start a cluster; an earlier one is removed")
    verbs.add_parser("down", help="stop it, and remove all that it has left")
    arguments = parser.parse_args()
    try:
        if arguments.verb == "build":
            programs.build(arguments.programs or list(programs.PACKAGES))
        elif arguments.verb == "up":
            _up()
        else:
            cluster.remove(FOLDER)
    except ClusterError as e:
        print(e, file=sys.stderr)
        return 0 if arguments.verb == "build" and arguments.if_possible else 1
    return 0


def _up() -> None:
    # First, since a build takes minutes.
    machine.check(FOLDER)
    programs.build([*cluster.PROGRAMS, "kubectl"])
    started = time.monotonic()
    made = Cluster(FOLDER, detached=True)
    made.start()
    print(f"Kubernetes {programs.version()} is ready after {time.monotonic() - started:.0f} s; logs are in {FOLDER}")
    print("Pods use the network of the host (hostNetwork: true), so 127.0.0.1 is this machine in them, too.")
    print(f"  export KUBECONFIG={made.api.kubeconfig()}")
    print(f"  export PATH={programs.cache()}:$PATH   # kubectl")


if __name__ == "__main__":
    sys.exit(main())
