using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using Hutch.Block.Formats;
using Hutch.Model.Machine;

namespace Hutch.Cli.Options;

/// <summary>The value of <c>--disk</c>: a path, then options. A comma in the path is written twice.</summary>
internal static class DiskOption
{
    /// <summary>What the option looks like, for help and messages.</summary>
    internal const string Form = "PATH[,bus=virtio|sata|ide|scsi][,bootindex=N][,format=F][,readonly][,cache=none|writeback|writethrough|directsync|unsafe][,aio=auto|threads|io_uring][,discard=on|off]"
        + "[,detect-zeroes=on|off|unmap][,snapshot=on|off][,backing=on|off][,serial=S][,queues=N][,werror=enospc|report|stop|ignore][,rerror=report|stop|ignore][,bps=N][,iops=N]";

    private static readonly (string Text, DiskCache Value)[] Caches =
    [
        ("none", DiskCache.None), ("writeback", DiskCache.Writeback), ("writethrough", DiskCache.Writethrough), ("directsync", DiskCache.DirectSync), ("unsafe", DiskCache.Unsafe),
    ];

    private static readonly (string Text, DiskAio Value)[] Aios = [("auto", DiskAio.Auto), ("threads", DiskAio.Threads), ("io_uring", DiskAio.IoUring)];

    private static readonly (string Text, DetectZeroes Value)[] Detections = [("on", DetectZeroes.On), ("off", DetectZeroes.Off), ("unmap", DetectZeroes.Unmap)];

    private static readonly (string Text, StorageErrorPolicy Value)[] WritePolicies =
    [
        ("enospc", StorageErrorPolicy.Enospc), ("report", StorageErrorPolicy.Report), ("stop", StorageErrorPolicy.Stop), ("ignore", StorageErrorPolicy.Ignore),
    ];

    private static readonly (string Text, DiskBus Value)[] Buses = [("virtio", DiskBus.Virtio), ("sata", DiskBus.Sata), ("ide", DiskBus.Ide), ("scsi", DiskBus.Scsi)];

    private static readonly string[] VirtioOnly = ["queues", "bps", "iops", "werror", "rerror"];

    private static string NameOf(DiskBus bus) => Array.Find(Buses, each => each.Value == bus).Text;

    // A SCSI disk has the last two.
    private static ReadOnlySpan<string> Missing(DiskBus bus) => bus switch
    {
        DiskBus.Virtio => [],
        DiskBus.Scsi => VirtioOnly.AsSpan(0, 3),
        _ => VirtioOnly,
    };

    private static readonly (string Text, bool Value)[] Switch = [("on", true), ("off", false)];

    /// <summary>Reads the option and sees that the file is there. Throws <see cref="UserException"/>.</summary>
    /// <param name="value">The option's text.</param>
    /// <param name="id">The device's name.</param>
    /// <param name="queues">How many queues the disk has when the option does not say.</param>
    /// <param name="bus">What it is connected to; a disk of a controller has none of the options of a virtio disk.</param>
    internal static VirtioBlockConfig Parse(string value, string id, int queues, out DiskBus bus)
    {
        bus = DiskBus.Virtio;
        List<string> parts = OptionText.Split(value);
        VirtioBlockConfig device = new(id, new DiskConfig(CheckedImage(parts[0])), queues);
        HashSet<string> seen = [];
        for (int i = 1; i < parts.Count; i++)
        {
            (string key, string? text) = OptionText.KeyValue(parts[i]);
            if (!seen.Add(key)) throw OptionText.Bad("--disk", value, $"'{key}' is there twice.");
            if (key == "bus") bus = Choice(value, key, text, Buses);
            else device = key is "queues" or "serial" or "werror" or "rerror" or "bootindex" ? ReadDevice(device, value, key, text) : device with { Disk = ReadImage(device.Disk, value, key, text) };
        }
        DiskConfig disk = device.Disk;
        foreach (string key in Missing(bus))
            if (seen.Contains(key)) throw OptionText.Bad("--disk", value, $"a disk with bus={NameOf(bus)} has no '{key}'; leave it out, or make the disk bus=virtio.");
        if (disk.DetectZeroes == DetectZeroes.Unmap && !disk.Discard)
            throw OptionText.Bad("--disk", value, "detect-zeroes=unmap gives space back, which discard=off forbids; leave one of them out.");
        if (disk.Temporary && disk.ReadOnly) throw OptionText.Bad("--disk", value, "snapshot=on forgets what the guest writes, and readonly lets it write nothing; leave one of them out.");
        return device;
    }

