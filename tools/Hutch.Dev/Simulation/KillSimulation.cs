using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Linq;
using Hutch.Block.Simulation;
using Hutch.Dev.Bench;
using Hutch.Dev.Iotests;

namespace Hutch.Dev.Simulation;

/// <summary>
/// Kills <c>hutch img</c> at random moments, as <c>kill -9</c> does, while it converts, commits, rebases or resizes, and machines while their guest writes. What is
/// left must be whole to qemu-img (leaks at most), and a disk that nobody wrote must read as it did.
/// </summary>
internal sealed class KillSimulation(string root, string parent, int seed)
{
    private const int ReportEach = 50, Samples = 5, DiskMegabytes = 24, GuestDiskMegabytes = 4096;
    private const double MostSecondsOfWriting = 2;

    // Places 68 KiB apart, so that most writes take a new cluster.
    private const string GuestLoad =
        "modprobe virtio_blk; i=0; while :; do i=$(((i*5+1)%61440)); dd if=/bin/busybox of=/dev/vda bs=4k seek=$((i*17)) count=1 conv=notrunc,fsync 2>/dev/null || echo fai''led; [ $i = 1 ] && echo beg''un; done\n";

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    private readonly string _folder = Path.Combine(parent, "kills"), _program = Path.Combine(root, "build/current/cli/hutch");
    private readonly Random _random = new(seed);

    /// <param name="Name">What is done.</param>
    /// <param name="Arguments">Of hutch img.</param>
    /// <param name="Images">Images to look at afterwards, where they are there.</param>
    /// <param name="Same">Of these, that whose disk must read as the file of the second name.</param>
    private sealed record Work(string Name, string[] Arguments, string[] Images, (string Image, string Model) Same);

    /// <summary>Kills so many programs while they run. Throws <see cref="StoryException"/> for damage.</summary>
    internal int Run(int kills)
    {
        if (kills == 0) return 0;
        Directory.CreateDirectory(_folder);
        Shell.Must(root, Path.Combine(root, "hutch"), "img", "--version");
        Prepare();
        Work[] works =
        [
            new("convert", ["convert", "-O", "qcow2", "model", "new.qcow2"], ["new.qcow2"], ("new.qcow2", "model")),
            new("convert -c", ["convert", "-c", "-O", "qcow2", "overlay.qcow2", "new.qcow2"], ["new.qcow2"], ("new.qcow2", "model")),
            new("commit", ["commit", "overlay.qcow2"], ["overlay.qcow2", "base.qcow2"], ("overlay.qcow2", "model")),
            new("rebase", ["rebase", "-b", "other.qcow2", "-F", "qcow2", "overlay.qcow2"], ["overlay.qcow2", "base.qcow2"], ("overlay.qcow2", "model")),
            new("resize", ["resize", "overlay.qcow2", "+40G"], ["overlay.qcow2"], ("overlay.qcow2", "model")),
            new("resize --shrink", ["resize", "--shrink", "long.qcow2", $"{DiskMegabytes}M"], ["long.qcow2"], ("long.qcow2", "model")),
        ];
        // Each returns false where the program had ended before.
        (string Name, Func<bool> Kill)[] victims = [.. works.Zip(works.Select(Measure).ToArray(), (work, duration) => (work.Name, (Func<bool>)(() => Kill(work, duration)))), ("a guest", KillGuest)];
        int[] killed = new int[victims.Length];
        for (int i = 0; killed.Sum() < kills; i = (i + 1) % victims.Length)
        {
            if (!victims[i].Kill()) continue;
            killed[i]++;
            if (killed.Sum() % ReportEach == 0) Console.WriteLine($"  {killed.Sum()} of {kills} programs killed");
        }
        Console.WriteLine($"{killed.Sum()} programs killed, none left damage: {string.Join(", ", victims.Select((victim, i) => $"{killed[i]} x {victim.Name}"))}");
        return 0;
    }

