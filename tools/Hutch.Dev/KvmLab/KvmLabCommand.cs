using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Runtime.InteropServices;
using System.Text;
using Hutch.Cli;
using Hutch.Cli.Guests;
using Hutch.Model.Machine;

namespace Hutch.Dev.KvmLab;

/// <summary>
/// The verb <c>./dev kvm-lab</c>: a computer with a real kvm-amd, emulated by QEMU, with our published programs in it, so that the KVM engine can be tested on
/// a machine without hardware virtualisation. TCG does not emulate Intel's VMX.
/// </summary>
internal sealed class KvmLabCommand(string root)
{
    /// <summary>Boots in a row where nobody says how many.</summary>
    internal const int Boots = 50;

    /// <summary>What the lab is made of, apart from this clone.</summary>
    private sealed record Parts(Qemu Emulator, Qemu Qemu, LabKernel Kernel, KernelBoot Tiny);

    /// <summary>The engines' contract suite is a program.</summary>
    private const string Tests = "tests/Hutch.Tests/bin/Debug/net10.0";

    /// <summary>Folders that belong to one run of the lab are below.</summary>
    private string Folder => Path.Combine(root, "build", "kvm-lab");

    /// <summary>Runs a command line in the lab, or a shell when it is empty; returns its status.</summary>
    internal int Run(IReadOnlyList<string> arguments)
    {
        List<string> extra = [];
        int first = 0;
        for (; first + 1 < arguments.Count && arguments[first] == "--with"; first += 2) extra.Add(arguments[first + 1]);
        string[] command = [.. arguments.Skip(first)];
        // This program goes on inside the lab.
        bool tests = command is ["test", ..];
        if (tests || command is ["bench", ..]) command = ["dotnet", "/lab/dev/Hutch.Dev.dll", "inside-kvm-lab", .. command];
        try
        {
            if (Prepare(tests) is not Parts parts) return 0;
            if (tests) Build("tests/Hutch.Tests");
            return Run(parts, command.Length == 0 ? null : string.Join(' ', command.Select(Quote)), extra, tests ? PatienceWithTests(arguments) : TimeSpan.FromHours(2));
        }
        catch (UserException error)
        {
            Say(error.Message);
            return error.Status;
        }
    }

    /// <summary>Finds or downloads what the lab is made of. Null when that cannot be had and only tests want it: they are skipped.</summary>
    private static Parts? Prepare(bool tests)
    {
        try
        {
            _ = LabTree.ImageMaker();
            GuestCache cache = new(GuestCache.DefaultRoot(), Say);
            return new Parts(Qemu.FindEmulator(cache, Say), Qemu.Find(cache, Say), LabKernel.Prepare(cache, Say), TinyGuest.Prepare(cache, Say, null));
        }
        catch (UserException missing) when (tests)
        {
            Console.WriteLine($"skipped  the KVM lab: {missing.Message}\n0 passed, 0 failed, 1 skipped");
            return null;
        }
    }

    private int Run(Parts parts, string? command, IReadOnlyList<string> extra, TimeSpan patience)
    {
        (Qemu emulator, Qemu qemu, LabKernel kernel, KernelBoot tiny) = parts;
        Publish();
        string run = Path.Combine(Folder, $"run-{Environment.ProcessId}"), last = Path.Combine(Folder, "last");
        Directory.CreateDirectory(run);
        try
        {
            string image = Path.Combine(run, "image");
            WriteImage(image, Path.Combine(run, "root"), qemu, kernel, tiny, command, extra);
            int status = new LabMachine(emulator, kernel, run).Run(image, command is null, patience);
            File.Delete(image);
            return status;
        }
        finally
        {
            if (Directory.Exists(last)) Directory.Delete(last, recursive: true);
            Directory.Move(run, last);
        }
    }

