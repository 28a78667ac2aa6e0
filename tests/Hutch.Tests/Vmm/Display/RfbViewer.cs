using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.IO;
using System.IO.Compression;
using System.Net.Security;
using System.Net.Sockets;
using Hutch.Vmm.Display;
using Xunit;

namespace Hutch.Tests.Vmm.Display;

/// <summary>A viewer as RFC 6143 describes one: its picture is what the server sent.</summary>
internal sealed class RfbViewer : IDisposable
{
    internal const byte Vencrypt = 19;
    internal const int Raw = 0, Zrle = 16, DesktopSize = -223, ExtendedKeys = -258, ExtendedDesktopSize = -308;

    private readonly Packed _packed = new();
    private readonly ZLibStream _inflater;
    private Stream _stream;

    /// <summary>A viewer at the other end of a connection, which it ends.</summary>
    internal RfbViewer(Stream stream)
    {
        _stream = stream;
        _inflater = new ZLibStream(_packed, CompressionMode.Decompress);
    }

    internal RfbViewer(string path) : this(Connect(path)) { }

    /// <summary>The certificate that the server showed.</summary>
    internal string? Certificate { get; private set; }

    internal int Width { get; private set; }

    internal int Height { get; private set; }

    internal string Name { get; private set; } = "";

    internal uint[] Picture { get; private set; } = [];

    /// <summary>The kinds of rectangles that came, in their order.</summary>
    internal List<int> Kinds { get; } = [];

    /// <summary>The layouts that were told: reason, result, size.</summary>
    internal List<(int Reason, int Result, int Width, int Height)> Layouts { get; } = [];

    /// <summary>The handshake of a version; null: it worked, else the reason.</summary>
    internal string? Begin(string version = "RFB 003.008\n", byte security = 1, byte[]? password = null, bool shared = true)
    {
        Assert.Equal("RFB 003.008\n", System.Text.Encoding.ASCII.GetString(Read(12)));
        _stream.Write(System.Text.Encoding.ASCII.GetBytes(version));
        if (version[10] < '7') Assert.Equal(security, ReadLong());
        else
        {
            int count = Read(1)[0];
            if (count == 0) return ReadText();
            Assert.Equal([security], Read(count));
            _stream.Write([security]);
        }
        if (security == Vencrypt)
        {
            Encrypt(password is null ? 260 : 261);
            security = password is null ? (byte)1 : (byte)2;
        }
        if (security == 2) _stream.Write(RfbHandshake.Answer(Read(16), password));
        if ((security == 2 || version[10] >= '8') && ReadLong() != 0) return version[10] >= '8' ? ReadText() : "refused";
        _stream.Write([shared ? (byte)1 : (byte)0]);
        (Width, Height) = (ReadWord(), ReadWord());
        Assert.Equal([32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0], Read(16));
        Name = ReadText();
        Picture = new uint[Width * Height];
        return null;
    }

    internal void Send(params byte[] message) => _stream.Write(message);

    internal void SetEncodings(params int[] encodings)
    {
        byte[] message = new byte[4 + (4 * encodings.Length)];
        message[0] = 2;
        message[3] = (byte)encodings.Length;
        for (int i = 0; i < encodings.Length; i++) BinaryPrimitives.WriteInt32BigEndian(message.AsSpan(4 + (4 * i)), encodings[i]);
        Send(message);
    }

    internal void Request(bool incremental) => Send(3, incremental ? (byte)1 : (byte)0, 0, 0, 0, 0, 0x10, 0, 0x10, 0);

    /// <summary>SetDesktopSize with one screen.</summary>
    internal void AskForSize(int width, int height) => Send([251, 0, (byte)(width >> 8), (byte)width, (byte)(height >> 8), (byte)height, 1, 0, .. new byte[16]]);

    internal void Key(uint symbol, bool down) => Send(4, down ? (byte)1 : (byte)0, 0, 0, (byte)(symbol >> 24), (byte)(symbol >> 16), (byte)(symbol >> 8), (byte)symbol);

    internal void KeyCode(uint code, bool down) => Send(255, 0, 0, down ? (byte)1 : (byte)0, 0, 0, 0, 0, 0, 0, (byte)(code >> 8), (byte)code);

    internal void Pointer(int buttons, int x, int y) => Send(5, (byte)buttons, (byte)(x >> 8), (byte)x, (byte)(y >> 8), (byte)y);

