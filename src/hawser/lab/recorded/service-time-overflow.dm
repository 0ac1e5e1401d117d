# Does service-time take a slow path with much in flight, or an idle one that is a hundred times as fast?
#
# Each case fails the fast path, sends a large write down the slow one, which delays it, reinstates the fast path, and reads once.
# `status` shows the bytes in flight of each path, the last line whether the fast one was sent anything.
disk ram0 ram size=128M
dmsetup create slow --table '0 262144 delay 1:0 0 11000'
dmsetup create fast --table '0 262144 linear 1:0 0'
dmsetup create mp --table '0 262144 multipath 2 queue_mode bio 0 1 1 service-time 0 2 2 254:0 1 1 254:1 1 100'
dmsetup table mp

# 16 MiB
iostat snap fast
dmsetup message mp 0 fail_path 254:1
bg large io write /dev/mapper/mp bs=16777216
sleep 4
dmsetup status mp
dmsetup message mp 0 reinstate_path 254:1
bg next io read /dev/mapper/mp off=125829120 bs=4096
sleep 1
dmsetup status mp
join next
join large
iostat delta fast

# 20 MiB
iostat snap fast
dmsetup message mp 0 fail_path 254:1
bg large io write /dev/mapper/mp bs=20971520
sleep 4
dmsetup status mp
dmsetup message mp 0 reinstate_path 254:1
bg next io read /dev/mapper/mp off=125829120 bs=4096
sleep 1
dmsetup status mp
join next
join large
iostat delta fast

# 21,467,136 bytes: a block of 4 KiB less than flips
iostat snap fast
dmsetup message mp 0 fail_path 254:1
bg large io write /dev/mapper/mp bs=21467136
sleep 4
dmsetup status mp
dmsetup message mp 0 reinstate_path 254:1
bg next io read /dev/mapper/mp off=125829120 bs=4096
sleep 1
dmsetup status mp
join next
join large
iostat delta fast

# 21,470,720 bytes: a sector less than flips
iostat snap fast
dmsetup message mp 0 fail_path 254:1
bg large io write /dev/mapper/mp bs=21470720
sleep 4
dmsetup status mp
dmsetup message mp 0 reinstate_path 254:1
bg next io read /dev/mapper/mp off=125829120 bs=4096
sleep 1
dmsetup status mp
join next
join large
iostat delta fast

# 21,471,232 bytes: the least that flips
iostat snap fast
dmsetup message mp 0 fail_path 254:1
bg large io write /dev/mapper/mp bs=21471232
sleep 4
dmsetup status mp
dmsetup message mp 0 reinstate_path 254:1
bg next io read /dev/mapper/mp off=125829120 bs=4096
sleep 1
dmsetup status mp
join next
join large
iostat delta fast

# 21 MiB
iostat snap fast
dmsetup message mp 0 fail_path 254:1
bg large io write /dev/mapper/mp bs=22020096
sleep 4
dmsetup status mp
dmsetup message mp 0 reinstate_path 254:1
bg next io read /dev/mapper/mp off=125829120 bs=4096
sleep 1
dmsetup status mp
join next
join large
iostat delta fast

# 24 MiB
iostat snap fast
dmsetup message mp 0 fail_path 254:1
bg large io write /dev/mapper/mp bs=25165824
sleep 4
dmsetup status mp
dmsetup message mp 0 reinstate_path 254:1
bg next io read /dev/mapper/mp off=125829120 bs=4096
sleep 1
dmsetup status mp
join next
join large
iostat delta fast

# 32 MiB
iostat snap fast
dmsetup message mp 0 fail_path 254:1
bg large io write /dev/mapper/mp bs=33554432
sleep 4
dmsetup status mp
dmsetup message mp 0 reinstate_path 254:1
bg next io read /dev/mapper/mp off=125829120 bs=4096
sleep 1
dmsetup status mp
join next
join large
iostat delta fast

