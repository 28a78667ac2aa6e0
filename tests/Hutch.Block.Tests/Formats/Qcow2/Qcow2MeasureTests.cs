using System;
using System.IO;
using System.Text.Json;
using System.Threading.Tasks;
using Hutch.Block.Formats;
using Hutch.Block.Formats.Qcow2;
using Xunit;

namespace Hutch.Block.Tests.Formats.Qcow2;

/// <summary>Sizes are those that qemu-img measures.</summary>
public sealed class Qcow2MeasureTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("qcow2").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [QemuTheory("qemu-img")]
    [InlineData(10L << 30, "")]
    [InlineData(0, "")]
    [InlineData(513, "cluster_size=512")]
    [InlineData(1L << 40, "cluster_size=64k,refcount_bits=64")]
    [InlineData((8L << 40) + 1, "cluster_size=2M,refcount_bits=1")]
    [InlineData(3L << 30, "extended_l2=on,cluster_size=128k")]
    [InlineData(3L << 30, "preallocation=full")]
    public async Task Of_a_length(long lengthBytes, string options)
    {
        ImageMeasure ours = await Qcow2Format.Instance.MeasureAsync(null, new ImageCreateRequest { LengthBytes = lengthBytes, Options = Qcow2Images.Parse(options) }, default);
        string[] flags = options.Length == 0 ? [] : ["-o", options];
        Assert.Equal(Qemu([.. flags, "--size", $"{lengthBytes}"]), (ours.RequiredBytes, ours.FullyAllocatedBytes, ours.BitmapBytes));
    }

    // qemu-img's numbers; it takes the time of a whole LUKS header to find them, and fails on a busy machine.
    [Theory]
    [InlineData("", 2818048)]
    [InlineData(",encrypt.cipher-alg=aes-128", 1835008)]
    public async Task Of_an_encrypted_image(string cipher, long required)
    {
        ImageMeasure ours = await Qcow2Format.Instance.MeasureAsync(null,
            new ImageCreateRequest { LengthBytes = 3L << 30, Options = Qcow2Images.Parse($"encrypt.format=luks,encrypt.key-secret=s{cipher}") }, default);
        Assert.Equal((required, (3L << 30) + required), (ours.RequiredBytes, ours.FullyAllocatedBytes));
    }

    [QemuTheory("qemu-img")]
    [InlineData("", "")]
    [InlineData("cluster_size=512", "cluster_size=4k")]
    [InlineData("cluster_size=4k", "cluster_size=2M,backing_file=x,backing_fmt=raw")]
    public async Task Of_an_image_with_data_and_bitmaps(string imageOptions, string options)
    {
        MemoryFile file = await Qcow2Images.CreateAsync(4 << 20, imageOptions);
        byte[] model = new byte[4 << 20];
        await using (Qcow2Node node = await Qcow2Images.OpenAsync(file)) await Qcow2SnapshotTests.Fill(node, model, new Random(1));
        string image = Path.Combine(_folder, "image");
        await File.WriteAllBytesAsync(image, file.Content);
        Assert.Equal(0, Tests.Qemu.Run("qemu-img", "bitmap", "--add", image, "one").Status);
        await using Qcow2Node read = await Qcow2Images.OpenAsync(new MemoryFile(await File.ReadAllBytesAsync(image)), readOnly: true);
        ImageMeasure ours = await Qcow2Format.Instance.MeasureAsync(read, new ImageCreateRequest { LengthBytes = 0, Options = Qcow2Images.Parse(options) }, default);
        string[] flags = options.Length == 0 ? [] : ["-o", options];
        Assert.Equal(Qemu([.. flags, "-f", "qcow2", image]), (ours.RequiredBytes, ours.FullyAllocatedBytes, ours.BitmapBytes));
        Assert.NotEqual(0, ours.BitmapBytes);
    }

    private static (long, long, long?) Qemu(params string[] arguments)
    {
        (int status, string text) = Tests.Qemu.Run("qemu-img", ["measure", "-O", "qcow2", "--output=json", .. arguments]);
        Assert.True(status == 0, text);
        JsonElement json = JsonDocument.Parse(text).RootElement;
        return (json.GetProperty("required").GetInt64(), json.GetProperty("fully-allocated").GetInt64(), json.TryGetProperty("bitmaps", out JsonElement bitmaps) ? bitmaps.GetInt64() : null);
    }
}