    /// <summary>Takes the next update into the picture. Pixels are the server's own unless <paramref name="pixelBytes"/> says otherwise; those are then shown as they are.</summary>
    internal void Update(int pixelBytes = 4)
    {
        Assert.Equal(0, Read(2)[0]);
        for (int left = ReadWord(); left > 0; left--)
        {
            int x = ReadWord(), y = ReadWord(), width = ReadWord(), height = ReadWord(), kind = ReadLong();
            Kinds.Add(kind);
            switch (kind)
            {
                case Raw:
                    for (int row = 0; row < height; row++)
                        for (int column = 0; column < width; column++) Picture[((y + row) * Width) + x + column] = Pixel(Read(pixelBytes));
                    break;
                case Zrle: ReadZrle(x, y, width, height, pixelBytes == 4 ? 3 : pixelBytes); break;
                case DesktopSize:
                    (Width, Height) = (width, height);
                    Picture = new uint[width * height];
                    break;
                case ExtendedDesktopSize:
                    // One screen of the whole size; x is the reason, y the result.
                    Assert.Equal([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, (byte)(width >> 8), (byte)width, (byte)(height >> 8), (byte)height, 0, 0, 0, 0], Read(20));
                    Layouts.Add((x, y, width, height));
                    if (x == 1 && y != 0) break;
                    if ((width, height) != (Width, Height)) Picture = new uint[width * height];
                    (Width, Height) = (width, height);
                    break;
                case ExtendedKeys: break;
                default: Assert.Fail($"A rectangle of the kind {kind}."); break;
            }
        }
    }

    /// <summary>True when the server ends the connection.</summary>
    internal bool IsSentAway()
    {
        try
        {
            byte[] one = new byte[1];
            while (_stream.Read(one) != 0) { }
            return true;
        }
        catch (IOException)
        {
            return true;
        }
    }

    public void Dispose() => _stream.Dispose();

    private static NetworkStream Connect(string path)
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(new UnixDomainSocketEndPoint(path));
        return new NetworkStream(socket, ownsSocket: true) { ReadTimeout = 30_000 };
    }

    // VeNCrypt 0.2: versions, the only subtype, and then TLS.
    private void Encrypt(int subtype)
    {
        Assert.Equal([0, 2], Read(2));
        _stream.Write([0, 2]);
        Assert.Equal([0, 1], Read(2));
        Assert.Equal(subtype, ReadLong());
        _stream.Write([0, 0, (byte)(subtype >> 8), (byte)subtype]);
        Assert.Equal([1], Read(1));
        SslStream encrypted = new(_stream, leaveInnerStreamOpen: false, (_, certificate, _, _) =>
        {
            Certificate = certificate?.Subject;
            return Certificate == "CN=guest.test";
        });
        encrypted.AuthenticateAsClient("guest.test");
        _stream = encrypted;
    }

    private static uint Pixel(ReadOnlySpan<byte> bytes)
    {
        uint pixel = 0;
        for (int i = 0; i < bytes.Length; i++) pixel |= (uint)bytes[i] << (8 * i);
        return pixel;
    }

    // RFC 6143 §7.7.6, the kinds of tiles that may come: raw, one colour, packed palettes.
    private void ReadZrle(int x, int y, int width, int height, int pixelBytes)
    {
        _packed.Add(Read(ReadLong()));
        for (int top = y; top < y + height; top += 64)
            for (int left = x; left < x + width; left += 64) ReadTile(left, top, Math.Min(64, x + width - left), Math.Min(64, y + height - top), pixelBytes);
    }

    private void ReadTile(int left, int top, int width, int height, int pixelBytes)
    {
        int kind = Inflate(1)[0];
        Assert.InRange(kind, 0, 16);
        uint[] palette = new uint[kind];
        for (int i = 0; i < kind; i++) palette[i] = Pixel(Inflate(pixelBytes));
        int bits = kind switch { 2 => 1, 3 or 4 => 2, _ => 4 };
        for (int row = 0; row < height; row++)
        {
            byte[] packed = kind > 1 ? Inflate(((width * bits) + 7) / 8) : [];
            for (int column = 0; column < width; column++)
                Picture[((top + row) * Width) + left + column] = kind switch
                {
                    0 => Pixel(Inflate(pixelBytes)),
                    1 => palette[0],
                    _ => palette[packed[column * bits / 8] >> (8 - bits - (column * bits % 8)) & ((1 << bits) - 1)],
                };
        }
    }

    private byte[] Inflate(int count)
    {
        byte[] bytes = new byte[count];
        _inflater.ReadExactly(bytes);
        return bytes;
    }

    private byte[] Read(int count)
    {
        byte[] bytes = new byte[count];
        _stream.ReadExactly(bytes);
        return bytes;
    }

    private int ReadWord() => BinaryPrimitives.ReadUInt16BigEndian(Read(2));

    private int ReadLong() => BinaryPrimitives.ReadInt32BigEndian(Read(4));

    private string ReadText() => System.Text.Encoding.UTF8.GetString(Read(ReadLong()));

    // What was received and not inflated yet.
    private sealed class Packed : Stream
    {
        private byte[] _waiting = [];
        private int _first;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public void Add(byte[] bytes) => (_waiting, _first) = ([.. _waiting[_first..], .. bytes], 0);

        public override int Read(byte[] buffer, int offset, int count)
        {
            int part = Math.Min(count, _waiting.Length - _first);
            Assert.NotEqual(0, part);
            _waiting.AsSpan(_first, part).CopyTo(buffer.AsSpan(offset));
            _first += part;
            return part;
        }

        public override void Flush() { }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
