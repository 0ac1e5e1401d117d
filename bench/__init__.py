"""`make bench`: hawser beside nbdkit and qemu-nbd, measured by fio in interleaved rounds."""
