using System.Collections.Immutable;

namespace Hutch.Model.Domains;

/// <summary>Where an image is: <c>source</c> with the disk's <c>type</c>.</summary>
public sealed record DiskSource
{
    /// <summary><c>file</c>, <c>block</c>, <c>dir</c>, <c>volume</c>, <c>network</c>, <c>nvme</c>, <c>vhostuser</c>.</summary>
    public string Type { get; init; } = "file";

    /// <summary>Path of a <c>file</c>, <c>block</c> (device) or <c>dir</c>; null: the drive is empty.</summary>
    public string? Path { get; init; }

    /// <summary>Pool of a <c>volume</c>.</summary>
    public string? Pool { get; init; }

    /// <summary>Name of a <c>volume</c>.</summary>
    public string? Volume { get; init; }

    /// <summary>How an iSCSI volume is reached: <c>host</c> or <c>direct</c>.</summary>
    public string? Mode { get; init; }

    /// <summary>What follows where the file is missing: <c>mandatory</c>, <c>requisite</c>, <c>optional</c>.</summary>
    public string? StartupPolicy { get; init; }

    /// <summary>Its number while the domain runs.</summary>
    public uint? Index { get; init; }

    /// <summary>The whole <c>source</c> of <c>network</c>, <c>nvme</c> and <c>vhostuser</c> as XML text.</summary>
    public string? Xml { get; init; }

    /// <summary>Elements that are not modelled.</summary>
    public ImmutableArray<string> Kept { get; init; } = [];
}

/// <summary>What an image is based on: <c>backingStore</c>.</summary>
public sealed record DiskBacking
{
    /// <summary>Its format; null with <see cref="Source"/>: nothing is below.</summary>
    public string? Format { get; init; }

    /// <summary>Its place; null: the chain ends here.</summary>
    public DiskSource? Source { get; init; }

    /// <summary>What that one is based on.</summary>
    public DiskBacking? Below { get; init; }
}

/// <summary>Limits of a disk: <c>iotune</c>.</summary>
public sealed record DiskThrottle
{
    /// <summary>Limits in bytes or requests per second by libvirt's names: <c>total_bytes_sec</c>, <c>read_iops_sec_max</c>, <c>size_iops_sec</c>, ...</summary>
    public ImmutableArray<DiskLimit> Limits { get; init; } = [];

    /// <summary>Disks of the same group share the limits.</summary>
    public string? Group { get; init; }

    /// <summary>The limit of a name; 0: none.</summary>
    public ulong this[string name]
    {
        get
        {
            foreach (DiskLimit limit in Limits)
                if (limit.Name == name) return limit.Value;
            return 0;
        }
    }
}

/// <summary>A limit.</summary>
/// <param name="Name">Which.</param>
/// <param name="Value">Per second, or seconds.</param>
public sealed record DiskLimit(string Name, ulong Value);

/// <summary>Sizes of blocks: <c>blockio</c>. Null: not said.</summary>
/// <param name="LogicalBytes">What can be addressed.</param>
/// <param name="PhysicalBytes">What is written at once.</param>
public sealed record DiskBlockSizes(uint? LogicalBytes, uint? PhysicalBytes);
