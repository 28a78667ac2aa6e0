using System;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text.RegularExpressions;
using Hutch.Cli.Guests;

namespace Hutch.Dev.Bench;

/// <summary>
/// Kills machines in the middle of writing: a real Debian (mmdebstrap, ext4) boots from an image to its login prompt, writes files, says which are synced, and
/// is killed at a random moment. The next boot must replay the journal without complaint and have every file that was said to be synced.
/// </summary>
internal sealed partial class CrashBench(string root, string format)
{
    private const int FilesKept = 40, FileBytes = 100_000;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(300);

    // What the guest does between two kills: copies and removes trees for the journal's sake, and writes numbered files one after the other.
    private static readonly string Writer =
        $$"""
        #!/bin/sh
        # write FIRST: writes files from this number on, and says of each when it is durable.
        cd /data || exit 1
        (while :; do cp -r /etc noise; rm -rf noise; done) 2>/dev/null &
        n=$1
        while :; do
            yes "file $n" | head -c {{FileBytes}} >new && sync new && mv new "f$n" && sync . || exit 1
            echo "SYNCED $n"
            rm -f "f$((n - {{FilesKept}}))"
            n=$((n + 1))
        done
        """;

    private static readonly string Checker =
        $$"""
        #!/bin/sh
        # check LAST: the files up to this number, as many as are kept.
        n=$1
        first=$((n - {{FilesKept}} + 1))
        [ "$first" -gt 0 ] || first=1
        while [ "$n" -ge "$first" ]; do
            yes "file $n" | head -c {{FileBytes}} | cmp - "/data/f$n" || { echo "LOST $n"; exit 1; }
            n=$((n - 1))
        done
        dmesg | grep -E 'EXT4-fs (error|warning)|I/O error' && { echo "BROKEN"; exit 1; }
        dmesg | grep -c 'EXT4-fs (vda): recovery complete'
        echo "GOOD"
        """;

    // The tiny guest's initial RAM disk with this for its first program.
    private const string Init =
        """
        #!/bin/sh
        export PATH=/sbin:/bin
        [ -e /bin/mount ] || /bin/busybox --install -s /bin
        mount -a
        modprobe virtio_pci
        modprobe virtio_blk
        mount -t ext4 /dev/vda /mnt || exec sh
        mount --move /dev /mnt/dev
        umount /proc /sys /tmp
        exec switch_root /mnt /sbin/init
        """;

    internal int Run(int kills)
    {
        string folder = Path.Combine(root, "build/crash");
        Directory.CreateDirectory(folder);
        string image = Path.Combine(folder, $"debian.{format}"), tiny = BootBench.PrepareGuest(root), initrd = Path.Combine(folder, "initrd");
        MakeImage(folder, image);
        MakeInitrd(Path.Combine(tiny, "initrd"), initrd);
        int seed = Environment.TickCount, synced = 0, replayed = 0;
        Random random = new(seed);
        Console.WriteLine($"{kills} kills of a Debian that writes to {image}; seed {seed}");
        for (int kill = 0; kill <= kills; kill++)
        {
            long start = Stopwatch.GetTimestamp();
            using Guest guest = Boot($"{tiny}/vmlinuz", initrd, image);
            double boot = Stopwatch.GetElapsedTime(start).TotalSeconds;
            if (Check(guest, synced) is not string found) return Failed(guest, kill, "a file is lost or the file system complains");
            if (kill > 0 && found != "1") return Failed(guest, kill, "the journal was not replayed");
            replayed += kill > 0 ? 1 : 0;
            if (kill == kills)
            {
                guest.Send("poweroff\n");
                if (guest.WaitForExit(Patience) != 0) return Failed(guest, kill, "it does not switch itself off");
                break;
            }
            guest.Send($"/root/write {synced + 1}\n");
            TimeSpan lifetime = TimeSpan.FromMilliseconds(random.Next(200, 6000));
            if (!guest.WaitFor("SYNCED", Patience)) return Failed(guest, kill, "it does not write");
            _ = guest.WaitFor("\0never\0", lifetime);
            guest.Kill();
            int before = synced;
            synced = SyncedLine().Matches(guest.Transcript).Select(static line => int.Parse(line.Groups[1].Value, CultureInfo.InvariantCulture)).Last();
            string health = CheckImage(image);
            if (health.Length > 0) return Failed(guest, kill, health);
            Console.WriteLine($"kill {kill + 1} of {kills}: login after {boot:F1} s, {synced - before} files synced, killed {lifetime.TotalSeconds:F1} s after the first");
        }
        string end = CheckFileSystem(folder, image);
        Console.WriteLine($"{replayed} of {kills} kills: journal replayed, no synced file lost, no complaint; {(end.Length == 0 ? "e2fsck finds nothing" : end)}");
        return end.Length == 0 ? 0 : 1;
    }

