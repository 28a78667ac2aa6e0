using System;
using System.Collections.Generic;
using System.IO;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Files;
using Hutch.Block.Formats;
using Hutch.Block.Formats.Qcow2;
using Hutch.Block.Graph;
using Hutch.Block.Jobs;
using Xunit;

namespace Hutch.Block.Tests.Formats.Qcow2;

/// <summary>Our images in qemu-img's hands, and its images in ours.</summary>
public sealed class Qcow2QemuTests : IDisposable
{
    private const int LengthBytes = 5 << 20;

    private readonly string _folder = Directory.CreateTempSubdirectory("qcow2").FullName;

    [QemuTheory("qemu-img")]
    [InlineData("")]
    [InlineData("cluster_size=512")]
    [InlineData("cluster_size=2M")]
    [InlineData("compat=0.10")]
    [InlineData("extended_l2=on")]
    [InlineData("refcount_bits=1")]
    [InlineData("refcount_bits=64,cluster_size=1k")]
    [InlineData("lazy_refcounts=on")]
    [InlineData("compression_type=zstd")]
    [InlineData("preallocation=metadata")]
    [InlineData("preallocation=full,cluster_size=4k")]
    public async Task Our_images_pass_its_check_and_have_our_content(string options)
    {
        MemoryFile file = await Qcow2Images.CreateAsync(LengthBytes, options);
        byte[] model = new byte[LengthBytes];
        await using (Qcow2Node node = await Qcow2Images.OpenAsync(file)) await Fill(node, model);
        string image = Path.Combine(_folder, "image"), raw = Path.Combine(_folder, "raw");
        await File.WriteAllBytesAsync(image, file.Content);
        await File.WriteAllBytesAsync(raw, model);
        Assert.Contains("No errors were found", QemuImg("check", "-f", "qcow2", image), StringComparison.Ordinal);
        Assert.Contains("identical", QemuImg("compare", "-f", "qcow2", "-F", "raw", image, raw), StringComparison.Ordinal);
    }

    [QemuTheory("qemu-img")]
    [InlineData("", "")]
    [InlineData("", "-c")]
    [InlineData("compression_type=zstd", "-c")]
    [InlineData("cluster_size=512", "")]
    [InlineData("compat=0.10,cluster_size=4k", "-c")]
    [InlineData("extended_l2=on", "")]
    [InlineData("extended_l2=on,cluster_size=256k", "-c")]
    [InlineData("refcount_bits=8,cluster_size=2M", "")]
    public async Task Its_images_read_as_what_it_put_in_and_can_be_written(string options, string flag)
    {
        byte[] model = new byte[LengthBytes];
        Random random = new(7);
        for (int at = 0; at < LengthBytes; at += 65536 * random.Next(1, 5))
            for (int i = 0; i < 50000 && at + i < LengthBytes; i++) model[at + i] = (byte)(random.Next(4) == 0 ? random.Next(256) : i >> 9);
        string image = Path.Combine(_folder, "image"), raw = Path.Combine(_folder, "raw");
        await File.WriteAllBytesAsync(raw, model);
        string[] arguments = ["convert", "-f", "raw", "-O", "qcow2", .. flag.Length == 0 ? [] : new[] { flag }, .. options.Length == 0 ? [] : new[] { "-o", options }, raw, image];
        QemuImg(arguments);
        MemoryFile file = new(await File.ReadAllBytesAsync(image));
        await using (Qcow2Node node = await Qcow2Images.OpenAsync(file))
        {
            Assert.Equal(model, await BlockNodeContract.Read(node, 0, LengthBytes));
            await Fill(node, model);
        }
        Assert.Equal((0, 0), Qcow2Images.Examine(file.Content));
        await File.WriteAllBytesAsync(image, file.Content);
        await File.WriteAllBytesAsync(raw, model);
        Assert.Contains("No errors were found", QemuImg("check", "-f", "qcow2", image), StringComparison.Ordinal);
        Assert.Contains("identical", QemuImg("compare", "-f", "qcow2", "-F", "raw", image, raw), StringComparison.Ordinal);
    }

