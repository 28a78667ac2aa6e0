#!/bin/sh
# Process 1 of the KVM lab: runs /lab/command, or a shell where there is none. The console hvc0 is the caller's terminal; what
# the kernel says goes to the first serial port. The command's files in /out and its status leave by two virtio ports.
export PATH=/hutch/cli:/hutch/vmm:/usr/share/dotnet:/usr/bin HOME=/root DOTNET_ROOT=/usr/share/dotnet
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t debugfs debug /sys/kernel/debug
mount -t tmpfs run /run
mkdir -p /dev/pts /dev/shm /out
mount -t devpts pts /dev/pts
mount -t tmpfs shm /dev/shm
ln -s /proc/self/fd /dev/fd
echo kvm-lab >/proc/sys/kernel/hostname
ip link set lo up
cd /root
if [ -e /lab/command ]; then
    setsid sh /lab/command </dev/null >/dev/hvc0 2>&1
else
    export PS1='lab:\w # '
    setsid sh -c 'exec sh </dev/hvc0 >/dev/hvc0 2>&1'
fi
status=$?
tar -C /out -c . >/dev/vport0p2
echo $status >/dev/vport0p1
poweroff -f
