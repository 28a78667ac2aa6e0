#!/bin/sh
# Process 1 of the initial RAM disk of a Debian machine that boots without firmware: the first disk's third partition, and on with the system there.
export PATH=/bin
/bin/busybox mount -t devtmpfs dev /dev
while read -r module; do /bin/busybox insmod "$module"; done </modules
/bin/busybox mount -t ext4 /dev/vda3 /root || exec /bin/busybox sh
/bin/busybox mount --move /dev /root/dev
exec /bin/busybox switch_root /root /sbin/init
