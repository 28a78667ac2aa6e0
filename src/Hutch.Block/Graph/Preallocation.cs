namespace Hutch.Block.Graph;

/// <summary>How much space a new or grown image takes at once.</summary>
public enum Preallocation
{
    /// <summary>None: space is taken as data is written.</summary>
    Off,

    /// <summary>The format's metadata for all clusters; the file is sparse.</summary>
    Metadata,

    /// <summary>Space is reserved (fallocate(2)) and not written.</summary>
    Falloc,

    /// <summary>All space is written with zeros.</summary>
    Full,
}