    // model: what the overlay's disk holds. The overlay has about half of it, the base the rest.
    private void Prepare()
    {
        byte[] data = new byte[DiskMegabytes << 20];
        _random.NextBytes(data);
        File.WriteAllBytes(At("base.raw"), data);
        List<string> commands = [];
        for (int at = 0; at < DiskMegabytes; at += 2)
        {
            data.AsSpan(at << 20, 1 << 20).Fill((byte)(at + 1));
            commands.AddRange(["-c", $"write -q -P {at + 1} {at}M 1M"]);
        }
        File.WriteAllBytes(At("model"), data);
        Shell.Must(_folder, "qemu-img", "convert", "-f", "raw", "-O", "qcow2", "base.raw", "base.pristine");
        Shell.Must(_folder, "qemu-img", "create", "-q", "-f", "qcow2", "other.qcow2", $"{DiskMegabytes}M");
        Shell.Must(_folder, "qemu-img", "convert", "-f", "raw", "-O", "qcow2", "model", "long.pristine");
        Shell.Must(_folder, "qemu-img", "resize", "-q", "long.pristine", $"{DiskMegabytes * 2}M");
        Shell.Must(_folder, "qemu-io", "-f", "qcow2", "-c", $"write -q -P 9 {DiskMegabytes}M {DiskMegabytes}M", "long.pristine");
        File.Copy(At("base.pristine"), At("base.qcow2"));
        Shell.Must(_folder, "qemu-img", "create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", "overlay.pristine");
        Shell.Must(_folder, "qemu-io", ["-f", "qcow2", .. commands, "overlay.pristine"]);
    }

    private void Fresh()
    {
        foreach (string name in (string[])["base", "overlay", "long"]) File.Copy(At($"{name}.pristine"), At($"{name}.qcow2"), overwrite: true);
        foreach (string path in Directory.GetFiles(_folder, "*new.qcow2*")) File.Delete(path);
    }

    private TimeSpan Measure(Work work)
    {
        TimeSpan[] times = new TimeSpan[Samples];
        for (int i = 0; i < Samples; i++)
        {
            Fresh();
            long start = Stopwatch.GetTimestamp();
            Shell.Must(_folder, _program, ["img", .. work.Arguments]);
            times[i] = Stopwatch.GetElapsedTime(start);
        }
        return times.Order().ElementAt(Samples / 2);
    }

    private bool Kill(Work work, TimeSpan duration)
    {
        Fresh();
        if (!Kill(work.Arguments, duration * _random.NextDouble())) return false;
        Judge(work);
        return true;
    }

    private bool Kill(string[] arguments, TimeSpan after)
    {
        using Process process = Process.Start(new ProcessStartInfo(_program, ["img", .. arguments]) { WorkingDirectory = _folder, RedirectStandardOutput = true, RedirectStandardError = true })!;
        if (process.WaitForExit(after)) return false;
        process.Kill();
        process.WaitForExit();
        return process.ExitCode == 128 + 9;
    }

    // Each guest writes where the one before it was killed.
    private bool KillGuest()
    {
        const string Image = "guest.qcow2";
        if (!File.Exists(At(Image))) Shell.Must(_folder, _program, "img", "create", "-q", "-f", "qcow2", Image, $"{GuestDiskMegabytes}M");
        using Guest guest = Guest.Start(_program, ["run", "--engine", "software", "--disk", At(Image)]);
        if (!guest.WaitFor(Guest.Marker, Patience)) throw new StoryException($"A guest to be killed did not start:\n{guest.Transcript}");
        guest.Send(GuestLoad);
        if (!guest.WaitFor("begun\r\n", Patience)) throw new StoryException($"A guest to be killed does not write:\n{guest.Transcript}");
        if (guest.WaitFor("failed\r\n", TimeSpan.FromSeconds(_random.NextDouble() * MostSecondsOfWriting))) throw new StoryException($"A guest cannot write:\n{guest.Transcript}");
        guest.Kill();
        Check(Image, "guest");
        return true;
    }

    private void Check(string image, string killed)
    {
        (int status, string said) = Shell.Run(_folder, "qemu-img", "check", "-f", "qcow2", image);
        if (status is not (0 or 3)) throw new StoryException($"qemu-img check of {image} after a killed {killed} ends with {status}: {said}");
    }

    private void Judge(Work work)
    {
        foreach (string image in work.Images.Where(image => File.Exists(At(image)))) Check(image, work.Name);
        if (!File.Exists(At(work.Same.Image))) return;
        // An image that was made longer, or not yet shorter, has more behind; that is not what is compared.
        Shell.Must(_folder, "qemu-img", "dd", "-f", "qcow2", "-O", "raw", "bs=1M", $"count={DiskMegabytes}", $"if={work.Same.Image}", "of=found");
        if (!File.ReadAllBytes(At("found")).AsSpan().SequenceEqual(File.ReadAllBytes(At(work.Same.Model))))
            throw new StoryException($"The disk of {work.Same.Image} changed in a killed {work.Name}.");
        File.Delete(At("found"));
    }

    private string At(string name) => Path.Combine(_folder, name);
}
