"""The process that runs the steps of transcripts, and never sees what they are to print."""

import sys


def main() -> None:
    from hawser.lab.conformance.runner import serve

    serve(sys.stdin, sys.stdout)


if __name__ == "__main__":
    main()
