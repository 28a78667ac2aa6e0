using System;
using System.Collections.Generic;
using System.Globalization;
using Hutch.Block.Graph;
using Hutch.Block.Options;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>The options of a new image, checked against each other. Messages are QEMU's.</summary>
internal sealed record Qcow2CreateOptions
{
    private const int DefaultClusterBytes = 65536, MinExtendedClusterBytes = Qcow2Limits.SubclustersPerCluster * Qcow2Limits.MinSubclusterBytes;

    /// <summary>All options, in the order in which 'create' prints them.</summary>
    internal static IReadOnlyList<CreateOption> All { get; } =
    [
        new("encryption", CreateOptionType.Switch, "Encrypt the image with format 'aes'. (Deprecated in favor of encrypt.format=aes)"),
        new("encrypt.format", CreateOptionType.Text, "Encrypt the image, format choices: 'aes', 'luks'"),
        new("encrypt.key-secret", CreateOptionType.Text, "ID of secret providing qcow AES key or LUKS passphrase"),
        new("encrypt.cipher-alg", CreateOptionType.Text, "Name of encryption cipher algorithm"),
        new("encrypt.cipher-mode", CreateOptionType.Text, "Name of encryption cipher mode"),
        new("encrypt.ivgen-alg", CreateOptionType.Text, "Name of IV generator algorithm"),
        new("encrypt.ivgen-hash-alg", CreateOptionType.Text, "Name of IV generator hash algorithm"),
        new("encrypt.hash-alg", CreateOptionType.Text, "Name of encryption hash algorithm"),
        new("encrypt.iter-time", CreateOptionType.Number, "Time to spend in PBKDF in milliseconds") { CanAmend = true },
        new("cluster_size", CreateOptionType.Size, "qcow2 cluster size", "65536"),
        new("extended_l2", CreateOptionType.Switch, "Extended L2 tables", "off"),
        new("preallocation", CreateOptionType.Text, "Preallocation mode (allowed values: off, metadata, falloc, full)"),
        new("compression_type", CreateOptionType.Text, "Compression method used for image cluster compression", "zlib"),
        new("size", CreateOptionType.Size, "Virtual disk size") { CanAmend = true },
        new("compat", CreateOptionType.Text, "Compatibility level (v2 [0.10] or v3 [1.1])") { CanAmend = true },
        new("backing_file", CreateOptionType.Text, "File name of a base image") { CanAmend = true },
        new("backing_fmt", CreateOptionType.Text, "Image format of the base image") { CanAmend = true },
        new("data_file", CreateOptionType.Text, "File name of an external data file") { CanAmend = true },
        new("data_file_raw", CreateOptionType.Switch, "The external data file must stay valid as a raw image") { CanAmend = true },
        new("lazy_refcounts", CreateOptionType.Switch, "Postpone refcount updates", "off") { CanAmend = true },
        new("refcount_bits", CreateOptionType.Number, "Width of a reference count entry in bits", "16") { CanAmend = true },
    ];

    /// <summary>2 or 3.</summary>
    internal int Version { get; private init; } = 3;

    /// <summary>Cluster size as a power of two.</summary>
    internal int ClusterBits { get; private init; } = 16;

    /// <summary>Width of refcounts as a power of two.</summary>
    internal int RefcountOrder { get; private init; } = 4;

    /// <summary>Refcount updates may be postponed.</summary>
    internal bool LazyRefcounts { get; private init; }

    /// <summary>Clusters have subclusters.</summary>
    internal bool ExtendedL2 { get; private init; }

    /// <summary>Compression of compressed clusters.</summary>
    internal Qcow2Compression Compression { get; private init; }

    /// <summary>Space taken at once.</summary>
    internal Preallocation Preallocation { get; private init; }

    /// <summary>Backing image and its format.</summary>
    internal string? BackingName { get; private init; }

    /// <inheritdoc cref="BackingName"/>
    internal string? BackingFormat { get; private init; }

    /// <summary>The external data file; null for none.</summary>
    internal string? DataFileName { get; private init; }

    /// <summary>It stays a valid raw image.</summary>
    internal bool DataFileRaw { get; private init; }

    /// <summary>Encryption of the data.</summary>
    internal Qcow2Encryption Encryption { get; private init; }

