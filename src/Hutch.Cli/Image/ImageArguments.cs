using System;
using System.Collections.Generic;
using Hutch.Block;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Block.Jobs;
using Hutch.Block.Options;

namespace Hutch.Cli.Image;

/// <summary>Options that many commands have, and the opening of images with them.</summary>
internal sealed class ImageArguments(Tool tool)
{
    /// <summary>The secrets given.</summary>
    internal Secrets Secrets { get; } = new();

    /// <summary>File names are lists of options (--image-opts).</summary>
    internal bool ImageOptions { get; set; }

    /// <summary>The image may be in use (-U).</summary>
    internal bool ForceShare { get; set; }

    /// <summary>Nothing is said but errors (-q).</summary>
    internal bool IsQuiet { get; set; }

    /// <summary>The format (-f).</summary>
    internal string? Format { get; set; }

    /// <summary>Nothing that an image names is opened (--untrusted).</summary>
    internal bool IsUntrusted { get; set; }

    /// <summary>Reads an option that means the same everywhere; false for another.</summary>
    internal bool Take(string option, string value)
    {
        switch (option)
        {
            case "object":
                Secrets.Add(value);
                return true;
            case "image-opts":
                ImageOptions = true;
                return true;
            case "untrusted":
                IsUntrusted = true;
                return true;
            case "U":
                ForceShare = true;
                return true;
            case "q":
                IsQuiet = true;
                return true;
            case "f":
                Format = value;
                return true;
            default: return false;
        }
    }

    /// <summary>A request for an image by the options so far. Throws <see cref="UsageException"/>.</summary>
    internal BlockOpenRequest Request(string name, bool readOnly, string? format, bool isOptions)
    {
        if (isOptions && format is not null) throw new UsageException("--image-opts and --format are mutually exclusive");
        return new BlockOpenRequest
        {
            Filename = isOptions ? "" : name,
            Options = isOptions ? DictionaryOf(name) : System.Collections.Immutable.ImmutableDictionary<string, string>.Empty,
            Format = format,
            ReadOnly = readOnly,
            ForceShare = ForceShare,
            Secrets = Secrets,
            FindTlsFolder = Secrets.FindTlsFolder,
            References = IsUntrusted ? ReferencePolicy.Refuse : ReferencePolicy.Follow,
            Warn = text => tool.Say(text + "\n"),
        };
    }

    /// <summary>As above, with the common format.</summary>
    internal BlockOpenRequest Request(string name, bool readOnly) => Request(name, readOnly, Format, ImageOptions);

    /// <summary>Opens an image; null, with an error said, where it cannot be.</summary>
    internal ImageNode? Open(string name, BlockOpenRequest request)
    {
        try
        {
            return Blocking.Wait(BlockGraph.OpenAsync(request, default));
        }
        catch (ImageException e)
        {
            tool.Error(e, $"Could not open '{name}': ");
        }
        catch (Exception e) when (e is BlockIoException or DiskOpenException)
        {
            tool.Error($"Could not open '{name}': {e.Message}");
        }
        return null;
    }

    /// <summary>As above, with the common format.</summary>
    internal ImageNode? Open(string name, bool readOnly) => Open(name, Request(name, readOnly));

    /// <summary>Reads a cache mode. Throws <see cref="UsageException"/>.</summary>
    internal static CacheMode CacheOf(string name, string what = "cache") => name switch
    {
        "none" or "off" => CacheMode.None,
        "writeback" => CacheMode.Writeback,
        "writethrough" => CacheMode.Writethrough,
        "directsync" => CacheMode.DirectSync,
        "unsafe" => CacheMode.Unsafe,
        _ => throw new UsageException($"Invalid {what} option: {name}"),
    };

    /// <summary>Reads a size from the command line. Throws <see cref="UsageException"/>.</summary>
    internal long Size(string what, string text, long least = 0, long most = long.MaxValue)
    {
        SizeError error = SizeText.Parse(text, out ulong bytes);
        if (error == SizeError.Invalid)
        {
            throw new UsageException($"Invalid {what} specified. You may use k, M, G, T, P or E suffixes for\n"
                + $"{tool.Name}: kilobytes, megabytes, gigabytes, terabytes, petabytes and exabytes.");
        }
        if (error == SizeError.TooLarge || bytes > (ulong)most || (long)bytes < least)
            throw new UsageException($"Invalid {what} specified. Must be between {least} and {most}.");
        return (long)bytes;
    }

    /// <summary>Human or JSON. Throws <see cref="UsageException"/>.</summary>
    internal static bool IsJson(string output) => output switch
    {
        "json" => true,
        "human" => false,
        _ => throw new UsageException("--output must be used with human or json as argument."),
    };

    /// <summary>Joins lists of options. Throws <see cref="UsageException"/>.</summary>
    internal static string Join(string? before, string list)
    {
        if (!OptionList.IsJoinable(list)) throw new UsageException($"Invalid option list: {list}");
        return before is null ? list : $"{before},{list}";
    }

    private static Dictionary<string, string> DictionaryOf(string list)
    {
        Dictionary<string, string> options = new(StringComparer.Ordinal);
        foreach ((string key, string value) in OptionList.Parse(list, "file.filename")) options[key] = value;
        return options;
    }
}
