using System;
using System.Collections.Concurrent;
using Hutch.Host.Linux;

namespace Hutch.Host.Compression;

/// <summary>
/// zstd frames of whole pieces in memory, through the system's libzstd.so.1. Any thread; contexts are kept for use again. Where the library is missing,
/// calls throw <see cref="DllNotFoundException"/>; ask <see cref="IsAvailable"/> first.
/// </summary>
public static unsafe class Zstd
{
    private const int SessionOnly = 1, Enomem = 12;

    private static readonly ConcurrentBag<nint> s_compressors = [], s_decompressors = [];
    private static readonly Lazy<bool> s_available = new(Probe);

    /// <summary>The library is installed.</summary>
    public static bool IsAvailable => s_available.Value;

    /// <summary>Compresses <paramref name="source"/> into one frame.</summary>
    /// <returns>Bytes written; -1 where the frame does not fit into <paramref name="destination"/>.</returns>
    public static int Compress(ReadOnlySpan<byte> source, Span<byte> destination, int level)
    {
        if (!s_compressors.TryTake(out nint context)) context = (nint)ZstdNative.CreateCompressor();
        if (context == 0) throw new LinuxException("ZSTD_createCCtx", Enomem, "");
        // SAFETY: both spans are pinned for the call, which stays within the lengths given with them; the context is used by nobody else now.
        fixed (byte* from = source, to = destination)
        {
            nuint result = ZstdNative.Compress((void*)context, to, (nuint)destination.Length, from, (nuint)source.Length, level);
            s_compressors.Add(context);
            return ZstdNative.IsError(result) != 0 ? -1 : (int)result;
        }
    }

    /// <summary>Decompresses frames until <paramref name="destination"/> is full or the data ends. Whatever follows in <paramref name="source"/> is ignored.</summary>
    /// <returns>Bytes written; -1 where <paramref name="source"/> is no zstd data, or breaks off before the destination is full.</returns>
    public static int Decompress(ReadOnlySpan<byte> source, Span<byte> destination)
    {
        if (!s_decompressors.TryTake(out nint context)) context = (nint)ZstdNative.CreateDecompressor();
        if (context == 0) throw new LinuxException("ZSTD_createDCtx", Enomem, "");
        // SAFETY: as in Compress.
        fixed (byte* from = source, to = destination)
        {
            ZstdNative.Buffer input = new() { Start = from, LengthBytes = (nuint)source.Length }, output = new() { Start = to, LengthBytes = (nuint)destination.Length };
            bool wrong = false;
            // The length in the image is an upper bound, so the end of the output ends it, not the end of the input.
            while (!wrong && output.Position < output.LengthBytes)
            {
                (nuint read, nuint written) = (input.Position, output.Position);
                wrong = ZstdNative.IsError(ZstdNative.Decompress((void*)context, &output, &input)) != 0 || (read == input.Position && written == output.Position);
            }
            _ = ZstdNative.ResetDecompressor((void*)context, SessionOnly);
            s_decompressors.Add(context);
            return wrong ? -1 : (int)output.Position;
        }
    }

    private static bool Probe()
    {
        try
        {
            return ZstdNative.IsError(0) == 0;
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            return false;
        }
    }
}
