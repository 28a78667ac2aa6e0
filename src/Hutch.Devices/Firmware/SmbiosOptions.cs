using System;
using System.Collections.Immutable;
using Hutch.Core.Memory;
using Hutch.Model.Machine;

namespace Hutch.Devices.Firmware;

/// <summary>What SMBIOS tells of this machine.</summary>
public sealed record SmbiosOptions
{
    /// <summary>Packages; each is one processor structure.</summary>
    public required int Sockets { get; init; }

    /// <summary>Cores in a package.</summary>
    public required int CoresPerSocket { get; init; }

    /// <summary>Threads in a core.</summary>
    public required int ThreadsPerCore { get; init; }

    /// <summary>RAM from address 0 on, in bytes.</summary>
    public required ulong LowMemoryBytes { get; init; }

    /// <summary>RAM from 4 GiB on, in bytes.</summary>
    public ulong HighMemoryBytes { get; init; }

    /// <summary>Universal id of the machine; empty: not told.</summary>
    public Guid Uuid { get; init; }

    /// <summary>Version of the product, as text.</summary>
    public string Version { get; init; } = "1.0";

    /// <summary>Texts for software in the guest (SMBIOS 3.6 §7.12), at most 255 of ASCII.</summary>
    public ImmutableArray<string> OemStrings { get; init; } = [];

    /// <summary>What SMBIOS tells of the machine that <paramref name="definition"/> describes.</summary>
    public static SmbiosOptions Describe(MachineDefinition definition)
    {
        ArgumentNullException.ThrowIfNull(definition);
        ulong low = Math.Min(definition.MemoryBytes, GuestMemory.LowMemoryLimit);
        return new SmbiosOptions
        {
            Sockets = definition.Cpus.Sockets,
            CoresPerSocket = definition.Cpus.Cores * definition.Cpus.Dies,
            ThreadsPerCore = definition.Cpus.Threads,
            LowMemoryBytes = low,
            HighMemoryBytes = definition.MemoryBytes - low,
            OemStrings = definition.OemStrings,
        };
    }
}
