namespace Hutch.Model.Machine;

/// <summary>A disk image and how it is opened.</summary>
/// <param name="Path">Host path.</param>
/// <param name="Format">Image format; null: the one that the image looks like.</param>
/// <param name="ReadOnly">Opened and shown to the guest read-only.</param>
public sealed record DiskConfig(string Path, string? Format = null, bool ReadOnly = false)
{
    /// <summary>Page cache and durability.</summary>
    public DiskCache Cache { get; init; }

    /// <summary>How requests are given to the host's kernel.</summary>
    public DiskAio Aio { get; init; }

    /// <summary>What the guest discards is given back to the host; otherwise the guest is not offered to discard.</summary>
    public bool Discard { get; init; } = true;

    /// <summary>Whether data that the guest writes is looked at for zeros.</summary>
    public DetectZeroes DetectZeroes { get; init; }

    /// <summary>What the guest writes goes into an overlay without a name, which ends with the machine.</summary>
    public bool Temporary { get; init; }

    /// <summary>An image with a backing image is refused.</summary>
    public bool NoBacking { get; init; }

    /// <summary>The most bytes a second, read and written together; 0: no limit.</summary>
    public long BytesPerSecond { get; init; }

    /// <summary>The most reads and writes a second, together; 0: no limit.</summary>
    public long OperationsPerSecond { get; init; }
}

/// <summary>How writes reach storage, and whether the host's page cache is used.</summary>
public enum DiskCache
{
    /// <summary>Page cache; what the guest flushed is durable.</summary>
    Writeback,

    /// <summary>No page cache; what the guest flushed is durable.</summary>
    None,

    /// <summary>Page cache; every write is durable.</summary>
    Writethrough,

    /// <summary>No page cache; every write is durable.</summary>
    DirectSync,

    /// <summary>Page cache; the guest's flushes do nothing, so that a crash of the host loses the disk.</summary>
    Unsafe,
}

/// <summary>How requests are given to the host's kernel.</summary>
public enum DiskAio
{
    /// <summary>io_uring where the host has it, else threads.</summary>
    Auto,

    /// <summary>A pool of threads.</summary>
    Threads,

    /// <summary>io_uring, or an error.</summary>
    IoUring,
}

/// <summary>What becomes of zeros that a guest writes as data.</summary>
public enum DetectZeroes
{
    /// <summary>They are data.</summary>
    Off,

    /// <summary>They are written as zeroes, which takes no space in most image formats.</summary>
    On,

    /// <summary>As <see cref="On"/>, and space that was taken is given back.</summary>
    Unmap,
}

/// <summary>What happens when a disk's storage fails.</summary>
public enum StorageErrorPolicy
{
    /// <summary>The guest gets the error.</summary>
    Report,

    /// <summary>The machine is paused; when it goes on, the request is made again.</summary>
    Stop,

    /// <summary>The guest is told that all went well.</summary>
    Ignore,

    /// <summary><see cref="Stop"/> when the storage is full, else <see cref="Report"/>.</summary>
    Enospc,
}
