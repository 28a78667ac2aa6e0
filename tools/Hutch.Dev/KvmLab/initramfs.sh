#!/bin/busybox sh
# First process of the KVM lab: loads what the root file system is on, and the hypervisor.
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox modprobe -a virtio_pci virtio_blk virtio_console kvm_amd
/bin/busybox mount -t ext4 /dev/vda /root
exec /bin/busybox switch_root /root /lab/init