    [QemuTheory("qemu-img")]
    [InlineData("")]
    [InlineData("cluster_size=512")]
    [InlineData("compat=0.10")]
    [InlineData("extended_l2=on,compression_type=zstd,lazy_refcounts=on")]
    [InlineData("cluster_size=2M,refcount_bits=64")]
    [InlineData("preallocation=metadata")]
    [InlineData("preallocation=metadata,cluster_size=1k")]
    public async Task A_new_image_is_byte_for_byte_its_new_image(string options)
    {
        string image = Path.Combine(_folder, "image");
        QemuImg(["create", "-f", "qcow2", .. options.Length == 0 ? [] : new[] { "-o", options }, image, "20M"]);
        byte[] theirs = await File.ReadAllBytesAsync(image), ours = (await Qcow2Images.CreateAsync(20 << 20, options)).Content;
        int common = Math.Min(ours.Length, theirs.Length);
        Assert.Equal(theirs[..common], ours[..common]);
        // The longer one has zeros only, less than a cluster of them.
        Assert.InRange(Math.Abs(ours.Length - theirs.Length), 0, 2 << 20);
    }

    [QemuTheory("qemu-img")]
    [InlineData("encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10")]
    [InlineData("encrypt.format=aes,encrypt.key-secret=s")]
    public async Task Encrypted_images_are_the_same_to_both(string options)
    {
        byte[] model = new byte[LengthBytes];
        string image = Path.Combine(_folder, "image"), raw = Path.Combine(_folder, "raw"), reference = $"driver=qcow2,file.filename={image},encrypt.key-secret=s";
        MemoryFile file = new();
        Secrets secrets = new();
        await Qcow2Format.Instance.CreateAsync(file, new ImageCreateRequest { LengthBytes = LengthBytes, Options = Qcow2Images.Parse(options), Secrets = secrets }, default);
        ImageOpenOptions open = new() { ReadOnly = false, Secrets = secrets, Options = Qcow2Images.Parse("encrypt.key-secret=s") };
        await using (ImageNode node = await Qcow2Format.Instance.OpenAsync(file, open, default)) await Fill(node, model);
        await File.WriteAllBytesAsync(image, file.Content);
        await File.WriteAllBytesAsync(raw, model);
        Assert.Contains("identical", QemuImg("compare", "--object", "secret,id=s,data=opensesame", "--image-opts", reference, $"driver=raw,file.filename={raw}"), StringComparison.Ordinal);
        Assert.Contains("No errors were found", QemuImg("check", "--object", "secret,id=s,data=opensesame", "--image-opts", reference), StringComparison.Ordinal);
        File.Delete(image);
        QemuImg("convert", "--object", "secret,id=s,data=opensesame", "-f", "raw", "-O", "qcow2", "-o", options, raw, image);
        await using ImageNode theirs = await Qcow2Format.Instance.OpenAsync(new MemoryFile(await File.ReadAllBytesAsync(image)), open with { ReadOnly = true }, default);
        Assert.Equal(model, await BlockNodeContract.Read(theirs, 0, LengthBytes));
    }

