"""Scripts that were run on a real kernel (NAME.dm), and what it printed (NAME.jsonl, in the format of tests/conformance). Read by
hawser.lab.recordings; recorded by tools/kernel_record.py."""
