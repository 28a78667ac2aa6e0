#!/bin/sh
# Process 1 of the tiny guest. Every fork costs boot time, so it uses what the shell has built in.
export PATH=/sbin:/bin HOME=/root
[ -e /bin/mount ] || /bin/busybox --install -s /bin
mount -a
echo hutch >/proc/sys/kernel/hostname
# Memory that is plugged in is used at once, and for what can be moved when it is to go again.
echo online_movable >/sys/devices/system/memory/auto_online_blocks
modprobe virtio_pci
set --
for alias in /sys/bus/virtio/devices/*/modalias; do
    read -r name <"$alias" && case $name in
        virtio:d00000001v*) card=$name ;;
        # Once for all devices of a type.
        *) case " $* " in *" $name "*) ;; *) set -- "$@" "$name" ;; esac ;;
    esac
done 2>/dev/null
[ $# = 0 ] || modprobe -a "$@"
# The power button is an input device; the first of its events switches off. Nobody waits for this.
{
    modprobe -a button evdev
    for name in /sys/class/input/event*/device/name; do
        event=${name%/device/name}
        read -r kind <"$name" && [ "$kind" = "Power Button" ] && dd if="/dev/input/${event##*/}" of=/dev/null bs=24 count=1 && kill -USR2 1
    done
} 2>/dev/null &
read -r _ _ release _ </proc/version
echo "Linux $release is up. 'poweroff' or the end of this shell stops the machine."
# Busybox's poweroff, reboot and halt ask process 1 by a signal; the traps run at once because it only waits.
stop() {
    umount -a -r 2>/dev/null
    exec busybox "$1" -f
}
trap 'stop poweroff' USR2
trap 'stop reboot' TERM
trap 'stop halt' USR1
# The network comes up behind the shell, which does not wait for it.
network() {
    modprobe "$card" && ifconfig lo up
    for name in /sys/class/net/eth*; do
        ifconfig "${name##*/}" up && udhcpc -b -S -i "${name##*/}" -s /etc/udhcpc.script
    done
}
cd /root
setsid cttyhack sh -l &
shell=$!
[ -z "$card" ] || network >/dev/null 2>&1 &
wait $shell
stop poweroff