    // What nobody wrote has a cluster there, and would decrypt to noise.
    [QemuTheory("qemu-img")]
    [InlineData("format=luks,encrypt.iter-time=10", "metadata")]
    [InlineData("format=luks,encrypt.iter-time=10", "full")]
    [InlineData("format=aes", "metadata")]
    [InlineData("format=aes", "off")]
    public async Task A_sparse_disk_is_the_same_in_an_encrypted_image_that_was_preallocated(string encryption, string preallocation)
    {
        byte[] model = new byte[LengthBytes];
        new Random(2).NextBytes(model.AsSpan(1 << 20, 70000));
        string image = Path.Combine(_folder, "image"), raw = Path.Combine(_folder, "raw"), reference = $"driver=qcow2,file.filename={image},encrypt.key-secret=s";
        await File.WriteAllBytesAsync(raw, model);
        Dictionary<string, string> options = Qcow2Images.Parse($"encrypt.{encryption},encrypt.key-secret=s,preallocation={preallocation}");
        await File.WriteAllBytesAsync(image, []);
        Secrets secrets = new();
        await BlockGraph.CreateAsync(new BlockCreateRequest { Filename = image, Format = Qcow2Format.Instance, LengthBytes = LengthBytes, Options = options, Secrets = secrets }, default);
        BlockOpenRequest open = new() { Filename = image, Format = "qcow2", ReadOnly = false, Secrets = secrets, Options = Qcow2Images.Parse("encrypt.key-secret=s") };
        await using (ImageNode target = await BlockGraph.OpenAsync(open, default))
        await using (ImageNode source = await BlockGraph.OpenAsync(new BlockOpenRequest { Filename = raw, Format = "raw", ReadOnly = true }, default))
        {
            Assert.Equal(preallocation == "off", target.IsZeroWhenNew);
            using CopyJob job = new([source], target, new CopyOptions { TargetIsZero = target.IsZeroWhenNew }, default);
            job.Run();
            await target.FlushAsync(default);
            Assert.Equal(model, await BlockNodeContract.Read(target, 0, LengthBytes));
        }
        Assert.Contains("identical", QemuImg("compare", "--object", "secret,id=s,data=opensesame", "--image-opts", reference, $"driver=raw,file.filename={raw}"), StringComparison.Ordinal);
        File.Delete(image);
        QemuImg("convert", "--object", "secret,id=s,data=opensesame", "-f", "raw", "-O", "qcow2", "-o", $"encrypt.{encryption},encrypt.key-secret=s,preallocation={preallocation}", raw, image);
        await using ImageNode theirs = await BlockGraph.OpenAsync(open with { ReadOnly = true }, default);
        Assert.Equal(model, await BlockNodeContract.Read(theirs, 0, LengthBytes));
    }

    [QemuFact("qemu-img")]
    public async Task A_file_on_disk_works_like_one_in_memory()
    {
        string image = Path.Combine(_folder, "image");
        byte[] model = new byte[LengthBytes];
        await File.WriteAllBytesAsync(image, []);
        await using (BlockNode file = FileNode.Open(image, new FileOpenOptions()))
            await Qcow2Format.Instance.CreateAsync(file, new ImageCreateRequest { LengthBytes = LengthBytes, Options = Qcow2Images.Parse("") }, CancellationToken.None);
        await using (ImageNode node = await BlockGraph.OpenAsync(new BlockOpenRequest { Filename = image }, CancellationToken.None))
        {
            Assert.IsType<Qcow2Node>(node);
            await Fill(node, model);
        }
        await File.WriteAllBytesAsync(Path.Combine(_folder, "raw"), model);
        Assert.Contains("No errors were found", QemuImg("check", "-f", "qcow2", image), StringComparison.Ordinal);
        Assert.Contains("identical", QemuImg("compare", "-f", "qcow2", "-F", "raw", image, Path.Combine(_folder, "raw")), StringComparison.Ordinal);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static async Task Fill(ImageNode node, byte[] model)
    {
        Random random = new(3);
        for (int i = 0; i < (node.ClusterBytes > 1 << 20 ? 8 : 30); i++)
        {
            int offset = random.Next(LengthBytes / 512) * 512, length = Math.Min(LengthBytes - offset, random.Next(1, 300) * 512);
            switch (random.Next(5))
            {
                case 0:
                    await node.WriteZeroesAsync(offset, length, WriteFlags.MayUnmap, default);
                    model.AsSpan(offset, length).Clear();
                    break;
                case 1 when node.CanCompress:
                    offset = offset / node.ClusterBytes * node.ClusterBytes;
                    byte[] plain = new byte[Math.Min(node.ClusterBytes, LengthBytes - offset)];
                    for (int j = 0; j < plain.Length; j++) plain[j] = (byte)(j >> random.Next(5, 9));
                    await BlockNodeContract.Write(node, offset, plain, flags: WriteFlags.Compressed);
                    plain.CopyTo(model, offset);
                    break;
                default:
                    byte[] data = new byte[length];
                    random.NextBytes(data);
                    await BlockNodeContract.Write(node, offset, data);
                    data.CopyTo(model, offset);
                    break;
            }
        }
    }

    private static string QemuImg(params string[] arguments) => Qemu.Run("qemu-img", arguments).Text;

    private sealed class Secrets : ISecrets
    {
        public byte[]? Find(string id) => id == "s" ? "opensesame"u8.ToArray() : null;
    }
}
