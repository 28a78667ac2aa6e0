using System;
using System.Collections.Generic;
using System.IO;
using System.Threading.Tasks;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Block.Simulation;
using Xunit;

namespace Hutch.Block.Tests.Formats.Mapped;

/// <summary>What every writable image in blocks does, over more than one block. A subclass for each kind of image.</summary>
public abstract class MappedImageContract : BlockNodeContract, IDisposable
{
    private protected const int LongBytes = 13 << 20;

    private protected ImageFolder Images { get; } = new();

    private protected abstract ImageFormat Format { get; }

    /// <summary>Options of its creation.</summary>
    private protected abstract (string Name, string Value)[] Options { get; }

    /// <summary>qemu-img can check such images.</summary>
    private protected virtual bool HasCheck => true;

    /// <summary>Disk and metadata are in one file.</summary>
    private protected virtual bool HasOneFile => true;

    /// <summary>Written data can be found in the file as it is, and be written again in its place.</summary>
    private protected virtual bool IsPlain => true;

    protected sealed override BlockNode Create() => CreateAsync(LengthBytes).GetAwaiter().GetResult();

    [Fact]
    public async Task Random_requests_match_a_model_and_survive_reopening()
    {
        byte[] model = new byte[LongBytes];
        ImageNode node = await CreateAsync(LongBytes);
        Random random = new(1);
        try
        {
            for (int i = 0; i < 200; i++)
            {
                await RequestAsync(node, model, random);
                if (i % 70 != 69) continue;
                await node.DisposeAsync();
                node = await OpenAsync();
                AssertSame(model, await Read(node, 0, LongBytes, cuts: 3));
            }
        }
        finally
        {
            await node.DisposeAsync();
        }
        await using ImageNode again = await OpenAsync(readOnly: true);
        AssertSame(model, await Read(again, 0, LongBytes, cuts: 7));
        await AssertExtents(again, model);
    }

    [QemuImgFact]
    public async Task What_we_wrote_qemu_img_reads_and_finds_sound()
    {
        byte[] model = new byte[LongBytes];
        Random random = new(17);
        await using (ImageNode node = await CreateAsync(LongBytes))
        {
            for (int i = 0; i < 60; i++) await RequestAsync(node, model, random);
            await node.FlushAsync(default);
        }
        Images.Write("model.raw", model);
        if (HasCheck) QemuImg.Run("check", "-f", Format.Name, Images.Path("disk"));
        QemuImg.Run("compare", "-f", Format.Name, "-F", "raw", Images.Path("disk"), Images.Path("model.raw"));
    }

    [QemuImgFact]
    public async Task What_qemu_img_wrote_we_read_and_change()
    {
        byte[] model = ImageFolder.Pattern(LongBytes, 23);
        Images.Write("model.raw", model);
        List<string> arguments = ["convert", "-f", "raw", "-O", Format.Name];
        foreach ((string name, string value) in Options) arguments.AddRange(["-o", $"{name}={value}"]);
        QemuImg.Run([.. arguments, Images.Path("model.raw"), Images.Path("disk")]);
        await using (ImageNode node = await OpenAsync())
        {
            Assert.Equal(LongBytes, node.LengthBytes);
            AssertSame(model, await Read(node, 0, LongBytes, cuts: 5));
            await AssertExtents(node, model);
            Random random = new(29);
            for (int i = 0; i < 60; i++) await RequestAsync(node, model, random);
        }
        Images.Write("model.raw", model);
        if (HasCheck) QemuImg.Run("check", "-f", Format.Name, Images.Path("disk"));
        QemuImg.Run("compare", "-f", Format.Name, "-F", "raw", Images.Path("disk"), Images.Path("model.raw"));
    }

    [Fact]
    public async Task Requests_at_once_end_in_what_each_of_them_wrote()
    {
        byte[] model = ImageFolder.Pattern(LongBytes, 31);
        await using (ImageNode node = await CreateAsync(LongBytes))
        {
            const int part = 96 * 1024;
            await Parallel.ForAsync(0, LongBytes / part, async (i, _) => await Write(node, i * part, model[(i * part)..((i + 1) * part)], cuts: 2));
            model.AsSpan(LongBytes / part * part).Clear();
            AssertSame(model, await Read(node, 0, LongBytes));
        }
        await using ImageNode again = await OpenAsync(readOnly: true);
        AssertSame(model, await Read(again, 0, LongBytes));
    }

    [Fact]
    public async Task What_was_flushed_survives_a_power_loss_at_any_moment()
    {
        const int length = 5 << 20;
        if (!HasOneFile) return;
        MemoryNode image = await MemoryParent.MakeEmptyAsync(Format, length, Options);
        await CrashCheck.RunAsync(image, length, 0, async file => await Format.OpenAsync(file, new ImageOpenOptions { ReadOnly = false }, default), seed: 1);
    }

