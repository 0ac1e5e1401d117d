"""A small simulated Linux machine in virtual time, made from the header of a kernel transcript."""
