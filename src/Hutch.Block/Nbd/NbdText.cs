using System;
using System.Buffers.Binary;
using System.Globalization;
using System.IO;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

namespace Hutch.Block.Nbd;

/// <summary>Numbers and texts of the handshake on a stream.</summary>
internal static class NbdText
{
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Reads exactly so many bytes. Throws <see cref="EndOfStreamException"/>.</summary>
    internal static async ValueTask<byte[]> ReadBytesAsync(Stream stream, int lengthBytes, CancellationToken cancellation)
    {
        byte[] bytes = new byte[lengthBytes];
        await stream.ReadExactlyAsync(bytes, cancellation).ConfigureAwait(false);
        return bytes;
    }

    /// <summary>Reads and forgets bytes.</summary>
    internal static async ValueTask SkipAsync(Stream stream, long lengthBytes, CancellationToken cancellation)
    {
        byte[] bytes = new byte[Math.Min(lengthBytes, 4096)];
        for (; lengthBytes > 0; lengthBytes -= Math.Min(lengthBytes, bytes.Length))
            await stream.ReadExactlyAsync(bytes.AsMemory(0, (int)Math.Min(lengthBytes, bytes.Length)), cancellation).ConfigureAwait(false);
    }

    /// <summary>A text of the wire; null where it is no UTF-8 or has a zero in it.</summary>
    internal static string? Decode(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Contains((byte)0)) return null;
        try
        {
            return Strict.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }

    /// <summary>A text for messages: whatever the other side sent, printable.</summary>
    internal static string Printable(ReadOnlySpan<byte> bytes)
    {
        StringBuilder text = new();
        foreach (char letter in Encoding.UTF8.GetString(bytes[..Math.Min(bytes.Length, 256)])) text.Append(char.IsControl(letter) ? '?' : letter);
        return text.ToString();
    }

    /// <summary>Takes a 32-bit length and so many bytes off the front. False where there are fewer.</summary>
    internal static bool TryTakeText(ref ReadOnlySpan<byte> data, out ReadOnlySpan<byte> text)
    {
        text = default;
        if (data.Length < 4) return false;
        uint length = BinaryPrimitives.ReadUInt32BigEndian(data);
        if (length > data.Length - 4) return false;
        text = data.Slice(4, (int)length);
        data = data[(4 + (int)length)..];
        return true;
    }

    /// <summary>Appends a text with its 32-bit length.</summary>
    internal static void PutText(MemoryStream message, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        Put32(message, (uint)bytes.Length);
        message.Write(bytes);
    }

    /// <summary>Appends a number.</summary>
    internal static void Put16(MemoryStream message, ushort value)
    {
        Span<byte> bytes = stackalloc byte[2];
        BinaryPrimitives.WriteUInt16BigEndian(bytes, value);
        message.Write(bytes);
    }

    /// <summary>Appends a number.</summary>
    internal static void Put32(MemoryStream message, uint value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, value);
        message.Write(bytes);
    }

    /// <summary>Appends a number.</summary>
    internal static void Put64(MemoryStream message, ulong value)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, value);
        message.Write(bytes);
    }

    /// <summary>A number for messages.</summary>
    internal static string Hex(ulong value) => string.Create(CultureInfo.InvariantCulture, $"0x{value:x}");
}
