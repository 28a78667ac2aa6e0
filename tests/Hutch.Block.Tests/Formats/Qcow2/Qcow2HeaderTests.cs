using System;
using System.Buffers.Binary;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Formats;
using Hutch.Block.Formats.Qcow2;
using Hutch.Block.Graph;
using Xunit;

namespace Hutch.Block.Tests.Formats.Qcow2;

public sealed class Qcow2HeaderTests
{
    [Theory]
    [InlineData(0, 4, 0x514649fcUL, "Image is not in qcow2 format")]
    [InlineData(4, 4, 1UL, "Unsupported qcow2 version 1")]
    [InlineData(4, 4, 4UL, "Unsupported qcow2 version 4")]
    [InlineData(20, 4, 8UL, "Unsupported cluster size: 2^8")]
    [InlineData(20, 4, 22UL, "Unsupported cluster size: 2^22")]
    [InlineData(20, 4, 0xffffffffUL, "Unsupported cluster size: 2^4294967295")]
    [InlineData(100, 4, 103UL, "qcow2 header too short")]
    [InlineData(100, 4, 0xffffffffUL, "qcow2 header exceeds cluster size")]
    [InlineData(100, 4, 0x7fffffffUL, "qcow2 header exceeds cluster size")]
    [InlineData(8, 8, ulong.MaxValue, "Invalid backing file offset")]
    [InlineData(8, 8, 0x10001UL, "Invalid backing file offset")]
    [InlineData(72, 8, 1UL << 63, "Unsupported qcow2 feature(s): Unknown incompatible feature: 8000000000000000")]
    [InlineData(96, 4, 7UL, "Reference count entry width too large; may not exceed 64 bits")]
    [InlineData(32, 4, 3UL, "Unsupported encryption method 3")]
    [InlineData(32, 4, 2UL, "Missing CRYPTO header for crypt method 2")]
    [InlineData(56, 4, 0UL, "Image does not contain a reference count table")]
    [InlineData(56, 4, 0xffffffffUL, "Reference count table too large")]
    [InlineData(56, 4, 0x00020001UL, "Reference count table too large")]
    [InlineData(48, 8, 0x1234567890abcdefUL, "Reference count table offset invalid")]
    [InlineData(48, 8, 0xffffffffffff0000UL, "Reference count table offset invalid")]
    [InlineData(60, 4, 0xffffffffUL, "Snapshot table too large")]
    [InlineData(60, 4, 0x7fffffffUL, "Snapshot table too large")]
    [InlineData(64, 8, 0x1234567890abcdefUL, "Snapshot table offset invalid")]
    [InlineData(36, 4, 0xffffffffUL, "Active L1 table too large")]
    [InlineData(36, 4, 0x7fffffffUL, "Active L1 table too large")]
    [InlineData(36, 4, 0UL, "L1 table is too small")]
    [InlineData(40, 8, 0x1234567890abcdefUL, "Active L1 table offset invalid")]
    [InlineData(40, 8, 0x7fffffffffff0000UL, "Could not read L1 table")]
    [InlineData(24, 8, ulong.MaxValue, "Image is too big")]
    [InlineData(24, 8, 1UL << 62, "Image is too big")]
    [InlineData(104, 1, 2UL, "qcow2: unknown compression type: 2")]
    [InlineData(104, 1, 1UL, "qcow2: Compression type incompatible feature bit must be set")]
    [InlineData(72, 8, 8UL, "qcow2: Compression type incompatible feature bit must not be set")]
    [InlineData(72, 8, 4UL, "'data-file' is required for this image")]
    [InlineData(88, 8, 2UL, "data-file-raw requires a data file")]
    [InlineData(72, 8, 2UL, "qcow2: Image is corrupt; cannot be opened read/write")]
    [InlineData(116, 4, 0x7fffffffUL, "Header extension too large")]
    public async Task A_header_that_breaks_a_limit_is_refused(int offset, int width, ulong value, string message)
    {
        MemoryFile file = await Qcow2Images.CreateAsync(64 << 20);
        byte[] field = new byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(field, value);
        await file.WriteBytesAsync(offset, field.AsMemory(8 - width), WriteFlags.None, default);
        file.Limit = 1 << 30;
        ImageException refusal = await Assert.ThrowsAsync<ImageException>(async () => await Qcow2Images.OpenAsync(file));
        Assert.Equal(message, refusal.Message);
    }

