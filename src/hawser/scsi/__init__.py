"""SCSI, as much of it as multipath needs: commands, sense data, inquiry and vital product data, target port groups, mode pages.

Bytes in, values out, and back: nothing here does I/O. What a logical unit is to those who send it commands is hawser.scsi.device.
"""