    /// <summary>Reads and checks options. Throws <see cref="ImageException"/>.</summary>
    internal static Qcow2CreateOptions Parse(IReadOnlyDictionary<string, string> given)
    {
        long cluster = Size(given, "cluster_size", DefaultClusterBytes), refcountBits = Number(given, "refcount_bits", 16);
        Qcow2CreateOptions options = new()
        {
            Version = given.GetValueOrDefault("compat", "v3") switch
            {
                "0.10" or "v2" => 2,
                "1.1" or "v3" => 3,
                string other => throw NotAccepted("version", other),
            },
            Preallocation = given.GetValueOrDefault("preallocation", "off") switch
            {
                "off" => Preallocation.Off,
                "metadata" => Preallocation.Metadata,
                "falloc" => Preallocation.Falloc,
                "full" => Preallocation.Full,
                string other => throw NotAccepted("preallocation", other),
            },
            Compression = given.GetValueOrDefault("compression_type", "zlib") switch
            {
                "zlib" => Qcow2Compression.Zlib,
                "zstd" => Qcow2Compression.Zstd,
                string other => throw NotAccepted("compression-type", other),
            },
            ClusterBits = long.IsPow2(cluster) ? (int)long.Log2(cluster) : 0,
            RefcountOrder = refcountBits is > 0 and <= 64 && long.IsPow2(refcountBits) ? (int)long.Log2(refcountBits) : -1,
            LazyRefcounts = Switch(given, "lazy_refcounts"),
            ExtendedL2 = Switch(given, "extended_l2"),
            BackingName = given.GetValueOrDefault("backing_file"),
            BackingFormat = given.GetValueOrDefault("backing_fmt"),
            DataFileName = given.GetValueOrDefault("data_file"),
            DataFileRaw = Switch(given, "data_file_raw"),
            Encryption = EncryptionOf(given),
        };
        options.Check();
        return options;
    }

    private void Check()
    {
        if (ClusterBits is < Qcow2Limits.MinClusterBits or > Qcow2Limits.MaxClusterBits) throw new ImageException("Cluster size must be a power of two between 512 and 2048k");
        if (ExtendedL2)
        {
            if (1 << ClusterBits < MinExtendedClusterBytes)
                throw new ImageException(string.Create(CultureInfo.InvariantCulture, $"Extended L2 entries are only supported with cluster sizes of at least {MinExtendedClusterBytes} bytes"));
            if (Version < 3) throw new ImageException("Extended L2 entries are only supported with compatibility level 1.1 and above (use version=v3 or greater)");
        }
        if (Preallocation != Preallocation.Off && BackingName is not null && !ExtendedL2)
            throw new ImageException("Backing file and preallocation can only be used at the same time if extended_l2 is on");
        if (BackingFormat is not null && BackingName is null) throw new ImageException("Backing format cannot be used without backing file");
        if (LazyRefcounts && Version < 3) throw new ImageException("Lazy refcounts only supported with compatibility level 1.1 and above (use version=v3 or greater)");
        if (RefcountOrder < 0) throw new ImageException("Refcount width must be a power of two and may not exceed 64 bits");
        if (RefcountOrder != 4 && Version < 3)
            throw new ImageException("Different refcount widths than 16 bits require compatibility level 1.1 or above (use version=v3 or greater)");
        if (DataFileRaw && DataFileName is null) throw new ImageException("data-file-raw requires data-file");
        if (DataFileRaw && BackingName is not null) throw new ImageException("Backing file and data-file-raw cannot be used at the same time");
        if (DataFileName is not null && Version < 3) throw new ImageException("External data files are only supported with compatibility level 1.1 and above (use version=v3 or greater)");
        if (Compression != Qcow2Compression.Zlib && Version < 3)
            throw new ImageException("Non-zlib compression type is only supported with compatibility level 1.1 and above (use version=v3 or greater)");
    }

    private static Qcow2Encryption EncryptionOf(IReadOnlyDictionary<string, string> given)
    {
        string? format = given.GetValueOrDefault("encrypt.format");
        if (Switch(given, "encryption"))
        {
            if (format is not null) throw new ImageException("Options encryption and encrypt.format are mutually exclusive");
            format = "aes";
        }
        if (format is null)
        {
            foreach (string name in given.Keys)
                if (name.StartsWith("encrypt.", StringComparison.Ordinal)) throw new ImageException("Parameter 'encrypt.format' is missing");
            return Qcow2Encryption.None;
        }
        return format switch
        {
            "aes" => Qcow2Encryption.Aes,
            "luks" => Qcow2Encryption.Luks,
            _ => throw NotAccepted("format", format),
        };
    }

    private static bool Switch(IReadOnlyDictionary<string, string> given, string name) => given.GetValueOrDefault(name, "off") switch
    {
        "on" => true,
        "off" => false,
        _ => throw new ImageException($"Parameter '{name}' expects 'on' or 'off'"),
    };

    private static long Number(IReadOnlyDictionary<string, string> given, string name, long byDefault)
    {
        if (!given.TryGetValue(name, out string? text)) return byDefault;
        return (long)Math.Min(long.MaxValue, Options.OptionText.ReadNumber(name, text));
    }

    private static long Size(IReadOnlyDictionary<string, string> given, string name, long byDefault)
    {
        if (!given.TryGetValue(name, out string? text)) return byDefault;
        if (SizeText.Parse(text, out ulong bytes) == SizeError.None && bytes <= long.MaxValue) return (long)bytes;
        throw new ImageException($"Parameter '{name}' expects a non-negative number below 2^64",
            "Optional suffix k, M, G, T, P or E means kilo-, mega-, giga-, tera-, peta-\nand exabytes, respectively.");
    }

    private static ImageException NotAccepted(string parameter, string value) => new($"Parameter '{parameter}' does not accept value '{value}'");
}
