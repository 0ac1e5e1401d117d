"""The `dmsetup` program as text: arguments and standard input in, exit status, standard output and standard error out."""