    [Fact]
    public async Task A_backing_name_that_is_too_long_is_refused()
    {
        MemoryFile file = await Qcow2Images.CreateAsync(1 << 20, "backing_file=base,backing_fmt=raw");
        await file.WriteBytesAsync(16, new byte[] { 0x7f, 0xff, 0xff, 0xff }, WriteFlags.None, default);
        Assert.Equal("Backing file name too long", (await Assert.ThrowsAsync<ImageException>(async () => await Qcow2Images.OpenAsync(file))).Message);
    }

    [Fact]
    public void Unknown_features_are_named_by_the_image()
    {
        byte[] table = new byte[3 * 48];
        for (int i = 0; i < 3; i++)
        {
            table[(i * 48) + 1] = (byte)(61 + i);
            Encoding.ASCII.GetBytes($"test{i + 1}", table.AsSpan((i * 48) + 2));
        }
        Assert.Equal("test1, test2, test3", Qcow2Features.NameUnknown(7UL << 61, table));
        Assert.Equal("test2, Unknown incompatible feature: a000000000000000", Qcow2Features.NameUnknown(7UL << 61, table.AsSpan(48, 48)));
    }

    [Fact]
    public async Task What_is_not_understood_is_kept_and_unknown_autoclear_bits_go()
    {
        MemoryFile file = await Qcow2Images.CreateAsync(1 << 20);
        Qcow2Header header = Qcow2HeaderReader.Parse(file.Content[..65536], new ImageOpenOptions { ReadOnly = true });
        Qcow2Header odd = header with
        {
            UnknownFields = [1, 2, 3, 4, 5, 6, 7, 8],
            UnknownExtensions = [new(0x12345678, [.. "This is a test header extension"u8]), new(0x99, [])],
            Autoclear = 1UL << 63,
            Compatible = 1UL << 62,
        };
        await file.WriteBytesAsync(0, Qcow2HeaderWriter.Write(odd), WriteFlags.None, default);
        await using (Qcow2Node node = await Qcow2Images.OpenAsync(file)) await node.SetBackingReferenceAsync("/some/base", "qcow2", default);
        Qcow2Header after = Qcow2HeaderReader.Parse(file.Content[..65536], new ImageOpenOptions { ReadOnly = true });
        Assert.Equal(odd.UnknownFields.AsSpan(), after.UnknownFields.AsSpan());
        Assert.Equal(2, after.UnknownExtensions.Length);
        Assert.Equal(odd.UnknownExtensions[0].Data.AsSpan(), after.UnknownExtensions[0].Data.AsSpan());
        Assert.Equal((0UL, 1UL << 62), (after.Autoclear, after.Compatible));
        Assert.Equal(("/some/base", "qcow2"), (after.BackingName, after.BackingFormat));
    }

    [Fact]
    public async Task Reading_only_changes_nothing()
    {
        MemoryFile file = await Qcow2Images.CreateAsync(1 << 20);
        byte[] before = file.Content;
        before[95] = 0x80;
        file = new MemoryFile(before);
        await using (Qcow2Node node = await Qcow2Images.OpenAsync(file, readOnly: true)) _ = await BlockNodeContract.Read(node, 0, 1 << 20);
        Assert.Equal(before, file.Content);
    }

    [Fact]
    public async Task A_format_that_another_program_misprinted_is_understood()
    {
        MemoryFile file = await Qcow2Images.CreateAsync(1 << 20, "backing_file=base,backing_fmt=raw");
        byte[] image = file.Content;
        int at = image.AsSpan().IndexOf((ReadOnlySpan<byte>)[0xe2, 0x79, 0x2a, 0xca]);
        (image[at + 2], image[at + 3]) = (0x26, 0x8f);
        await using Qcow2Node node = await Qcow2Images.OpenAsync(new MemoryFile(image), readOnly: true);
        Assert.Equal(new ImageReference(ImageReferenceKind.Backing, "base", "raw"), node.BackingReference);
    }

