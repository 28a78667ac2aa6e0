using System;
using System.Collections.Generic;
using System.Linq;
using System.Text.Json;
using System.Text.RegularExpressions;
using System.Threading.Tasks;
using Xunit;
using Xunit.Abstractions;

namespace Hutch.GuestTests;

/// <summary>A guest sees the CPU that its model defines. HUTCH_ALL_CPU_MODELS=1 (or <c>./dev models</c>) asks for every model that this host can give.</summary>
public sealed class CpuModelTests(ITestOutputHelper output)
{
    // What Linux 6.1 says besides: of itself (what it found out or decided), or because the machine's clock and topology tell it so.
    private static readonly HashSet<string> LinuxsOwn =
    [
        "rep_good", "nopl", "cpuid", "tsc_known_freq", "xtopology", "extd_apicid", "constant_tsc", "nonstop_tsc", "pti", "vmmcall", "invpcid_single", "ospke",
        // From SPEC_CTRL, IBRS, STIBP, SSBD and IBPB bits of either vendor; CPB by Hygon's and AMD's set-up; prefetch by AMD's on any CPU with long mode.
        "ibrs", "ibpb", "stibp", "ssbd", "ibrs_enhanced", "cpb", "3dnowprefetch",
    ];

    // What Linux 6.1 hides, and from whom: self-snoop errata of CPUs before Nehalem; LAHF of early K8; XSAVES of Zen 1 and 2 (erratum 1386).
    private static readonly HashSet<string> HiddenByLinux = ["ss", "lahf_lm", "xsaves"];

    // Too old for a 64-bit kernel.
    private static readonly string[] Models32 = ["486", "pentium", "pentium2", "pentium3", "coreduo", "n270", "kvm32", "qemu32"];

    private static readonly string[] Sample = ["Conroe", "Westmere-IBRS", "Broadwell", "Skylake-Client-v4", "Snowridge-v4", "Opteron_G3", "EPYC-Rome-v3", "EPYC-Milan-v2", "Dhyana", "kvm64", "x86-64-v2", "x86-64-v3"];

    public static TheoryData<string> LinuxModels => [.. All ? Usable().Except(Models32.Select(name => $"{name}-v1")) : Sample];

    public static TheoryData<string> OldModels => [.. Models32];

    private static bool All => Environment.GetEnvironmentVariable("HUTCH_ALL_CPU_MODELS") == "1";

    [Theory]
    [MemberData(nameof(LinuxModels))]
    public async Task The_kernel_finds_the_models_features(string model)
    {
        if (!Usable().Contains(model, StringComparer.Ordinal))
        {
            await AssertRefused(model);
            return;
        }
        using JsonDocument definition = await Describe(model);
        await using Vm vm = await Vm.Boot("--engine", "software", "--cpu", model);
        string info = await vm.Shell("sed '/^$/q' /proc/cpuinfo");
        string[] expected = [.. definition.RootElement.GetProperty("flags").EnumerateArray().Select(flag => flag.GetString()!)];
        string[] found = Field(info, "flags").Split(' ', StringSplitOptions.RemoveEmptyEntries);
        output.WriteLine($"hidden: {string.Join(' ', expected.Except(found))}; Linux's own: {string.Join(' ', found.Except(expected))}");
        Assert.Empty(expected.Except(found).Except(HiddenByLinux));
        Assert.Empty(found.Except(expected).Except(LinuxsOwn));
        JsonElement root = definition.RootElement;
        Assert.Equal(root.GetProperty("vendor").GetString(), Field(info, "vendor_id"));
        Assert.Equal(root.GetProperty("modelId").GetString(), Field(info, "model name"));
        Assert.Equal($"{root.GetProperty("family")} {root.GetProperty("model")} {root.GetProperty("stepping")}", $"{Field(info, "cpu family")} {Field(info, "model")} {Field(info, "stepping")}");
        Assert.DoesNotContain("unchecked MSR", await vm.Shell("dmesg"), StringComparison.Ordinal);
        Assert.Equal(0, await vm.PowerOff());
    }

    [Theory]
    [MemberData(nameof(OldModels))]
    public async Task A_32_bit_guest_finds_the_models_features(string model)
    {
        using JsonDocument definition = await Describe(model);
        using TemporaryFolder folder = new();
        await using Vm vm = Vm.Start("--engine", "software", "--cpu", model, "--kernel", Multiboot.Write(folder, PrintCpuid), "--device", "debug-exit");
        Assert.Equal(1, await vm.WaitForExit());
        string[] words = vm.Console.Trim().Split(' ');
        JsonElement root = definition.RootElement, cpuid = root.GetProperty("cpuid");
        // HT shows the topology; 0xb, not named, is OSXSAVE.
        string[] expected = [.. ((string[])["80000001.0.edx", "80000001.0.ecx", "1.0.edx", "1.0.ecx"]).Select(word => cpuid.TryGetProperty(word, out JsonElement value) ? value.GetString()![2..] : "00000000")];
        Assert.Equal(expected, words[..4]);
        (int family, int number, int stepping) = (root.GetProperty("family").GetInt32(), root.GetProperty("model").GetInt32(), root.GetProperty("stepping").GetInt32());
        Assert.Equal($"{(number >> 4 << 16) | (family << 8) | ((number & 15) << 4) | stepping:x8}", words[4]);
    }

    [Fact]
    public async Task Every_model_is_usable_or_refused_by_the_names_of_what_is_missing()
    {
        foreach (string model in (string[])["EPYC-Turin", "SapphireRapids", "Opteron_G5", "athlon"]) await AssertRefused(model);
        (int status, _, string errors) = await Launcher.Run("run", "--engine", "software", "--cpu", "Haswel");
        Assert.Equal((1, "hutch: CPU model 'Haswel' is not known; 'Haswell' is like it, and 'hutch cpu list' shows all.\n"), (status, errors));
    }

