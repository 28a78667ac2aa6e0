using System.Collections.Generic;

namespace Hutch.Block.Formats;

/// <summary>The type of a creation option's value, with its name in help texts.</summary>
public enum CreateOptionType
{
    /// <summary>Any text: "str".</summary>
    Text,

    /// <summary>on or off: "bool (on/off)".</summary>
    Switch,

    /// <summary>A number: "num".</summary>
    Number,

    /// <summary>A size with suffix: "size".</summary>
    Size,
}

/// <summary>An option that a format has when an image is made or amended, as 'create -o help' lists it.</summary>
/// <param name="Name">Name, as on QEMU's command line.</param>
/// <param name="Type">Type of the value.</param>
/// <param name="Help">One line; null prints none.</param>
/// <param name="Default">The default as it is printed; null prints none.</param>
public sealed record CreateOption(string Name, CreateOptionType Type, string? Help, string? Default = null)
{
    /// <summary>The option can be changed on an existing image.</summary>
    public bool CanAmend { get; init; }
}

/// <summary>What a new image is to be.</summary>
public sealed record ImageCreateRequest
{
    /// <summary>Virtual length in bytes.</summary>
    public required long LengthBytes { get; init; }

    /// <summary>
    /// Options by name, checked against <see cref="ImageFormat.CreateOptions"/>, in their written form ("64k", "on"); without size. Backing name and format
    /// are options too (backing_file, backing_fmt), already checked by the caller.
    /// </summary>
    public required IReadOnlyDictionary<string, string> Options { get; init; }

    /// <summary>Secrets by id.</summary>
    public ISecrets? Secrets { get; init; }

    /// <summary>Opens the backing image where a format must know more of it than its name; null where that is not possible.</summary>
    public IImageReferences? References { get; init; }

    /// <summary>Makes the other files that the image consists of (data file, extents); null refuses them.</summary>
    public IImageFiles? Files { get; init; }
}

/// <summary>Makes files beside an image.</summary>
public interface IImageFiles
{
    /// <summary>Makes or empties a file of this length and opens it for writing. The caller owns the node.</summary>
    System.Threading.Tasks.ValueTask<Graph.BlockNode> CreateAsync(string path, long lengthBytes, Graph.Preallocation preallocation, System.Threading.CancellationToken cancellation);
}
