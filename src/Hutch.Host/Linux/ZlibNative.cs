using System.Runtime.InteropServices;

namespace Hutch.Host.Linux;

/// <summary>The system's zlib (zlib.h), where the runtime's own cannot be used.</summary>
internal static unsafe partial class ZlibNative
{
    private const string Library = "libz.so.1";

    /// <summary>struct z_stream_s.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct Stream
    {
        internal byte* NextIn;
        internal uint AvailableIn;
        internal nuint TotalIn;
        internal byte* NextOut;
        internal uint AvailableOut;
        internal nuint TotalOut;
        internal byte* Message;
        internal void* State;
        internal void* Allocate;
        internal void* Free;
        internal void* Opaque;
        internal int DataType;
        internal nuint Adler;
        internal nuint Reserved;
    }

    [LibraryImport(Library, EntryPoint = "zlibVersion")]
    internal static partial byte* Version();

    [LibraryImport(Library, EntryPoint = "deflateInit2_")]
    internal static partial int DeflateInit(Stream* stream, int level, int method, int windowBits, int memoryLevel, int strategy, byte* version, int streamBytes);

    [LibraryImport(Library, EntryPoint = "deflate")]
    internal static partial int Deflate(Stream* stream, int flush);

    [LibraryImport(Library, EntryPoint = "deflateEnd")]
    internal static partial int DeflateEnd(Stream* stream);

    [LibraryImport(Library, EntryPoint = "inflateInit2_")]
    internal static partial int InflateInit(Stream* stream, int windowBits, byte* version, int streamBytes);

    [LibraryImport(Library, EntryPoint = "inflate")]
    internal static partial int Inflate(Stream* stream, int flush);

    [LibraryImport(Library, EntryPoint = "inflateEnd")]
    internal static partial int InflateEnd(Stream* stream);
}