    [Theory]
    [InlineData("EPYC-Rome-v4", "sockets=1,cores=3,threads=2", "0-5", "0-1", "0 1 2 3 4 5")]
    [InlineData("EPYC-Rome-v4", "sockets=2,cores=3,threads=1", "0-2", "0", "0 1 2 4 5 6")]
    [InlineData("Skylake-Client-v4", "sockets=1,cores=3,threads=2", "0-5", "0-1", "0 1 2 3 4 5")]
    [InlineData("Skylake-Client-v4", "sockets=2,cores=3,threads=1", "0-2", "0", "0 1 2 4 5 6")]
    public async Task Topology_and_caches_are_shared_as_asked(string model, string cpus, string package, string core, string apicIds)
    {
        string givable = Usable().Contains(model, StringComparer.Ordinal) ? model : await AssertRefused(model);
        await using Vm vm = await Vm.Boot("--engine", "software", "--cpu", givable, "--cpus", cpus);
        Assert.Equal("6", await vm.Shell("nproc"));
        const string Cpu = "/sys/devices/system/cpu/cpu0";
        Assert.Equal($"{package}\n{core}", await vm.Shell($"cat {Cpu}/topology/package_cpus_list {Cpu}/topology/thread_siblings_list"));
        Assert.Equal($"1 Data {core}\n1 Instruction {core}\n2 Unified {core}\n3 Unified {package}",
            await vm.Shell($"for c in {Cpu}/cache/index?; do echo $(cat $c/level $c/type $c/shared_cpu_list); done | sort"));
        Assert.Equal(apicIds, await vm.Shell("echo $(sed -n 's/^apicid.*: //p' /proc/cpuinfo)"));
        Assert.Equal(0, await vm.PowerOff());
    }

    // Returns what the refusal proposes: the model without what this host lacks.
    private static async Task<string> AssertRefused(string model)
    {
        (int status, string printed, string errors) = await Launcher.Run("run", "--engine", "software", "--cpu", model);
        Assert.Equal((1, ""), (status, printed));
        Match refusal = Regex.Match(errors, $"^hutch: CPU model '{model}' needs .+, which the software engine cannot give on this host: use --cpu ({model},-.+), or a model that 'hutch cpu list' shows as usable\\.\n$");
        Assert.True(refusal.Success, errors);
        return refusal.Groups[1].Value;
    }

    private static async Task<JsonDocument> Describe(string model)
    {
        (int status, string json, string errors) = await Launcher.Run("cpu", "describe", model, "--engine", "software", "--json");
        Assert.Equal((0, ""), (status, errors));
        return JsonDocument.Parse(json);
    }

    // Names and other names of the models that the software engine gives here.
    private static string[] Usable()
    {
        using JsonDocument list = JsonDocument.Parse(Launcher.Run("cpu", "list", "--json").GetAwaiter().GetResult().Output);
        List<string> usable = [];
        foreach (JsonElement model in list.RootElement.EnumerateArray())
        {
            if (!model.GetProperty("engines").GetProperty("software").GetProperty("usable").GetBoolean()) continue;
            usable.Add(model.GetProperty("name").GetString()!);
            if (!All) usable.AddRange(model.GetProperty("aliases").EnumerateArray().Select(alias => alias.GetString()!));
        }
        return [.. usable];
    }

    private static string Field(string info, string name) =>
        info.Split('\n').Select(line => line.Split(':', 2)).First(parts => parts[0].Trim() == name)[1].Trim();

    // Prints 80000001 EDX and ECX, 1 EDX and ECX, and 1 EAX as hexadecimal words on COM1, then leaves through the debug exit port with status 1.
    private static ReadOnlySpan<byte> PrintCpuid =>
    [
        0xb8, 1, 0, 0, 0, 0x0f, 0xa2, 0x50, 0x51, 0x52,             // mov eax, 1; cpuid; push eax; push ecx; push edx
        0xb8, 0, 0, 0, 0x80, 0x0f, 0xa2,                            // mov eax, 0x80000000; cpuid
        0x3d, 1, 0, 0, 0x80, 0xb9, 0, 0, 0, 0, 0xba, 0, 0, 0, 0,    // cmp eax, 0x80000001; mov ecx, 0; mov edx, 0
        0x72, 7, 0xb8, 1, 0, 0, 0x80, 0x0f, 0xa2,                   // jb +7; mov eax, 0x80000001; cpuid
        0x51, 0x52, 0xbe, 5, 0, 0, 0,                               // push ecx; push edx; mov esi, 5
        0x5b, 0xb9, 8, 0, 0, 0,                                     // word: pop ebx; mov ecx, 8
        0xc1, 0xc3, 4, 0x88, 0xd8, 0x24, 15,                        // digit: rol ebx, 4; mov al, bl; and al, 15
        0x3c, 10, 0x72, 2, 0x04, 39, 0x04, 48,                      // cmp al, 10; jb +2; add al, 39; add al, 48
        0x66, 0xba, 0xf8, 3, 0xee, 0xe2, 0xea,                      // mov dx, 0x3f8; out dx, al; loop digit
        0xb0, 32, 0xee, 0x4e, 0x75, 0xde,                           // mov al, 32; out dx, al; dec esi; jnz word
        0x66, 0xba, 0xf4, 0, 0x31, 0xc0, 0xef, 0xf4,                // mov dx, 0xf4; xor eax, eax; out dx, eax; hlt
    ];
}