    /// <summary>Returns the absolute path of a file that exists and is no directory. Throws <see cref="UserException"/>.</summary>
    /// <param name="option">The option that named it, for the message.</param>
    /// <param name="path">The path as the user wrote it.</param>
    internal static string CheckedPath(string option, string path)
    {
        if (path.Length == 0) throw OptionText.Bad(option, path, "the path is missing.");
        if (Directory.Exists(path)) throw new UserException($"{option} '{path}': this is a directory; name a file.", ExitStatus.BadConfiguration);
        if (!File.Exists(path)) throw new UserException($"{option} '{path}': there is no such file.", ExitStatus.BadConfiguration);
        return Path.GetFullPath(path);
    }

    /// <summary>Whether a name is no path but nbd://, json: and the like, which is looked at by the machine alone.</summary>
    internal static bool IsNoPath(string name) => name.Contains("://", StringComparison.Ordinal) || name.StartsWith("json:", StringComparison.Ordinal);

    private static string CheckedImage(string name) => IsNoPath(name) ? name : CheckedPath("--disk", name);

    private static DiskConfig ReadImage(DiskConfig disk, string value, string key, string? text) => key switch
    {
        "format" => disk with { Format = Format(value, text) },
        "readonly" => disk with { ReadOnly = text is null || Choice(value, key, text, Switch) },
        "cache" => disk with { Cache = Choice(value, key, text, Caches) },
        "aio" => disk with { Aio = Choice(value, key, text, Aios) },
        "discard" => disk with { Discard = Choice(value, key, text, Switch) },
        "detect-zeroes" => disk with { DetectZeroes = Choice(value, key, text, Detections) },
        "snapshot" => disk with { Temporary = Choice(value, key, text, Switch) },
        "backing" => disk with { NoBacking = !Choice(value, key, text, Switch) },
        "bps" => disk with { BytesPerSecond = Rate(value, key, text) },
        "iops" => disk with { OperationsPerSecond = Rate(value, key, text) },
        _ => throw OptionText.Bad("--disk", value, $"'{key}' is not known; write {Form}."),
    };

    private static VirtioBlockConfig ReadDevice(VirtioBlockConfig device, string value, string key, string? text) => key switch
    {
        "queues" => device with
        {
            Queues = OptionText.TryNumber(text, VirtioBlockConfig.MostQueues, out uint number) && number != 0
                ? (int)number : throw OptionText.Bad("--disk", value, $"queues is a number from 1 to {VirtioBlockConfig.MostQueues}."),
        },
        "bootindex" => device with { BootIndex = OptionText.TryNumber(text, 9999, out uint index) ? (int)index : throw OptionText.Bad("--disk", value, "bootindex is a number from 0 to 9999.") },
        "serial" => device with { Serial = Serial(value, text) },
        "werror" => device with { OnWriteError = Choice(value, key, text, WritePolicies) },
        // A read finds no disk full.
        _ => device with { OnReadError = Choice(value, key, text, WritePolicies.AsSpan(1)) },
    };

    private static string Format(string value, string? text)
    {
        if (text is not null && ImageFormats.Find(text) is not null) return text;
        string known = string.Join(", ", ImageFormats.All.Select(static format => format.Name));
        throw OptionText.Bad("--disk", value, $"the image format '{text}' is not known; there are {known}.");
    }

    private static string Serial(string value, string? text)
    {
        if (text is { Length: > 0 and <= VirtioBlockConfig.LongestSerial } && text.All(static letter => letter is > ' ' and <= '~')) return text;
        throw OptionText.Bad("--disk", value, $"a serial number has 1 to {VirtioBlockConfig.LongestSerial} characters of ASCII.");
    }

    private static long Rate(string value, string key, string? text) =>
        DiskSize.TryParse(text, out long rate) ? rate : throw OptionText.Bad("--disk", value, $"{key} is a number for a second, with K, M or G, or 0 for no limit.");

    private static T Choice<T>(string value, string key, string? text, ReadOnlySpan<(string Text, T Value)> choices)
    {
        string known = "";
        foreach ((string name, T choice) in choices)
        {
            if (name == text) return choice;
            known += known.Length == 0 ? name : $", {name}";
        }
        throw OptionText.Bad("--disk", value, $"{key} is one of {known}.");
    }
}
