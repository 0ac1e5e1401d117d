# A multipath device's life: made, used, its paths failed one after the other, its groups switched, suspended, reloaded, removed.
disk ram0 ram size=32M
dmsetup create a --table '0 65536 linear 1:0 0'
dmsetup create b --table '0 65536 linear 1:0 0'
dmsetup create c --table '0 65536 linear 1:0 0'
dmsetup create d --table '0 65536 linear 1:0 0'

# Two groups of two paths; I/O waits when no path is left.
dmsetup create mp <<END
0 65536 multipath 3 queue_if_no_path queue_mode bio 0 2 1 service-time 0 2 2 254:0 1 1 254:1 1 4 round-robin 0 2 1 254:2 1 254:3 1
END
dmsetup table mp
dmsetup status mp
dmsetup ls --tree
iostat snap a b c d
io write /dev/mapper/mp bs=64k count=16 fill=index
io read /dev/mapper/mp bs=64k count=16 batch=16 verify=index
iostat delta a b c d
dmsetup status mp

# One path fails: the other of its group carries everything. Then that one, too: the second group does.
dmsetup message mp 0 fail_path 254:1
io read /dev/mapper/mp bs=64k count=16 verify=index
dmsetup status mp
dmsetup load a --table '0 65536 error'
dmsetup suspend --noflush a
dmsetup resume a
io read /dev/mapper/mp bs=64k count=16 verify=index
dmsetup status mp
iostat delta a b c d

# A path that is in the table but was not failed by hand comes back, and so does its group when it is told to.
dmsetup load a --table '0 65536 linear 1:0 0'
dmsetup suspend --noflush a
dmsetup resume a
dmsetup message mp 0 reinstate_path 254:0
dmsetup message mp 0 switch_group 1
io read /dev/mapper/mp bs=64k count=8 verify=index
dmsetup status mp
dmsetup message mp 0 disable_group 1
io read /dev/mapper/mp bs=64k count=8 verify=index
dmsetup status mp
dmsetup message mp 0 enable_group 1
- dmsetup message mp 0 switch_group 3
- dmsetup message mp 0 fail_path 254:9
- dmsetup message mp 0 nonsense

# No path is left: a read waits, through a suspend that does not flush, for the next table.
dmsetup message mp 0 fail_path 254:0
dmsetup message mp 0 fail_path 254:2
dmsetup message mp 0 fail_path 254:3
bg waiting io read /dev/mapper/mp bs=64k count=16 batch=16 verify=index
dmsetup status mp
dmsetup suspend --noflush mp
dmsetup info mp
dmsetup load mp --table '0 65536 multipath 2 queue_mode bio 0 1 1 queue-length 0 2 1 254:2 1 254:3 1'
dmsetup info -c -o name,attr,tables_loaded,events mp
dmsetup table --inactive mp
- dmsetup load mp --table '0 65536 multipath 0 0 1 1 queue-length 0 1 1 254:9 1'
dmsetup resume mp
join waiting
dmsetup table mp
dmsetup status mp
iostat delta a b c d

# The last one without queue_if_no_path: what finds no path fails.
dmsetup message mp 0 fail_path 254:2
dmsetup message mp 0 fail_path 254:3
- io read /dev/mapper/mp bs=64k count=2
dmsetup status mp
dmsetup message mp 0 reinstate_path 254:3
io read /dev/mapper/mp bs=64k count=2 verify=index
dmsetup info -c -o name,attr,open,events mp
dmsetup rename mp gone
dmsetup remove gone
- dmsetup status gone
dmsetup remove a
dmsetup remove b
dmsetup remove c
dmsetup remove d
dmsetup ls
