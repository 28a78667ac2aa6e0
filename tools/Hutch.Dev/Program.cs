using System;
using System.Diagnostics;
using System.IO;
using System.Linq;
using Hutch.Dev.Bench;
using Hutch.Dev.DeviceFuzz;
using Hutch.Dev.Iotests;
using Hutch.Dev.KvmLab;
using Hutch.Dev.KvmLab.Inside;
using Hutch.Dev.DomainXmlFuzz;
using Hutch.Dev.RpcFuzz;
using Hutch.Dev.Simulation;

namespace Hutch.Dev;

/// <summary>Verbs of <c>./dev</c>.</summary>
internal static class Program
{
    private const string Help = """
        ./dev build               build the solution
        ./dev test [WORD]         unit tests, those whose full name contains WORD
        ./dev tidy                rules about the working tree
        ./dev fmt                 format the sources
        ./dev conformance [N]     the CPU engine against the host CPU: N random vectors of each instruction form (default 550: more than 3 million in all)
        ./dev guest [WORD]        guest tests, those whose full name contains WORD
        ./dev guest install       installs Debian with its own installer, from its netboot kernel and from a disc: most of an hour each
        ./dev models              boots a guest on every CPU model that this host can give, and compares what it finds
        ./dev bench boot [RUNS]   boot CPU time and memory beside QEMU's
        ./dev bench stress [N]    N boots in a row under load
        ./dev bench kvm [N]       the KVM engine's cost of an exit beside a C loop's, and N pauses of 4 vCPUs
        ./dev bench io [FOLDER]   4 KiB at random through the block layer beside qemu-img bench, on tmpfs and in FOLDER (build), and into a fresh qcow2 image there
        ./dev bench guest-block [N [FORMAT]]
                                  a load on a guest's disk beside QEMU's: N rounds (5) on an image of FORMAT (qcow2)
        ./dev bench devices [N]   disks and network cards of each kind beside QEMU's, and virtio beside the emulated ones: N rounds (3)
        ./dev bench crash [N [FORMAT]]
                                  kills a Debian guest that writes N times (50); its journal must replay and nothing synced be lost
        ./dev bench img [RUNS [WORD]]
                                  conversions of images beside qemu-img's, those whose name contains WORD: wall and CPU time
        ./dev bench debian [RUNS] 'hutch run debian' and QEMU's TCG in turn: CPU time to root's prompt
        ./dev bench idle [N]      a Debian that does nothing for N minutes (10): CPU time, and its clock, also after a pause
        ./dev bench memtest       the first pass of memtest86+
        ./dev kvm-lab [--with PATH]... [COMMAND...]
                                  a computer with a real kvm-amd, emulated by QEMU: runs COMMAND in it, or a shell; PATH is copied into it
        ./dev kvm-lab test [N [WORD]]
                                  what must hold on a host with KVM, N boots in a row (50) among it; the checks whose name contains WORD
        ./dev kvm-lab bench [N]   boots in the lab beside QEMU's on the same KVM: CPU time, memory, exits
        ./dev sim block [SEQUENCES [STATES [KILLS [SEED]]]]
                                  random stories of images (10000), with QEMU's tools to compare, states after power losses (100000), killed programs (1000)
        ./dev fuzz block [N [SEED]]
                                  opens, uses and checks N damaged images (1000000)
        ./dev fuzz devices [N [SEED [WORD]]]
                                  N things that random guests do (1000000) to each kind of device whose name contains WORD
        ./dev fuzz rpc [N [SEED]] N packets of bad clients of the libvirt protocol (1000000)
        ./dev fuzz domain-xml [N [SEED]] N damaged domain documents of libvirt (100000)
        ./dev iotests [-raw] [-qcow2] [--reference] [TESTS...]
                                  QEMU's public tests of image formats with our programs in place of qemu-img and qemu-io, or with its own
        ./dev run ...             ./hutch run ...
        """;

