using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using Hutch.Devices.Acpi;
using Hutch.Model.Machine;
using Xunit;

namespace Hutch.Tests.Devices.Acpi;

/// <summary>The reference disassembler reads our tables. Skipped where acpica-tools is not installed.</summary>
public sealed class DisassemblyTests
{
    private static readonly AcpiOptions Options = new()
    {
        Cpus = new CpuTopology(1, 2, 1),
        SerialPorts = [1, 3],
        PciWindow64Start = 0x80_0000_0000,
        PciWindow64LengthBytes = 0x40_0000_0000,
        MemoryBytes = 512 << 20,
        PluggableBytes = 1UL << 30,
        NumaNodes = [new NumaNode("0", 256 << 20), new NumaNode("1", 256 << 20)],
        NumaDistances = [new NumaDistance(0, 1, 30)],
        NumaAccesses = [new NumaAccess(0, 1, 120, 20_000)],
        HasGenerationId = true,
        HasHpet = true,
        HasVmClock = true,
        HasTpm = true,
    };

    [IaslFact]
    public void Dsdt_disassembles_to_what_was_meant()
    {
        string text = Disassemble("DSDT");

        Assert.Contains("Name (_HID, \"ACPI0007\"", text, StringComparison.Ordinal);
        Assert.Contains("EisaId (\"PNP0A08\")", text, StringComparison.Ordinal);
        Assert.Contains("Method (_OSC, 4, NotSerialized)", text, StringComparison.Ordinal);
        Assert.Contains("ToUUID (\"33db4d5b-1ff7-401c-9657-7441c03dd766\")", text, StringComparison.Ordinal);
        Assert.Contains("Device (COM1)", text, StringComparison.Ordinal);
        Assert.DoesNotContain("Device (COM2)", text, StringComparison.Ordinal);
        Assert.Contains("Device (C001)", text, StringComparison.Ordinal);
        Assert.Contains("If ((CPP0 & 0x02))", text, StringComparison.Ordinal);
        Assert.Contains("CPEJ = One", text, StringComparison.Ordinal);
        Assert.Contains("CPSS (One, Arg0, Arg1)", text, StringComparison.Ordinal);
        Assert.Contains("Notify (\\_SB.C001, 0x03)", text, StringComparison.Ordinal);
        Assert.Contains("Name (ADDR, Package (0x02)", text, StringComparison.Ordinal);
        Assert.Contains("Notify (\\_SB.VGEN, 0x80)", text, StringComparison.Ordinal);
        Assert.Contains("Name (_HID, \"AMZNC10C\")", text, StringComparison.Ordinal);
        Assert.Contains("0xFF001000,         // Address Base", text, StringComparison.Ordinal);
        Assert.Contains("Name (_HID, \"MSFT0101\"", text, StringComparison.Ordinal);
        Assert.Contains("0xFED40000,         // Address Base", text, StringComparison.Ordinal);
        Assert.Contains("EisaId (\"PNP0103\")", text, StringComparison.Ordinal);
        Assert.Contains("Name (_PXM, Zero)", text, StringComparison.Ordinal);
        Assert.Contains("Name (_PXM, One)", text, StringComparison.Ordinal);
        Assert.Contains("Name (_PRT, Package (0x80)", text, StringComparison.Ordinal);
        Assert.Contains("0x000000BFFFFFFFFF, // Range Maximum", text, StringComparison.Ordinal);
        Assert.Contains("Name (\\_S5, Package (0x04)", text, StringComparison.Ordinal);
    }

    [IaslFact]
    public void Disassembled_dsdt_compiles_again_without_an_error()
    {
        using TemporaryFolder folder = new();
        _ = Disassemble("DSDT", folder);
        string output = Run("-we", "dsdt.dsl", folder.Path);

        Assert.Contains("0 Errors", output, StringComparison.Ordinal);
    }

    [IaslFact]
    public void The_dsdt_of_a_pc_disassembles_to_what_was_meant()
    {
        string text = Disassemble("DSDT", options: Options with { Machine = MachineKind.Pc, EcamStart = 0, PciWindowStart = 1UL << 31 });

        Assert.DoesNotContain("PNP0A08", text, StringComparison.Ordinal);
        Assert.Contains("0x80000000,         // Range Minimum", text, StringComparison.Ordinal);
        Assert.Contains("Device (S02)", text, StringComparison.Ordinal);
        Assert.DoesNotContain("Device (S01)", text, StringComparison.Ordinal);
    }

    [IaslFact]
    public void Fixed_tables_disassemble_without_a_warning()
    {
        foreach (string signature in new[] { "FACP", "APIC", "MCFG", "SRAT", "SLIT", "HPET", "TPM2", "HMAT" })
        {
            string text = Disassemble(signature);
            Assert.DoesNotContain("Invalid", text, StringComparison.OrdinalIgnoreCase);
            Assert.DoesNotContain("Unknown", text, StringComparison.OrdinalIgnoreCase);
            Assert.DoesNotContain("incorrect", text, StringComparison.OrdinalIgnoreCase);
        }
    }

    private static string Disassemble(string signature, AcpiOptions? options = null)
    {
        using TemporaryFolder folder = new();
        return Disassemble(signature, folder, options);
    }

    private static string Disassemble(string signature, TemporaryFolder folder, AcpiOptions? options = null)
    {
        byte[] table = AcpiTablesTests.Tables(AcpiTables.Build(options ?? Options))[signature];
        string name = signature.ToLowerInvariant();
        File.WriteAllBytes(Path.Combine(folder.Path, name + ".aml"), table);
        string output = Run("-d", name + ".aml", folder.Path);
        string listing = Path.Combine(folder.Path, name + ".dsl");
        Assert.True(File.Exists(listing), output);
        Assert.DoesNotContain("Error", output, StringComparison.Ordinal);
        return File.ReadAllText(listing);
    }

    private static string Run(string option, string file, string folder)
    {
        using Process process = Process.Start(new ProcessStartInfo(IaslFactAttribute.Iasl!, [option, file])
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        string errors = process.StandardError.ReadToEnd();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return output + errors;
    }

    private sealed class TemporaryFolder : IDisposable
    {
        public string Path { get; } = Directory.CreateTempSubdirectory("hutch-acpi-").FullName;

        public void Dispose() => Directory.Delete(Path, recursive: true);
    }
}

/// <summary>A fact that needs iasl and says so where it is missing.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class IaslFactAttribute : FactAttribute
{
    public IaslFactAttribute()
    {
        if (Iasl is null) Skip = "iasl is not installed; install acpica-tools to run this test.";
    }

    internal static string? Iasl { get; } = Find();

    private static string? Find()
    {
        IEnumerable<string> folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':');
        foreach (string folder in folders)
        {
            string path = System.IO.Path.Combine(folder, "iasl");
            if (File.Exists(path)) return path;
        }
        return null;
    }
}
