using System;
using System.Buffers.Binary;
using System.IO;
using System.IO.Compression;
using System.Text;
using Hutch.Devices;
using Hutch.Vmm.Display;
using Xunit;

namespace Hutch.Tests.Vmm.Display;

/// <summary>Parts of the server that have a form of their own: the cipher, the parser, pictures, keys.</summary>
public sealed class RfbPartsTests
{
    // The worked example of many textbooks, and two of NIST SP 500-20's.
    [Theory]
    [InlineData(0x133457799bbcdff1, 0x0123456789abcdef, 0x85e813540f0ab405)]
    [InlineData(0x0101010101010101, 0x95f8a5e5dd31d900, 0x8000000000000000)]
    [InlineData(0x8001010101010101, 0x0000000000000000, 0x95a8d72813daa94d)]
    public void Des_encrypts_as_the_standard_says(ulong key, ulong block, ulong cipher)
    {
        Span<ulong> result = [0];
        Des.Encrypt(key, [block], result);
        Assert.Equal(cipher, result[0]);
    }

    [Theory]
    [InlineData('a', 0x1e, false)]
    [InlineData('A', 0x1e, true)]
    [InlineData('1', 0x02, false)]
    [InlineData('!', 0x02, true)]
    [InlineData('\\', 0x2b, false)]
    [InlineData('|', 0x2b, true)]
    [InlineData('~', 0x29, true)]
    [InlineData('/', 0x35, false)]
    [InlineData(' ', 0x39, false)]
    [InlineData(0xff0d, 0x1c, false)]
    [InlineData(0xffc9, 0x58, false)]
    [InlineData(0xffff, 0xd3, false)]
    [InlineData(0x1234567, 0, false)]
    public void Symbols_are_found_on_an_american_keyboard(uint symbol, byte key, bool shifted)
    {
        Assert.Equal(key, KeySymbols.Find(symbol, out bool needsShift));
        Assert.Equal(shifted, needsShift);
    }

    // The fuzz entry of the protocol: what a client sends after the handshake.
    [Fact]
    public void Random_messages_are_requests_or_refused()
    {
        Random random = new(11);
        byte[] kinds = [0, 2, 3, 4, 5, 6, 255];
        Counting requests = new();
        for (int round = 0; round < 20_000; round++)
        {
            byte[] bytes = new byte[random.Next(200)];
            random.NextBytes(bytes);
            if (bytes.Length != 0) bytes[0] = kinds[random.Next(kinds.Length)];
            if (bytes.Length > 8 && random.Next(2) == 0) bytes.AsSpan(1, 7).Clear();
            RfbReader reader = new(new MemoryStream(bytes));
            try
            {
                while (true) RfbMessages.ReadOne(reader, requests);
            }
            catch (Exception refused) when (refused is EndOfStreamException or InvalidDataException)
            {
                // One of the two ends that there are.
            }
        }
        Assert.True(requests.Count > 1000);
    }

    [Fact]
    public void A_png_holds_the_picture()
    {
        ScreenFrame frame = new();
        frame.Resize(3, 2);
        uint[] pixels = [0xff0000, 0x00ff00, 0x0000ff, 0x123456, 0, 0xffffff];
        pixels.CopyTo(frame.Pixels);

        byte[] png = PictureFile.ToPng(frame);

        Assert.Equal([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13], png[..12]);
        Assert.Equal([0, 0, 0, 3, 0, 0, 0, 2, 8, 2, 0, 0, 0], png[16..29]);
        // The checksum of an empty IEND is the same in every file.
        Assert.Equal(Convert.FromHexString("0000000049454e44ae426082"), png[^12..]);
        int length = BinaryPrimitives.ReadInt32BigEndian(png.AsSpan(33));
        using ZLibStream data = new(new MemoryStream(png, 41, length), CompressionMode.Decompress);
        byte[] rows = new byte[20];
        data.ReadExactly(rows);
        Assert.Equal("00FF000000FF000000FF00123456000000FFFFFF", Convert.ToHexString(rows));
    }

    [Fact]
    public void A_ppm_holds_the_picture()
    {
        ScreenFrame frame = new();
        frame.Resize(1, 1);
        frame.Pixels[0] = 0x414243;
        Assert.Equal("P6\n1 1\n255\nABC", Encoding.ASCII.GetString(PictureFile.ToPpm(frame)));
    }

    private sealed class Counting : IRfbRequests
    {
        internal int Count { get; private set; }

        public void SetFormat(RfbPixelFormat format)
        {
            Count++;
            format.Write([0x123456, 0xffffff], new byte[2 * format.PixelBytes]);
            format.WriteCompact(0xabcdef, new byte[4]);
        }

        public void BeginEncodings() { }

        public void AddEncoding(int encoding) { }

        public void EndEncodings() => Count++;

        public void Request(bool incremental, int x, int y, int width, int height) => Count++;

        public void KeySymbol(uint symbol, bool down)
        {
            Count++;
            KeySymbols.Find(symbol, out _);
        }

        public void KeyCode(uint code, uint symbol, bool down) => Count++;

        public void AskForSize(int width, int height) => Count++;

        public void Pointer(int buttons, int x, int y) => Count++;
    }
}
