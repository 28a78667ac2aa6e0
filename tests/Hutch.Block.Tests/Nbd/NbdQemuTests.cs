using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading.Tasks;
using Hutch.Block.Graph;
using Hutch.Block.Nbd;
using Hutch.Block.Simulation;
using Xunit;

namespace Hutch.Block.Tests.Nbd;

/// <summary>Our server with QEMU's clients, and our client with QEMU's server.</summary>
public sealed class NbdQemuTests : IDisposable
{
    private const int LengthBytes = 4 << 20;

    private readonly string _folder = Directory.CreateTempSubdirectory("hutch-nbd").FullName;

    [QemuFact("qemu-img", "qemu-io")]
    public async Task Clients_of_the_trade_read_and_write_our_export()
    {
        MemoryNode memory = new(LengthBytes, grows: false);
        await using NbdPair pair = NbdPair.Of(memory);
        Expect("qemu-io", "-f", "raw", "-c", "write -P 5 0 128k", "-c", "write -f -P 6 65000 1000", "-c", "write -z 32k 32k", "-c", "write -z -u 1M 1M", "-c", "discard 2M 1M",
            "-c", "aio_write -P 7 3M 64k", "-c", "aio_flush", "-c", "flush", "-c", "read -P 5 0 32k", "-c", "read -P 0 32k 32k", pair.Uri());
        byte[] model = new byte[LengthBytes];
        model.AsSpan(0, 128 << 10).Fill(5);
        model.AsSpan(65000, 1000).Fill(6);
        model.AsSpan(32 << 10, 32 << 10).Clear();
        model.AsSpan(3 << 20, 64 << 10).Fill(7);
        Assert.Equal(model, await BlockNodeContract.Read(memory, 0, LengthBytes));
        string copy = Path.Combine(_folder, "copy.raw");
        Expect("qemu-img", "convert", "-f", "raw", "-O", "raw", pair.Uri(), copy);
        Assert.Equal(model, File.ReadAllBytes(copy));
        Expect("qemu-img", "compare", "-f", "raw", "-F", "raw", pair.Uri(), copy);
        string map = Expect("qemu-img", "map", "--output=json", "-f", "raw", pair.Uri());
        Assert.Contains("\"start\": 0, \"length\": 32768, \"depth\": 0, \"present\": true, \"zero\": false, \"data\": true", map, StringComparison.Ordinal);
        Assert.Contains("\"start\": 3145728, \"length\": 65536", map, StringComparison.Ordinal);
        Expect("qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", copy, pair.Uri());
        Assert.Equal(model, await BlockNodeContract.Read(memory, 0, LengthBytes));
    }

    [QemuFact("qemu-img", "qemu-nbd")]
    public async Task Clients_of_the_trade_see_names_descriptions_and_read_only()
    {
        MemoryNode memory = new(LengthBytes);
        await using NbdPair pair = new(new NbdServerOptions(),
            new NbdExport { Name = "a", Description = "the first", Node = memory }, new NbdExport { Name = "b", Node = memory, ReadOnly = true, ShowsAllocationDepth = true });
        string list = Expect("qemu-nbd", "-L", "-k", pair.Socket);
        Assert.Contains("exports available: 2", list, StringComparison.Ordinal);
        Assert.Contains("description: the first", list, StringComparison.Ordinal);
        Assert.Contains("readonly", list, StringComparison.Ordinal);
        Assert.Contains("base:allocation", list, StringComparison.Ordinal);
        Assert.Contains("qemu:allocation-depth", list, StringComparison.Ordinal);
        Assert.NotEqual(0, Qemu.Run("qemu-img", "info", pair.Uri("c")).Status);
        Expect("qemu-img", "info", pair.Uri("b"));
    }