    private Guest Boot(string kernel, string initrd, string image)
    {
        Guest guest = Guest.Start(Path.Combine(root, "hutch"),
            ["run", image, "--kernel", kernel, "--initrd", initrd, "--append", "console=ttyS0 quiet", "--memory", "512M", "--cpus", "2"]);
        if (!guest.WaitFor("login: ", Patience)) throw new InvalidOperationException($"There is no login prompt:\n{guest.Transcript}");
        guest.Send("root\n");
        if (!guest.WaitFor("# ", Patience)) throw new InvalidOperationException($"There is no shell:\n{guest.Transcript}");
        return guest;
    }

    // How often the journal was replayed in this boot; null where something is wrong.
    private static string? Check(Guest guest, int synced)
    {
        guest.Send($"/root/check {synced}; echo check''ed $?\n");
        if (!guest.WaitFor("checked ", Patience)) return null;
        Match match = GoodLine().Match(guest.Transcript);
        return match.Success ? match.Groups[1].Value : null;
    }

    private static int Failed(Guest guest, int kill, string why)
    {
        Console.WriteLine($"FAILED after {kill} kills: {why}.\n{guest.Transcript}");
        return 1;
    }

    private string CheckImage(string image)
    {
        if (format == "raw") return "";
        int status = Execute("qemu-img", out string output, "check", image);
        // 3: space that nobody uses, as after any crash.
        return status is 0 or 3 ? "" : $"qemu-img check ends with {status}: {output}";
    }

    private static string CheckFileSystem(string folder, string image)
    {
        string raw = Path.Combine(folder, "end.raw");
        try
        {
            if (Execute("qemu-img", out string said, "convert", "-O", "raw", image, raw) != 0) return said;
            int status = Execute("e2fsck", out string output, "-fn", raw);
            return status == 0 ? "" : $"e2fsck ends with {status}: {output}";
        }
        finally
        {
            File.Delete(raw);
        }
    }

    private void MakeImage(string folder, string image)
    {
        string debian = Path.Combine(folder, "debian.pristine.raw"), partial = $"{debian}.partial", writer = Path.Combine(folder, "write"), checker = Path.Combine(folder, "check");
        if (!File.Exists(debian))
        {
            Console.WriteLine("Making a Debian root file system; this happens once.");
            File.WriteAllText(writer, Writer + "\n");
            File.WriteAllText(checker, Checker + "\n");
            File.Delete(partial);
            // As root, or in a user namespace where this user is root.
            if (Execute("mmdebstrap", out string said, "--variant=minbase", "--include=systemd-sysv,login",
                "--customize-hook=chroot \"$1\" passwd -d root",
                "--customize-hook=mkdir \"$1/data\"; echo debian >\"$1/etc/hostname\"; echo '/dev/vda / ext4 errors=remount-ro 0 0' >\"$1/etc/fstab\"",
                // The login prompt is on the console; the serial port's own would wait for udev, which is not there.
                "--customize-hook=cd \"$1/etc/systemd/system\"; ln -s /dev/null serial-getty@ttyS0.service; mkdir -p getty.target.wants; "
                + "ln -s /lib/systemd/system/console-getty.service getty.target.wants/",
                $"--customize-hook=install -m 755 {writer} {checker} \"$1/root\"",
                // Through a bind mount, which does not show what of the host is mounted inside, /dev/shm for one.
                $"--customize-hook=set -e; mkdir -p {partial}.root; mount --bind \"$1\" {partial}.root; truncate -s 2G {partial}; mke2fs -q -t ext4 -d {partial}.root {partial}; umount {partial}.root; rmdir {partial}.root", "bookworm", "/dev/null") != 0)
                throw new InvalidOperationException($"mmdebstrap failed:\n{said}");
            File.Move(partial, debian);
        }
        File.Delete(image);
        if (Execute("qemu-img", out string output, "convert", "-f", "raw", "-O", format, debian, image) != 0) throw new InvalidOperationException(output);
    }

    // A second archive behind the first replaces its files.
    private static void MakeInitrd(string tiny, string initrd)
    {
        using FileStream file = File.Create(initrd);
        using (FileStream first = File.OpenRead(tiny)) first.CopyTo(file);
        while (file.Position % 512 != 0) file.WriteByte(0);
        CpioWriter cpio = new(file);
        cpio.Program("init", System.Text.Encoding.ASCII.GetBytes(Init + "\n"));
        cpio.Finish();
    }

    private static int Execute(string program, out string output, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo("sh", ["-c", "exec \"$@\" 2>&1", "sh", program, .. arguments]) { RedirectStandardOutput = true })!;
        output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode;
    }

    [GeneratedRegex(@"SYNCED (\d+)\r?\n")]
    private static partial Regex SyncedLine();

    [GeneratedRegex(@"(\d+)\r?\nGOOD")]
    private static partial Regex GoodLine();
}
