namespace Hutch.Block.Formats.Luks;

/// <summary>A key slot of a header: the volume's key, split and encrypted with a key that is derived of a passphrase.</summary>
internal sealed record LuksKeySlot
{
    /// <summary>A passphrase is set.</summary>
    internal bool IsActive { get; init; }

    /// <summary>The state's word was neither of the two that are allowed.</summary>
    internal bool HasBadState { get; init; }

    /// <summary>Iterations of the key derivation; 0 where inactive.</summary>
    internal uint Iterations { get; init; }

    /// <summary>Salt of the derivation, 32 bytes.</summary>
    internal required byte[] Salt { get; init; }

    /// <summary>Where the key material lies, in sectors of 512 bytes from the header on.</summary>
    internal uint OffsetSectors { get; init; }

    /// <summary>Number of stripes.</summary>
    internal uint Stripes { get; init; }
}