    [Fact]
    public async Task Requests_in_one_block_do_not_allocate()
    {
        if (!IsPlain) return;
        await using ImageNode node = await CreateAsync(LongBytes);
        await Write(node, 1 << 20, new byte[8192]);
        await node.FlushAsync(default);
        using Hutch.Host.Files.NativeBuffer buffer = new(4096);
        IoVector vector = new(new[] { buffer.Segment(0, 4096) });
        Assert.Equal(0, ManagedMemory.Taken(Touch));

        void Touch()
        {
            for (int i = 0; i < 100; i++)
            {
                Finish(node.ReadAsync((1 << 20) + 4096, vector, default));
                Finish(node.ReadAsync(8 << 20, vector, default));
                Finish(node.WriteAsync(1 << 20, vector, WriteFlags.None, default));
            }
        }
    }

    [Fact]
    public async Task A_read_only_image_is_not_touched()
    {
        await (await CreateAsync(LongBytes)).DisposeAsync();
        byte[] before = await File.ReadAllBytesAsync(Images.Path("disk"));
        await using (ImageNode node = await OpenAsync(readOnly: true))
        {
            Assert.True(node.Limits.IsReadOnly);
            await Assert.ThrowsAsync<BlockIoException>(async () => await Write(node, 0, new byte[512]));
            await Assert.ThrowsAsync<BlockIoException>(async () => await node.WriteZeroesAsync(0, 512, WriteFlags.None, default));
            await Assert.ThrowsAsync<BlockIoException>(async () => await node.DiscardAsync(0, 512, default));
        }
        AssertSame(before, await File.ReadAllBytesAsync(Images.Path("disk")));
    }

    public void Dispose()
    {
        Images.Dispose();
        GC.SuppressFinalize(this);
    }

    private protected virtual async Task<ImageNode> CreateAsync(long lengthBytes)
    {
        await Images.CreateAsync(Format, "disk", lengthBytes, Options);
        return await OpenAsync();
    }

    private protected virtual Task<ImageNode> OpenAsync(bool readOnly = false) => Images.OpenAsync(Format, "disk", readOnly);

    /// <summary>Compares much at once.</summary>
    internal static void AssertSame(byte[] expected, byte[] actual)
    {
        if (actual.AsSpan().SequenceEqual(expected)) return;
        int at = expected.AsSpan().CommonPrefixLength(actual);
        Assert.Fail($"{expected.Length} and {actual.Length} bytes differ at {at}.");
    }

    private static void Finish(ValueTask request)
    {
        Assert.True(request.IsCompletedSuccessfully);
        request.GetAwaiter().GetResult();
    }

    private static async Task RequestAsync(BlockNode node, byte[] model, Random random)
    {
        int length = random.Next(4) == 0 ? random.Next(1, 6000) * 512 : random.Next(1, 64) * 512;
        int offset = random.Next(0, (LongBytes - length) / 512) * 512;
        switch (random.Next(8))
        {
            case 0:
                WriteFlags flags = random.Next(2) == 0 ? WriteFlags.MayUnmap : WriteFlags.None;
                if (random.Next(2) == 0) (offset, length) = (offset & -(1 << 20), Math.Min(3 << 20, LongBytes - (offset & -(1 << 20))));
                await node.WriteZeroesAsync(offset, length, flags, default);
                model.AsSpan(offset, length).Clear();
                break;
            case 1:
                AssertSame(model[offset..(offset + length)], await Read(node, offset, length, cuts: random.Next(1, 5)));
                break;
            case 2:
                await node.FlushAsync(default);
                break;
            default:
                byte[] data = new byte[length];
                random.NextBytes(data);
                await Write(node, offset, data, cuts: random.Next(1, 5), random.Next(8) == 0 ? WriteFlags.Durable : WriteFlags.None);
                data.CopyTo(model, offset);
                break;
        }
    }

    internal static async Task AssertExtents(BlockNode node, byte[] model)
    {
        for (long at = 0; at < model.Length;)
        {
            BlockExtent extent = await node.GetExtentAsync(at, model.Length - at, default);
            Assert.InRange(extent.LengthBytes, 1, model.Length - at);
            if (extent.Kind == BlockExtentKind.Zero) Assert.False(model.AsSpan((int)at, (int)extent.LengthBytes).ContainsAnyExcept((byte)0));
            if (extent.File is not null)
            {
                int length = (int)Math.Min(extent.LengthBytes, 1 << 20);
                AssertSame(model[(int)at..((int)at + length)], await Read(extent.File, extent.FileOffset, length));
            }
            at += extent.LengthBytes;
        }
    }
}
