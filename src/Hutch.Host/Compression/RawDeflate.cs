using System;
using Hutch.Host.Linux;

namespace Hutch.Host.Compression;

/// <summary>
/// Raw deflate (RFC 1951) of whole pieces in memory, with a window of choice. Through the runtime's zlib-ng where its entry points are there, else through
/// the system's zlib. Any thread. No managed allocation.
/// </summary>
public static unsafe class RawDeflate
{
    private const int Deflated = 8, Finish = 4, StreamEnd = 1, BufferError = -5, Ok = 0, MaxMemory = 9, DefaultStrategy = 0, Enomem = 12;

    private static readonly bool s_hasRuntime = Probe();

    /// <summary>Compresses <paramref name="source"/>.</summary>
    /// <param name="source">What to compress, in one piece.</param>
    /// <param name="destination">Takes the result.</param>
    /// <param name="level">0 to 9; -1 for zlib's default.</param>
    /// <param name="windowBits">Size of the window as a power of two in bytes, 9 to 15.</param>
    /// <returns>Bytes written; -1 where the result does not fit into <paramref name="destination"/>.</returns>
    public static int Compress(ReadOnlySpan<byte> source, Span<byte> destination, int level, int windowBits)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(windowBits, 9);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(windowBits, 15);
        // SAFETY: both spans are pinned for the calls, which stay within the lengths given with them; the stream is ours and ended here.
        fixed (byte* from = source, to = destination)
        {
            return s_hasRuntime ? CompressHere(from, source.Length, to, destination.Length, level, windowBits) : CompressThere(from, source.Length, to, destination.Length, level, windowBits);
        }
    }

    /// <summary>Decompresses until <paramref name="destination"/> is full or the data ends. Whatever follows in <paramref name="source"/> is ignored.</summary>
    /// <returns>Bytes written; -1 where <paramref name="source"/> is no deflate data, or breaks off before the destination is full.</returns>
    public static int Decompress(ReadOnlySpan<byte> source, Span<byte> destination)
    {
        // SAFETY: as in Compress.
        fixed (byte* from = source, to = destination)
        {
            return s_hasRuntime ? DecompressHere(from, source.Length, to, destination.Length) : DecompressThere(from, source.Length, to, destination.Length);
        }
    }

    private static bool Probe()
    {
        try
        {
            CompressionNative.Stream stream = default;
            if (CompressionNative.InflateInit(&stream, -15) != Ok) return false;
            return CompressionNative.InflateEnd(&stream) == Ok;
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            return false;
        }
    }

    // SAFETY (the four below): the caller pinned both ranges and gives their lengths.
    private static int CompressHere(byte* from, int fromBytes, byte* to, int toBytes, int level, int windowBits)
    {
        CompressionNative.Stream stream = default;
        if (CompressionNative.DeflateInit(&stream, level, Deflated, -windowBits, MaxMemory, DefaultStrategy) != Ok) throw OutOfMemory("deflateInit2");
        stream.NextIn = from;
        stream.AvailableIn = (uint)fromBytes;
        stream.NextOut = to;
        stream.AvailableOut = (uint)toBytes;
        int result = CompressionNative.Deflate(&stream, Finish);
        _ = CompressionNative.DeflateEnd(&stream);
        return result == StreamEnd ? toBytes - (int)stream.AvailableOut : -1;
    }

    private static int CompressThere(byte* from, int fromBytes, byte* to, int toBytes, int level, int windowBits)
    {
        ZlibNative.Stream stream = default;
        if (ZlibNative.DeflateInit(&stream, level, Deflated, -windowBits, MaxMemory, DefaultStrategy, ZlibNative.Version(), sizeof(ZlibNative.Stream)) != Ok)
            throw OutOfMemory("deflateInit2");
        stream.NextIn = from;
        stream.AvailableIn = (uint)fromBytes;
        stream.NextOut = to;
        stream.AvailableOut = (uint)toBytes;
        int result = ZlibNative.Deflate(&stream, Finish);
        _ = ZlibNative.DeflateEnd(&stream);
        return result == StreamEnd ? toBytes - (int)stream.AvailableOut : -1;
    }

    private static int DecompressHere(byte* from, int fromBytes, byte* to, int toBytes)
    {
        CompressionNative.Stream stream = default;
        if (CompressionNative.InflateInit(&stream, -15) != Ok) throw OutOfMemory("inflateInit2");
        stream.NextIn = from;
        stream.AvailableIn = (uint)fromBytes;
        stream.NextOut = to;
        stream.AvailableOut = (uint)toBytes;
        int result = CompressionNative.Inflate(&stream, Finish);
        _ = CompressionNative.InflateEnd(&stream);
        return Inflated(result, toBytes, stream.AvailableOut);
    }

    private static int DecompressThere(byte* from, int fromBytes, byte* to, int toBytes)
    {
        ZlibNative.Stream stream = default;
        if (ZlibNative.InflateInit(&stream, -15, ZlibNative.Version(), sizeof(ZlibNative.Stream)) != Ok) throw OutOfMemory("inflateInit2");
        stream.NextIn = from;
        stream.AvailableIn = (uint)fromBytes;
        stream.NextOut = to;
        stream.AvailableOut = (uint)toBytes;
        int result = ZlibNative.Inflate(&stream, Finish);
        _ = ZlibNative.InflateEnd(&stream);
        return Inflated(result, toBytes, stream.AvailableOut);
    }

    private static LinuxException OutOfMemory(string call) => new(call, Enomem, "");

    // A full destination is enough, whether or not the stream has said that it ends.
    private static int Inflated(int result, int toBytes, uint rest) => result == StreamEnd || (result is Ok or BufferError && rest == 0) ? toBytes - (int)rest : -1;
}
