namespace Hutch.GuestTests.Installer;

/// <summary>The answers to all questions of Debian's installer: a small system on the only disk, nobody asked.</summary>
internal static class Preseed
{
    /// <summary>Root's password in the installed system.</summary>
    internal const string Password = "hutch";

    /// <summary>Name of the installed system.</summary>
    internal const string HostName = "installed";

    /// <summary>The file.</summary>
    /// <param name="release">Codename of the Debian that is installed.</param>
    /// <param name="mirror">Host and port of the mirror, as the guest sees them.</param>
    /// <param name="disk">The disk's device in the guest.</param>
    internal static string Of(string release, string mirror, string disk) => $"""
        d-i preseed/early_command string (tail -n +1 -f /var/log/syslog >/dev/ttyS0 2>&1 </dev/null 3>&- 4>&- 5>&- 6>&- &)
        d-i debian-installer/language string en
        d-i debian-installer/country string US
        d-i debian-installer/locale string en_US.UTF-8
        d-i keyboard-configuration/xkb-keymap select us
        d-i netcfg/choose_interface select auto
        d-i netcfg/get_hostname string {HostName}
        d-i netcfg/get_domain string
        d-i hw-detect/load_firmware boolean false
        d-i hw-detect/firmware-lookup string never
        d-i mirror/country string manual
        d-i mirror/protocol string http
        d-i mirror/http/hostname string {mirror}
        d-i mirror/http/directory string /debian
        d-i mirror/http/proxy string
        d-i mirror/suite string {release}
        d-i mirror/udeb/suite string {UdebMirror.Suite}
        # The index of the installer's own packages is the mirror's. The system is verified again, with Debian's keys.
        d-i debian-installer/allow_unauthenticated boolean true
        d-i partman/early_command string debconf-set debian-installer/allow_unauthenticated false
        d-i passwd/make-user boolean false
        d-i passwd/root-password password {Password}
        d-i passwd/root-password-again password {Password}
        d-i clock-setup/utc boolean true
        d-i clock-setup/ntp boolean false
        d-i time/zone string UTC
        d-i partman-auto/disk string {disk}
        d-i partman-auto/method string regular
        d-i partman-auto/choose_recipe select atomic
        d-i partman-partitioning/confirm_write_new_label boolean true
        d-i partman/choose_partition select finish
        d-i partman/confirm boolean true
        d-i partman/confirm_nooverwrite boolean true
        d-i base-installer/install-recommends boolean false
        # The kernel for virtual machines, a quarter of the other.
        d-i base-installer/kernel/image string linux-image-cloud-amd64
        d-i base-installer/initramfs-tools/driver-policy select dep
        d-i apt-setup/services-select multiselect
        d-i apt-setup/non-free-firmware boolean false
        d-i apt-setup/enable-source-repositories boolean false
        d-i apt-setup/cdrom/set-first boolean false
        d-i pkgsel/run_tasksel boolean false
        d-i pkgsel/upgrade select none
        d-i pkgsel/update-policy select none
        popularity-contest popularity-contest/participate boolean false
        d-i grub-installer/only_debian boolean true
        d-i grub-installer/bootdev string {disk}
        d-i finish-install/reboot_in_progress note
        d-i cdrom-detect/eject boolean false
        d-i debian-installer/exit/poweroff boolean true

        """;
}
