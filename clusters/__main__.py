"""Build the programs of a cluster.

usage: python -m clusters build [PROGRAM ...]
"""

import argparse
import sys

from clusters import programs
from clusters.problems import ClusterError


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m clusters", description="A real Kubernetes for tests")
    verbs = parser.add_subparsers(dest="verb", required=True)
    build = verbs.add_parser("build", help="build programs of Kubernetes into the cache")
    build.add_argument("programs", nargs="*", metavar="PROGRAM", help=f"some of {', '.join(programs.PACKAGES)}")
    build.add_argument("--if-possible", action="store_true", help="only say why if they cannot be built here")
    arguments = parser.parse_args()
    try:
        programs.build(arguments.programs or list(programs.PACKAGES))
    except ClusterError as e:
        print(e, file=sys.stderr)
        return 0 if arguments.if_possible else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
