using System;

namespace Hutch.Block.Formats;

/// <summary>Recognises image formats by their first bytes, only to refuse what would otherwise be handed to a guest as a raw disk.</summary>
internal static class ImageMagic
{
    /// <summary>How many bytes <see cref="Recognise"/> looks at.</summary>
    internal const int HeaderBytes = 0x44;

    /// <summary>The format's name, or null for anything else.</summary>
    internal static string? Recognise(ReadOnlySpan<byte> header) =>
        header.StartsWith("QFI"u8) && header[3] == 0xfb ? "qcow2"
        : header.StartsWith("KDMV"u8) ? "vmdk"
        : header.StartsWith("vhdxfile"u8) ? "vhdx"
        : header[0x40..].StartsWith((ReadOnlySpan<byte>)[0x7f, 0x10, 0xda, 0xbe]) ? "vdi"
        : null;
}