    private static int Main(string[] arguments)
    {
        if (arguments.Length > 1 && arguments[0] == "inside-kvm-lab") return InsideKvmLab(arguments);
        if (arguments.Length > 2 && arguments[0] == "inside-bench" && arguments[1] == "io") return IoBench.Run(arguments[2]);
        if (arguments.Length > 1 && arguments[0] == "inside-bench") return KvmBench.Run(Count(arguments, 100_000));
        string root = FindRoot();
        if (arguments.Length > 3 && arguments[0] == DeviceFuzzCommand.Inside)
            return new DeviceFuzzCommand(root, Number(arguments, 3, 0)).RunOne(FuzzedDevices.All.First(kind => kind.Name == arguments[1]), Number(arguments, 2, 0));
        if (arguments.Length > 1 && arguments[0] is "inside-sim" or "inside-fuzz") return Simulate(root, arguments);
        string second = arguments.Length > 1 ? arguments[1] : "";
        switch (arguments.Length > 0 ? arguments[0] : "")
        {
            case "build": return Run(root, "dotnet", "build", "Hutch.slnx", "-v", "q");
            case "test": return Math.Max(Test(root, "Hutch.Tests", second), Test(root, "Hutch.Block.Tests", second));
            case "tidy": return Run(root, "dotnet", "test", "tests/Hutch.Tests", "-v", "q", "--filter", "FullyQualifiedName~Tidy|FullyQualifiedName~Architecture");
            case "fmt": return Run(root, "dotnet", "format", "Hutch.slnx", "--no-restore");
            case "conformance": return Conformance(root, second.Length == 0 ? "550" : second);
            case "guest" when second == "install":
                Environment.SetEnvironmentVariable("HUTCH_INSTALL", "1");
                return Run(root, "dotnet", "test", "tests/Hutch.GuestTests", "-v", "q", "--filter", "FullyQualifiedName~InstallerTests", "--logger", "console;verbosity=detailed");
            case "guest": return Test(root, "Hutch.GuestTests", second);
            case "models":
                Environment.SetEnvironmentVariable("HUTCH_ALL_CPU_MODELS", "1");
                return Test(root, "Hutch.GuestTests", "CpuModelTests");
            case "run": return Run(root, Path.Combine(root, "hutch"), arguments);
            case "kvm-lab": return new KvmLabCommand(root).Run(arguments[1..]);
            case "bench" when second == "img": return new ImageBench(root).Run(Count(arguments, 3), Third(arguments, ""));
            case "sim" or "fuzz" when second == "block":
            case "fuzz" when second is "devices" or "rpc" or "domain-xml":
                return Run(root, "dotnet", ["run", "-c", "Release", "--project", "tools/Hutch.Dev", "-v", "q", "--", $"inside-{arguments[0]}", .. arguments[1..]]);
            case "iotests": return new IotestsCommand(root).Run(arguments[1..]);
            case "bench" when second == "boot": return new BootBench(root).Run(Count(arguments, 5));
            case "bench" when second == "stress": return new StressBench(root).Run(Count(arguments, 200));
            // Optimized code is what is compared.
            case "bench" when second == "kvm": return Run(root, "dotnet", "run", "-c", "Release", "--project", "tools/Hutch.Dev", "-v", "q", "--", "inside-bench", "kvm", $"{Count(arguments, 100_000)}");
            case "bench" when second == "io":
                string folder = arguments.Length > 2 ? Path.GetFullPath(arguments[2]) : Path.Combine(root, "build");
                return Run(root, "dotnet", "run", "-c", "Release", "--project", "tools/Hutch.Dev", "-v", "q", "--", "inside-bench", "io", folder);
            case "bench" when second == "guest-block": return new GuestBlockBench(root, Third(arguments, "qcow2")).Run(Count(arguments, 5));
            case "bench" when second == "devices": return new DeviceBench(root).Run(Count(arguments, 3));
            case "bench" when second == "crash": return new CrashBench(root, Third(arguments, "qcow2")).Run(Count(arguments, 50));
            case "bench" when second == "idle": return new IdleBench(root).Run(Count(arguments, 10));
            case "bench" when second == "debian": return new DebianBench(root).Run(Count(arguments, 3));
            case "bench" when second == "memtest": return new MemtestBench(root).Run();
            default:
                Console.Error.WriteLine(Help);
                return 2;
        }
    }

    private static int InsideKvmLab(string[] arguments) => arguments[1] switch
    {
        "bench" => LabBench.Run(Count(arguments, 5)),
        "test" => LabTest.Run(Count(arguments, KvmLabCommand.Boots), arguments.Length > 3 ? arguments[3] : ""),
        _ => 2,
    };

    private static int Simulate(string root, string[] arguments)
    {
        int seed = Environment.TickCount & 0xfff_ffff;
        if (arguments[0] == "inside-fuzz" && arguments[1] == "devices")
            return new DeviceFuzzCommand(root, Number(arguments, 3, seed)).Run(Number(arguments, 2, 1_000_000), arguments.Length > 4 ? arguments[4] : "");
        if (arguments[0] == "inside-fuzz" && arguments[1] == "rpc") return RpcFuzzCommand.Run(Number(arguments, 2, 1_000_000), Number(arguments, 3, seed), Console.Out);
        if (arguments[0] == "inside-fuzz" && arguments[1] == "domain-xml") return new DomainXmlFuzzCommand(root).Run(Number(arguments, 2, 100_000), Number(arguments, 3, seed), Console.Out);
        if (arguments[0] == "inside-fuzz") return new BlockFuzz(root, Number(arguments, 3, seed)).Run(Number(arguments, 2, 1_000_000));
        return new BlockSimulation(root, Number(arguments, 5, seed)).Run(Number(arguments, 2, 10_000), Number(arguments, 3, 100_000), Number(arguments, 4, 1000));
    }

    private static int Number(string[] arguments, int index, int unsaid) =>
        arguments.Length > index ? int.Parse(arguments[index], System.Globalization.CultureInfo.InvariantCulture) : unsaid;

    // Whoever names tests wants to see each of them, and why one failed.
    private static int Test(string root, string project, string word) => word.Length == 0
        ? Run(root, "dotnet", "test", $"tests/{project}", "-v", "q")
        : Run(root, "dotnet", "test", $"tests/{project}", "-v", "q", "--filter", $"FullyQualifiedName~{word}", "--logger", "console;verbosity=normal");

    private static int Conformance(string root, string rounds)
    {
        Environment.SetEnvironmentVariable("HUTCH_CONFORMANCE_ROUNDS", rounds);
        return Run(root, "dotnet", "test", "tests/Hutch.Cpu.Tests", "-v", "q", "--filter", "FullyQualifiedName~Conformance", "--logger", "console;verbosity=detailed");
    }

    private static int Count(string[] arguments, int unsaid) => Number(arguments, 2, unsaid);

    private static string Third(string[] arguments, string unsaid) => arguments.Length > 3 ? arguments[3] : unsaid;

    private static int Run(string directory, string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments) { WorkingDirectory = directory })!;
        process.WaitForExit();
        return process.ExitCode;
    }

    private static string FindRoot()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "Hutch.slnx"))) folder = Path.GetDirectoryName(folder);
        return folder ?? throw new InvalidOperationException("./dev works inside a clone of the repository.");
    }
}