    [QemuFact("qemu-nbd")]
    public async Task Our_client_reads_and_writes_an_export_of_the_trade()
    {
        string image = Path.Combine(_folder, "a.raw");
        File.WriteAllBytes(image, new byte[LengthBytes]);
        byte[] model = new byte[LengthBytes];
        using (QemuNbd server = new(_folder, "-f", "raw", "--discard=unmap", image))
        {
            await using BlockNode node = await NbdNode.OpenAsync(server.Client, default);
            Random random = new(11);
            for (int i = 0; i < 200; i++)
            {
                int offset = random.Next(0, LengthBytes - 70000), length = random.Next(1, 70000);
                switch (random.Next(5))
                {
                    case 0:
                        await node.WriteZeroesAsync(offset, length, random.Next(2) == 0 ? WriteFlags.MayUnmap : WriteFlags.Durable, default);
                        model.AsSpan(offset, length).Clear();
                        break;
                    case 1:
                        Assert.Equal(model[offset..(offset + length)], await BlockNodeContract.Read(node, offset, length, cuts: random.Next(1, 9)));
                        break;
                    default:
                        byte[] data = new byte[length];
                        random.NextBytes(data);
                        await BlockNodeContract.Write(node, offset, data, cuts: random.Next(1, 9));
                        data.CopyTo(model, offset);
                        break;
                }
            }
            await node.FlushAsync(default);
            await node.WriteZeroesAsync(1 << 20, 2 << 20, WriteFlags.MayUnmap, default);
            model.AsSpan(1 << 20, 2 << 20).Clear();
            BlockExtent extent = await node.GetExtentAsync(1 << 20, 1 << 20, default);
            Assert.Equal((BlockExtentKind.Zero, 1L << 20), (extent.Kind, extent.LengthBytes));
            await node.DiscardAsync(0, 4096, default);
            await BlockNodeContract.Write(node, 0, model[..4096], flags: WriteFlags.Durable);
        }
        Assert.Equal(model, File.ReadAllBytes(image));
    }

    [QemuFact("qemu-nbd", "qemu-img", "qemu-io")]
    public async Task Our_client_reads_a_dirty_bitmap_of_the_trade()
    {
        string image = Path.Combine(_folder, "a.qcow2");
        Expect("qemu-img", "create", "-q", "-f", "qcow2", image, "4M");
        Expect("qemu-img", "bitmap", "--add", "-g", "64k", image, "b0");
        Expect("qemu-io", "-f", "qcow2", "-c", "write 1M 128k", image);
        Expect("qemu-img", "bitmap", "--disable", image, "b0");
        using QemuNbd server = new(_folder, "-f", "qcow2", "-r", "-B", "b0", image);
        await using BlockNode node = await NbdNode.OpenAsync(server.Client with { ReadOnly = true, Context = "qemu:dirty-bitmap:b0" }, default);
        List<(BlockExtentKind, long)> extents = [];
        for (long at = 0; at < node.LengthBytes;)
        {
            BlockExtent extent = await node.GetExtentAsync(at, node.LengthBytes - at, default);
            extents.Add((extent.Kind, extent.LengthBytes));
            at += extent.LengthBytes;
        }
        // As in QEMU, what is dirty shows as a hole.
        Assert.Equal([(BlockExtentKind.Data, 1L << 20), (BlockExtentKind.Unallocated, 128L << 10), (BlockExtentKind.Data, (3L << 20) - (128 << 10))], extents);
        DiskOpenException e = await Assert.ThrowsAsync<DiskOpenException>(async () => await NbdNode.OpenAsync(server.Client with { ReadOnly = true, Context = "qemu:dirty-bitmap:absent" }, default));
        Assert.Contains("absent", e.Reason, StringComparison.Ordinal);
    }

    [QemuFact("qemu-nbd", "qemu-img")]
    public async Task Both_sides_speak_TLS_with_the_trade()
    {
        string certificates = Certificates.Make(), image = Path.Combine(_folder, "a.raw");
        try
        {
            File.WriteAllBytes(image, Enumerable.Repeat((byte)3, LengthBytes).ToArray());
            using (QemuNbd server = new(_folder, "-f", "raw", "--object", $"tls-creds-x509,id=t0,endpoint=server,dir={certificates},verify-peer=on", "--tls-creds", "t0", image))
            {
                await using BlockNode node = await NbdNode.OpenAsync(server.Client with { Tls = new NbdTls { Folder = certificates, HostName = "localhost" } }, default);
                Assert.Equal([3], await BlockNodeContract.Read(node, 77777, 1));
                await Assert.ThrowsAsync<DiskOpenException>(async () => await NbdNode.OpenAsync(server.Client, default));
            }
            MemoryNode memory = new(LengthBytes);
            memory.Write(0, Enumerable.Repeat((byte)3, LengthBytes).ToArray());
            await using NbdPair pair = new(new NbdServerOptions { Tls = new NbdTls { Folder = certificates } }, new NbdExport { Name = "x", Node = memory });
            Expect("qemu-img", "compare", "--object", $"tls-creds-x509,id=t0,endpoint=client,dir={certificates}", "--image-opts",
                $"driver=raw,file.driver=nbd,file.server.type=unix,file.server.path={pair.Socket},file.export=x,file.tls-creds=t0,file.tls-hostname=localhost", $"driver=raw,file.filename={image}");
        }
        finally
        {
            Directory.Delete(certificates, recursive: true);
        }
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static string Expect(string program, params string[] arguments)
    {
        (int status, string text) = Qemu.Run(program, arguments);
        Assert.True(status == 0, $"{program} {string.Join(' ', arguments)}: {status}\n{text}");
        return text;
    }
}
