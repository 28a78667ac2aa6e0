namespace Hutch.Block.Nbd;

/// <summary>What a server told about an export.</summary>
internal sealed record NbdExportInfo
{
    /// <summary>Length in bytes.</summary>
    internal long LengthBytes { get; init; }

    /// <summary>What it can.</summary>
    internal NbdExportFlags Flags { get; init; }

    /// <summary>Reads are answered in chunks.</summary>
    internal bool HasStructuredReplies { get; init; }

    /// <summary>Id of the context that block status is asked of; null where the server has none.</summary>
    internal uint? ContextId { get; init; }

    /// <summary>Offsets and lengths are multiples of this, a power of two.</summary>
    internal int MinimumBlockBytes { get; init; } = 1;

    /// <summary>Requests of multiples of this are quickest.</summary>
    internal int PreferredBlockBytes { get; init; } = 4096;

    /// <summary>The longest payload that the server takes.</summary>
    internal int MaximumBlockBytes { get; init; } = NbdProtocol.LargestPayload;

    /// <summary>Whether the export has a capability.</summary>
    internal bool Has(NbdExportFlags flag) => (Flags & flag) != 0;
}