    private void WriteImage(string image, string folder, Qemu qemu, LabKernel kernel, KernelBoot tiny, string? command, IReadOnlyList<string> extra)
    {
        LabTree tree = new(folder, qemu);
        foreach (string at in (string[])["/usr/bin", "/usr/lib", "/usr/lib64", "/dev", "/proc", "/sys", "/tmp", "/run", "/root/.cache/hutch", "/etc"]) tree.Folder(at);
        foreach (string at in (string[])["bin", "lib", "lib64"]) tree.Link($"/{at}", $"usr/{at}");
        tree.Link("/sbin", "usr/bin");
        tree.Script("/usr/bin/busybox", File.ReadAllBytes(kernel.Busybox));
        foreach (string applet in BusyboxApplets.List(File.ReadAllBytes(kernel.Busybox)))
            if (applet != "busybox") tree.Link($"/usr/bin/{applet}", "busybox");
        tree.Script("/lab/init", LabKernel.Resource("init.sh"));
        if (command is not null) tree.Script("/lab/command", Encoding.UTF8.GetBytes(command + "\n"));
        tree.Script("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"u8);
        string guest = Path.GetDirectoryName(tiny.KernelPath)!;
        tree.Copy(guest, $"/root/.cache/hutch/{Path.GetFileName(guest)}");
        bool native = AddPrograms(tree);
        if (!native || command is not null && command.Contains("dotnet", StringComparison.Ordinal)) AddRuntime(tree);
        qemu.AddTo(tree);
        AddGrub(tree);
        foreach (string path in extra)
        {
            if (Directory.Exists(path)) tree.Copy(path, Path.GetFullPath(path));
            else tree.Program(path, Path.GetFullPath(path));
        }
        tree.WriteImage(image);
        Directory.Delete(folder, recursive: true);
    }

    /// <summary>A test boots GRUB where the host has it.</summary>
    private static void AddGrub(LabTree tree)
    {
        const string Maker = "/usr/bin/grub-mkimage", Modules = "/usr/lib/grub/i386-pc";
        if (!File.Exists(Maker) || !Directory.Exists(Modules)) return;
        tree.Program(Maker, Maker);
        tree.Copy(Modules, Modules);
    }

    /// <summary>What <c>./hutch</c> starts. True when that is ahead-of-time code, which needs no runtime.</summary>
    private bool AddPrograms(LabTree tree)
    {
        string current = Path.Combine(root, "build/current");
        tree.Copy($"{current}/cli", "/hutch/cli");
        tree.Copy($"{current}/vmm", "/hutch/vmm");
        tree.Program($"{current}/cli/hutch", "/hutch/cli/hutch");
        tree.Program($"{current}/vmm/hutch-vmm", "/hutch/vmm/hutch-vmm");
        return !File.Exists($"{current}/cli/hutch.dll");
    }

    /// <summary>This program and the tests, and the .NET runtime that they run on: ROOT/shared/Microsoft.NETCore.App/VERSION.</summary>
    private void AddRuntime(LabTree tree)
    {
        tree.Copy(AppContext.BaseDirectory, "/lab/dev");
        string tests = Path.Combine(root, Tests);
        if (Directory.Exists(tests)) tree.Copy(tests, "/lab/tests");
        string runtime = RuntimeEnvironment.GetRuntimeDirectory().TrimEnd('/'), version = Path.GetFileName(runtime);
        string dotnet = Path.GetFullPath(Path.Combine(runtime, "..", "..", ".."));
        const string At = "/usr/share/dotnet";
        tree.Program(Path.Combine(dotnet, "dotnet"), $"{At}/dotnet");
        tree.Copy(Path.Combine(dotnet, "host"), $"{At}/host");
        tree.Copy(runtime, $"{At}/shared/Microsoft.NETCore.App/{version}");
    }

    /// <summary>Lets the launcher build the programs when a source is newer.</summary>
    private void Publish() => Must(new ProcessStartInfo(Path.Combine(root, "hutch"), "--version"), "./hutch cannot be built.");

    private void Build(string project) => Must(new ProcessStartInfo("dotnet", ["build", Path.Combine(root, project), "-v", "q", "-nologo"]), $"{project} cannot be built.");

    private static void Must(ProcessStartInfo start, string failure)
    {
        start.RedirectStandardOutput = true;
        using Process process = Process.Start(start)!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0) throw new UserException($"{failure}\n{output}", ExitStatus.BadConfiguration);
    }

    // What a busy host of two CPUs needs, twice over.
    private static TimeSpan PatienceWithTests(IReadOnlyList<string> arguments) =>
        TimeSpan.FromMinutes(15 + 2 * (arguments.Count > 1 && int.TryParse(arguments[1], NumberStyles.None, CultureInfo.InvariantCulture, out int boots) ? boots : Boots));

    private static string Quote(string word) => $"'{word.Replace("'", "'\\''", StringComparison.Ordinal)}'";

    private static void Say(string text) => Console.Error.WriteLine($"kvm-lab: {text}");
}
