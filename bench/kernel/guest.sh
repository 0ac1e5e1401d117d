# Runs in the guest: what a read costs of null_blk alone, and through multipath over four of them, in each mode.
# Prints `NAME BATCH READS NANOSECONDS` lines.
COUNT=32000
BLOCKS=65536
modprobe null_blk nr_devices=0
mount -t configfs configfs /sys/kernel/config 2>/dev/null
for i in 0 1 2 3; do
    d=/sys/kernel/config/nullb/nullb$i; mkdir $d
    echo 256 > $d/size; echo 4096 > $d/blocksize; echo 2 > $d/queue_mode; echo 0 > $d/irqmode; echo 1 > $d/submit_queues; echo 1 > $d/power
    echo none > /sys/block/nullb$i/queue/scheduler
done
paths() { for i in 0 1 2 3; do echo -n " $(cat /sys/block/nullb$i/dev)$1"; done; }
SECTORS=$(cat /sys/block/nullb0/size)
make() { dmsetup create $1 --table "0 $SECTORS multipath $2 0 1 1 $3"; }
RR="round-robin 0 4 0$(paths)"; ST="service-time 0 4 2$(paths ' 1 1')"
make rq 0 "$ST"; make rqsorted 0 "$ST"; make bio "2 queue_mode bio" "$ST"; make rqrr 0 "$RR"; make biorr "2 queue_mode bio" "$RR"
# Devices are numbered in the order in which they were made.
echo none > /sys/block/dm-0/queue/scheduler; echo none > /sys/block/dm-3/queue/scheduler
for batch in 1 32; do
    echo "raw $batch $COUNT $(/scn/io /dev/nullb0 $BLOCKS $COUNT $batch)"
    for m in rq rqsorted bio rqrr biorr; do echo "$m $batch $COUNT $(/scn/io /dev/mapper/$m $BLOCKS $COUNT $batch)"; done
done
