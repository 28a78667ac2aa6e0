#!/bin/sh
# mmdebstrap's hook: makes the tree $1, which packages have filled, into a system that boots, and the tree into a file system.
# Descriptor 8 takes what the direct boot needs as tar, descriptor 9 is the disk. UUID: the file system's; OFFSET and SIZE: where it is on the disk.
set -eu
PATH=$PATH:/usr/sbin:/sbin
cd "$1"

# put FILE: standard input becomes the file.
put() {
    mkdir -p "${1%/*}"
    cat >"$1"
}

if [ "$MMDEBSTRAP_HOOK" = essential ]; then
    # Before the kernel comes: a small initial RAM disk takes less of everybody's time.
    echo MODULES=list | put etc/initramfs-tools/conf.d/hutch
    printf '%s\n' virtio_pci virtio_blk virtio_scsi sd_mod | put usr/share/initramfs-tools/modules.d/hutch
    exit
fi

echo debian >etc/hostname
printf '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n' >etc/hosts
# No check of the file system: its journal is replayed, and a check would wait for udev.
echo "UUID=$UUID / ext4 errors=remount-ro 0 0" >etc/fstab
: >etc/machine-id
rm -f var/lib/dbus/machine-id
ln -sf ../run/systemd/resolve/stub-resolv.conf etc/resolv.conf

put etc/systemd/network/80-hutch.network <<-END
	[Match]
	Name=en* eth*
	[Network]
	DHCP=yes
END

# A vCPU that is plugged in ('hutch set NAME --vcpus N') is used; memory is by memhp_default_state, and where it can be taken away again.
put etc/udev/rules.d/80-hutch-hotplug.rules <<-'END'
	SUBSYSTEM=="cpu", ACTION=="add", TEST=="online", ATTR{online}=="0", ATTR{online}="1"
END

# root is logged in on the console; the serial port's own prompt would wait for udev.
put etc/systemd/system/console-getty.service.d/hutch.conf <<-'END'
	[Service]
	Type=simple
	ExecStart=
	ExecStart=-/sbin/agetty -o '-p -f -- \\u' --noclear --keep-baud --autologin root - 115200,38400,9600 $TERM
END

# The clock is the host's, also after the machine has stood still: ptp_kvm asks the host for it, and phc2sys follows every second.
put etc/systemd/system/hutch-clock.service <<-'END'
	[Unit]
	Description=The host's time
	[Service]
	ExecCondition=/bin/sh -c 'modprobe -q ptp_kvm && test -e /dev/ptp0'
	ExecStart=/usr/sbin/phc2sys -s /dev/ptp0 -c CLOCK_REALTIME -O 0 -S 0.01 -l 5
	Restart=on-failure
	[Install]
	WantedBy=multi-user.target
END

# Each machine makes a host key of its own.
rm -f etc/ssh/ssh_host_*
put etc/ssh/sshd_config.d/hutch.conf <<-END
	HostKey /etc/ssh/ssh_host_ed25519_key
END
put etc/systemd/system/ssh.service.d/hutch.conf <<-'END'
	[Service]
	ExecStartPre=
	ExecStartPre=/bin/sh -c 'test -s /etc/ssh/ssh_host_ed25519_key || ssh-keygen -q -t ed25519 -N "" -f /etc/ssh/ssh_host_ed25519_key'
END

# A machine that starts from firmware has no kernel command line from its host.
put etc/systemd/system/hutch-hostname.service <<-'END'
	[Unit]
	Description=The host name that the machine was given
	DefaultDependencies=no
	ConditionPathExists=/run/credentials/@system/hutch.hostname
	ConditionKernelCommandLine=!systemd.hostname
	[Service]
	Type=oneshot
	ExecStart=/bin/sh -c 'exec hostname "$(cat /run/credentials/@system/hutch.hostname)"'
	[Install]
	WantedBy=sysinit.target
END

put boot/grub/grub.cfg <<-END
	set timeout=1
	menuentry 'Debian GNU/Linux 12' {
	    linux /vmlinuz root=UUID=$UUID ro console=ttyS0 quiet memhp_default_state=online_movable
	    initrd /initrd.img
	}
END

chroot . systemctl -q enable systemd-networkd console-getty hutch-hostname hutch-clock
chroot . systemctl -q mask serial-getty@ttyS0.service getty@tty1.service apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service systemd-networkd-wait-online.service

# What mmdebstrap needs until it ends is none of the system's.
rm -rf var/lib/apt/lists/* var/cache/apt/archives/*.deb var/cache/apt/*.bin etc/apt/apt.conf.d/99mmdebstrap etc/dpkg/dpkg.cfg.d/99mmdebstrap boot/*.dpkg-bak
rm -f usr/sbin/policy-rc.d
# These are for people who read on a screen of their own, and a fifth of the system.
rm -rf usr/share/man/* usr/share/info/* usr/share/locale/*
find usr/share/doc -type f ! -name copyright -delete
[ ! -e sbin/start-stop-daemon.REAL ] || mv -f sbin/start-stop-daemon.REAL sbin/start-stop-daemon

tar -cf - boot/vmlinuz-* usr/lib/modules/*/kernel/drivers/virtio usr/lib/modules/*/kernel/drivers/block/virtio_blk.ko usr/bin/busybox >&8

# Seen through this mount the tree is without what is mounted in it. The features are those that GRUB 2.06 reads.
mount --bind . mnt
mke2fs -q -F -t ext4 -O none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum \
    -E "offset=$OFFSET,lazy_itable_init=0" -J size=32 -L debian -U "$UUID" -d mnt /proc/self/fd/9 "$SIZE"
umount mnt