# 40 MiB
iostat snap fast
dmsetup message mp 0 fail_path 254:1
bg large io write /dev/mapper/mp bs=41943040
sleep 4
dmsetup status mp
dmsetup message mp 0 reinstate_path 254:1
bg next io read /dev/mapper/mp off=125829120 bs=4096
sleep 1
dmsetup status mp
join next
join large
iostat delta fast

# 42,945,536 bytes: the most that flips
iostat snap fast
dmsetup message mp 0 fail_path 254:1
bg large io write /dev/mapper/mp bs=42945536
sleep 4
dmsetup status mp
dmsetup message mp 0 reinstate_path 254:1
bg next io read /dev/mapper/mp off=125829120 bs=4096
sleep 1
dmsetup status mp
join next
join large
iostat delta fast

# 42,946,048 bytes: a sector more
iostat snap fast
dmsetup message mp 0 fail_path 254:1
bg large io write /dev/mapper/mp bs=42946048
sleep 4
dmsetup status mp
dmsetup message mp 0 reinstate_path 254:1
bg next io read /dev/mapper/mp off=125829120 bs=4096
sleep 1
dmsetup status mp
join next
join large
iostat delta fast

# 42 MiB
iostat snap fast
dmsetup message mp 0 fail_path 254:1
bg large io write /dev/mapper/mp bs=44040192
sleep 4
dmsetup status mp
dmsetup message mp 0 reinstate_path 254:1
bg next io read /dev/mapper/mp off=125829120 bs=4096
sleep 1
dmsetup status mp
join next
join large
iostat delta fast

# 48 MiB
iostat snap fast
dmsetup message mp 0 fail_path 254:1
bg large io write /dev/mapper/mp bs=50331648
sleep 4
dmsetup status mp
dmsetup message mp 0 reinstate_path 254:1
bg next io read /dev/mapper/mp off=125829120 bs=4096
sleep 1
dmsetup status mp
join next
join large
iostat delta fast

# 60 MiB
iostat snap fast
dmsetup message mp 0 fail_path 254:1
bg large io write /dev/mapper/mp bs=62914560
sleep 4
dmsetup status mp
dmsetup message mp 0 reinstate_path 254:1
bg next io read /dev/mapper/mp off=125829120 bs=4096
sleep 1
dmsetup status mp
join next
join large
iostat delta fast

# 64 MiB: the sign is wrong again: it is at every other 2^31
iostat snap fast
dmsetup message mp 0 fail_path 254:1
bg large io write /dev/mapper/mp bs=67108864
sleep 4
dmsetup status mp
dmsetup message mp 0 reinstate_path 254:1
bg next io read /dev/mapper/mp off=125829120 bs=4096
sleep 1
dmsetup status mp
join next
join large
iostat delta fast

# 20 MiB: 20 MiB again, before a read of 1 MiB: that counts, too
iostat snap fast
dmsetup message mp 0 fail_path 254:1
bg large io write /dev/mapper/mp bs=20971520
sleep 4
dmsetup status mp
dmsetup message mp 0 reinstate_path 254:1
bg next io read /dev/mapper/mp off=125829120 bs=1048576
sleep 1
dmsetup status mp
join next
join large
iostat delta fast

# 21,426,176 bytes: a difference of 2^31 exactly: the lowest int, which is less than 0 whichever path is compared with the other
iostat snap fast
dmsetup message mp 0 fail_path 254:1
bg large io write /dev/mapper/mp bs=21426176
sleep 4
dmsetup status mp
dmsetup message mp 0 reinstate_path 254:1
bg next io read /dev/mapper/mp off=125829120 bs=49152
sleep 1
dmsetup status mp
join next
join large
iostat delta fast

# 42,903,040 bytes: a difference of 2^32 exactly: nothing is left of it
iostat snap fast
dmsetup message mp 0 fail_path 254:1
bg large io write /dev/mapper/mp bs=42903040
sleep 4
dmsetup status mp
dmsetup message mp 0 reinstate_path 254:1
bg next io read /dev/mapper/mp off=125829120 bs=47104
sleep 1
dmsetup status mp
join next
join large
iostat delta fast
