using System;
using System.Buffers.Binary;

namespace Hutch.GuestTests;

/// <summary>
/// A program for guests whose busybox knows no AF_VSOCK: it gets a connection by port 52, makes it its standard input and output, and becomes the program that its arguments name. Made of
/// system calls alone (x86-64: socket 41, connect 42, accept 43, bind 49, listen 50, dup2 33, execve 59, exit 60).
/// </summary>
internal static class VsockProgram
{
    /// <summary>The port of the guest's, or of the host's.</summary>
    internal const int Port = 52;

    private const ulong Base = 0x40_0000;
    private const int HeaderBytes = 64 + 56, ListenEntry = 0x5f;

    // Connects to port 52 of context id 2, or, from the entry at 0x5f, takes a connection by its own.
    private static ReadOnlySpan<byte> Code =>
    [
        // connect: socket(AF_VSOCK, SOCK_STREAM, 0); connect(it, address, 16), or fail
        0x6a, 0x29, 0x58, 0x6a, 0x28, 0x5f, 0x6a, 0x01, 0x5e, 0x31, 0xd2, 0x0f, 0x05, 0x89, 0xc7,
        0x48, 0x8d, 0x35, 0x39, 0x00, 0x00, 0x00, 0x6a, 0x10, 0x5a, 0x6a, 0x2a, 0x58, 0x0f, 0x05, 0x85, 0xc0, 0x75, 0x25,
        // both: dup2(it, 0); dup2(it, 1); execve(argv[1], argv + 1, environment)
        0x31, 0xf6, 0x6a, 0x21, 0x58, 0x0f, 0x05, 0x6a, 0x01, 0x5e, 0x6a, 0x21, 0x58, 0x0f, 0x05,
        0x48, 0x8b, 0x04, 0x24, 0x48, 0x8d, 0x54, 0xc4, 0x10, 0x48, 0x8d, 0x74, 0x24, 0x10, 0x48, 0x8b, 0x3e, 0x6a, 0x3b, 0x58, 0x0f, 0x05,
        // fail: exit(1)
        0x6a, 0x01, 0x5f, 0x6a, 0x3c, 0x58, 0x0f, 0x05,
        // address (struct sockaddr_vm): family, port, context id, which says any when it is -1
        0x28, 0x00, 0x00, 0x00, Port, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        // listen: socket(AF_VSOCK, SOCK_STREAM, 0); bind(it, address, 16), or fail; listen(it, 1); accept(it, 0, 0); both
        0x6a, 0x29, 0x58, 0x6a, 0x28, 0x5f, 0x6a, 0x01, 0x5e, 0x31, 0xd2, 0x0f, 0x05, 0x89, 0xc7,
        0x48, 0x8d, 0x35, 0xda, 0xff, 0xff, 0xff, 0x6a, 0x10, 0x5a, 0x6a, 0x31, 0x58, 0x0f, 0x05, 0x85, 0xc0, 0x75, 0xc6,
        0x6a, 0x32, 0x58, 0x6a, 0x01, 0x5e, 0x0f, 0x05, 0x31, 0xf6, 0x31, 0xd2, 0x6a, 0x2b, 0x58, 0x0f, 0x05, 0x89, 0xc7, 0xeb, 0x8c,
    ];

    /// <summary>The program as an ELF file.</summary>
    /// <param name="listens">It waits for a connection of the host's; otherwise it makes one to the host.</param>
    internal static byte[] Make(bool listens)
    {
        byte[] file = new byte[HeaderBytes + Code.Length];
        Span<byte> header = file;
        ((ReadOnlySpan<byte>)[0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1]).CopyTo(header);
        Put16(16, 2, 62);                                                    // an executable for x86-64
        BinaryPrimitives.WriteUInt32LittleEndian(header[20..], 1);
        Put64(24, Base + HeaderBytes + (listens ? ListenEntry : 0UL), 64);    // entry, program headers
        Put16(52, 64, 56, 1);
        BinaryPrimitives.WriteUInt32LittleEndian(header[64..], 1);            // PT_LOAD, to be read and executed
        BinaryPrimitives.WriteUInt32LittleEndian(header[68..], 5);
        Put64(72, 0, Base, Base, (ulong)file.Length, (ulong)file.Length, 0x1000);
        Code.CopyTo(header[HeaderBytes..]);
        // VMADDR_CID_ANY
        if (listens) header.Slice(HeaderBytes + ListenEntry - 8, 4).Fill(0xff);
        return file;

        void Put16(int at, params ReadOnlySpan<ushort> values)
        {
            for (int i = 0; i < values.Length; i++) BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(at + (2 * i)), values[i]);
        }

        void Put64(int at, params ReadOnlySpan<ulong> values)
        {
            for (int i = 0; i < values.Length; i++) BinaryPrimitives.WriteUInt64LittleEndian(file.AsSpan(at + (8 * i)), values[i]);
        }
    }
}
