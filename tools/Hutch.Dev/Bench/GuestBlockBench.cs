using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Linq;
using Microsoft.Win32.SafeHandles;

namespace Hutch.Dev.Bench;

/// <summary>
/// A load on a disk from inside the tiny guest, on hutch and on QEMU's TCG in turn: the same kernel, initial RAM disk, image and program. Times are the
/// host's, from the line that the program prints at its beginning to the one at its end.
/// </summary>
internal sealed class GuestBlockBench(string root, string format)
{
    private const int Megabytes = 512, SecondsOfLoad = 3;
    private const long ImageBytes = 1L << 30;
    private const string CommandLine = "console=ttyS0 quiet";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(180);

    // Kind, block, requests in flight, goal: at least this many times QEMU's. 128 KiB is what Linux reads ahead. With 1 MiB most of the time is the host
    // kernel's copying between page cache and guest RAM, the same for both; what a thread of the host does at best is printed beside them.
    private static readonly (string Kind, int Block, int Depth, double Goal)[] Loads =
    [
        ("randread", 4096, 1, 0), ("randread", 4096, 32, 1.5), ("randwrite", 4096, 32, 1.5), ("read", 4096, 32, 1.5), ("write", 4096, 32, 1.5),
        ("read", 128 << 10, 8, 1.5), ("write", 128 << 10, 8, 1.5), ("read", 1 << 20, 8, 0), ("write", 1 << 20, 8, 0),
    ];

    internal int Run(int rounds)
    {
        using ScratchFolder folder = new("hutch-guest-block");
        string program = GuestProgram.Compile(folder.Path, "block-load"), image = BlockLoad.MakeImage(folder.Path, format, ImageBytes), guest = BootBench.PrepareGuest(root);
        Console.WriteLine($"guest: {guest}, {Megabytes} MiB, 1 vCPU; {format} image of {ImageBytes >> 20} MiB in {folder.Path}, all of it written; operations a second, by the host's clock");
        string[] hutch = ["run", "--memory", $"{Megabytes}M", "--disk", $"{image},format={format},serial=bench", "--disk", $"{program},format=raw,readonly"];
        List<double[]> ours = [], theirs = [], theirBest = [];
        for (int round = 1; round <= rounds; round++)
        {
            ours.Add(Measure(Path.Combine(root, "hutch"), hutch));
            theirs.Add(Measure("qemu-system-x86_64", Qemu(guest, image, program, "threads", ioThread: false)));
            theirBest.Add(Measure("qemu-system-x86_64", Qemu(guest, image, program, "io_uring", ioThread: true)));
            Console.WriteLine($"round {round}: hutch {Show(ours[^1])}; qemu {Show(theirs[^1])}; qemu with io_uring and an I/O thread {Show(theirBest[^1])}");
        }
        (double read, double write) = MeasureCopying(image);
        Console.WriteLine($"one thread of the host, 1 MiB at a time: {read:F0} reads and {write:F0} writes a second of that file");
        return Compare(ours, theirs, theirBest);
    }

    private static int Compare(List<double[]> ours, List<double[]> theirs, List<double[]> theirBest)
    {
        bool reached = true;
        for (int i = 0; i < Loads.Length; i++)
        {
            int load = i;
            double our = Statistics.Median(ours.Select(run => run[load])), their = Statistics.Median(theirs.Select(run => run[load])),
                best = Statistics.Median(theirBest.Select(run => run[load]));
            // Round by round, so that a host whose speed drifts does not decide it.
            double ratio = Math.Min(Ratio(ours, theirs, load), Ratio(ours, theirBest, load));
            string goal = Loads[i].Goal == 0 ? "no goal" : $"goal {Loads[i].Goal:F1}, {(ratio >= Loads[i].Goal ? "reached" : "MISSED")}";
            reached &= ratio >= Loads[i].Goal;
            Console.WriteLine($"{Loads[i].Kind,-9} {Loads[i].Block,7} B, {Loads[i].Depth,2} in flight: hutch {our,9:F0}, qemu {their,9:F0}, with io_uring {best,9:F0}; ratio to the better {ratio:F2} ({goal})");
        }
        return reached ? 0 : 1;
    }

    private static double Ratio(List<double[]> ours, List<double[]> theirs, int load) => Statistics.Median(ours.Zip(theirs, (our, their) => our[load] / their[load]));

    // For comparison: both sides move data with pread and pwrite, and the kernel lets one writer of a file in at a time.
    private static (double Reads, double Writes) MeasureCopying(string image)
    {
        const int Block = 1 << 20, Count = 5000;
        // As many buffers as the load has: one alone would stay in the CPU's cache.
        byte[][] buffers = new byte[8][];
        for (int i = 0; i < buffers.Length; i++) buffers[i] = GC.AllocateArray<byte>(Block, pinned: true);
        using SafeFileHandle file = File.OpenHandle(image, FileMode.Open, FileAccess.ReadWrite);
        long blocks = RandomAccess.GetLength(file) / Block, start = Stopwatch.GetTimestamp();
        for (long i = 0; i < Count; i++) _ = RandomAccess.Read(file, buffers[i % buffers.Length], i % blocks * Block);
        double reads = Count / Stopwatch.GetElapsedTime(start).TotalSeconds;
        start = Stopwatch.GetTimestamp();
        for (long i = 0; i < Count; i++) RandomAccess.Write(file, buffers[i % buffers.Length], i % blocks * Block);
        return (reads, Count / Stopwatch.GetElapsedTime(start).TotalSeconds);
    }

    private static double[] Measure(string program, IEnumerable<string> arguments)
    {
        using Guest guest = Guest.Start(program, arguments);
        double[] results = new double[Loads.Length];
        if (!guest.WaitFor(Guest.Marker, Patience) || !guest.WaitFor("~ # ", Patience)) throw new InvalidOperationException($"{program} did not boot:\n{guest.Transcript}");
        GuestProgram.Install(guest, "/dev/vdb", "block-load");
        for (int i = 0; i < results.Length; i++) results[i] = BlockLoad.Run(guest, "/dev/vda", Loads[i].Kind, Loads[i].Block, Loads[i].Depth, SecondsOfLoad, ImageBytes);
        return results;
    }

    private string[] Qemu(string guest, string image, string program, string aio, bool ioThread) =>
    [
        "-accel", "tcg", "-cpu", "max", "-m", $"{Megabytes}", "-kernel", $"{guest}/vmlinuz", "-initrd", $"{guest}/initrd", "-append", CommandLine,
        "-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot", "-device", "virtio-rng-pci", "-object", "iothread,id=io",
        "-drive", $"file={image},format={format},if=none,id=d0,cache=writeback,aio={aio}", "-device", $"virtio-blk-pci,drive=d0{(ioThread ? ",iothread=io" : "")}",
        "-drive", $"file={program},format=raw,if=none,id=d1,readonly=on", "-device", "virtio-blk-pci,drive=d1",
    ];

    private static string Show(double[] results) => string.Join(' ', results.Select(static result => result.ToString("F0", CultureInfo.InvariantCulture)));
}