    [Theory]
    [InlineData("cluster_size=1000", "Cluster size must be a power of two between 512 and 2048k")]
    [InlineData("cluster_size=256", "Cluster size must be a power of two between 512 and 2048k")]
    [InlineData("cluster_size=4M", "Cluster size must be a power of two between 512 and 2048k")]
    [InlineData("refcount_bits=3", "Refcount width must be a power of two and may not exceed 64 bits")]
    [InlineData("refcount_bits=128", "Refcount width must be a power of two and may not exceed 64 bits")]
    [InlineData("compat=0.10,refcount_bits=8", "Different refcount widths than 16 bits require compatibility level 1.1 or above (use version=v3 or greater)")]
    [InlineData("compat=0.10,lazy_refcounts=on", "Lazy refcounts only supported with compatibility level 1.1 and above (use version=v3 or greater)")]
    [InlineData("compat=1.2", "Parameter 'version' does not accept value '1.2'")]
    [InlineData("extended_l2=on,cluster_size=8k", "Extended L2 entries are only supported with cluster sizes of at least 16384 bytes")]
    [InlineData("extended_l2=on,compat=v2", "Extended L2 entries are only supported with compatibility level 1.1 and above (use version=v3 or greater)")]
    [InlineData("data_file_raw=on", "data-file-raw requires data-file")]
    [InlineData("compat=v2,data_file=z", "External data files are only supported with compatibility level 1.1 and above (use version=v3 or greater)")]
    [InlineData("preallocation=bla", "Parameter 'preallocation' does not accept value 'bla'")]
    [InlineData("compression_type=foo", "Parameter 'compression-type' does not accept value 'foo'")]
    [InlineData("compression_type=zstd,compat=v2", "Non-zlib compression type is only supported with compatibility level 1.1 and above (use version=v3 or greater)")]
    [InlineData("data_file=z,data_file_raw=on,backing_file=b,backing_fmt=raw", "Backing file and data-file-raw cannot be used at the same time")]
    [InlineData("preallocation=metadata,backing_file=b,backing_fmt=raw", "Backing file and preallocation can only be used at the same time if extended_l2 is on")]
    [InlineData("lazy_refcounts=maybe", "Parameter 'lazy_refcounts' expects 'on' or 'off'")]
    [InlineData("refcount_bits=abc", "Parameter 'refcount_bits' expects a number")]
    [InlineData("encryption=on", "Parameter 'encrypt.key-secret' is required for cipher")]
    [InlineData("encrypt.format=foo", "Parameter 'format' does not accept value 'foo'")]
    [InlineData("encrypt.key-secret=s1", "Parameter 'encrypt.format' is missing")]
    [InlineData("backing_fmt=raw", "Backing format cannot be used without backing file")]
    public async Task A_bad_option_is_refused(string options, string message)
    {
        ImageException refusal = await Assert.ThrowsAsync<ImageException>(async () => await Qcow2Images.CreateAsync(64 << 20, options));
        Assert.Equal(message, refusal.Message);
    }

    [Fact]
    public async Task A_disk_that_the_L1_table_cannot_hold_is_refused()
    {
        ImageException refusal = await Assert.ThrowsAsync<ImageException>(async () => await Qcow2Images.CreateAsync(10L << 40, "cluster_size=512"));
        Assert.Equal("The image size is too large for file format 'qcow2' (try using a larger cluster size)", refusal.Message);
    }

    [Fact]
    public async Task Probing_knows_versions_from_2_on()
    {
        byte[] head = (await Qcow2Images.CreateAsync(1 << 20)).Content[..2048];
        Assert.Equal(100, Qcow2Format.Instance.Probe(head, "x"));
        head[7] = 1;
        Assert.Equal(0, Qcow2Format.Instance.Probe(head, "x"));
        Assert.Equal(0, Qcow2Format.Instance.Probe(head.AsSpan(0, 10), "x"));
        await Task.CompletedTask.WaitAsync(CancellationToken.None);
    }
}
