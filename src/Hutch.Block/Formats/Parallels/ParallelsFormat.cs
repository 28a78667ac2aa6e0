using System;
using System.Buffers.Binary;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Formats.Mapped;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Parallels;

/// <summary>Parallels disks (QEMU docs/interop/parallels.txt), read only: a header of 64 bytes, little-endian, and a block table behind it.</summary>
internal sealed class ParallelsFormat : ReadOnlyFormat
{
    private const int HeaderBytes = 64, SectorBytes = 512, MaxBlockBytes = 1 << 30;
    private const uint MaxBlocks = int.MaxValue / 4;

    private ParallelsFormat() { }

    /// <summary>The format.</summary>
    internal static ParallelsFormat Instance { get; } = new();

    /// <inheritdoc/>
    public override string Name => "parallels";

    private static ReadOnlySpan<byte> Magic => "WithoutFreeSpace"u8;

    private static ReadOnlySpan<byte> ExtendedMagic => "WithouFreSpacExt"u8;

    /// <inheritdoc/>
    public override int Probe(ReadOnlySpan<byte> head, string fileName) =>
        head.Length >= HeaderBytes && (head.StartsWith(Magic) || head.StartsWith(ExtendedMagic)) && BinaryPrimitives.ReadUInt32LittleEndian(head[16..]) == 2 ? 100 : 0;

    /// <inheritdoc/>
    public override async ValueTask<ImageNode> OpenAsync(BlockNode file, ImageOpenOptions options, CancellationToken cancellation)
    {
        byte[] head = new byte[HeaderBytes];
        await file.ReadBytesAsync(0, head, cancellation).ConfigureAwait(false);
        if (Probe(head, "") == 0) throw new ImageException("Image not in Parallels format");
        CheckReadOnly(options);
        bool isExtended = head.AsSpan().StartsWith(ExtendedMagic);
        uint tracks = BinaryPrimitives.ReadUInt32LittleEndian(head.AsSpan(28)), blocks = BinaryPrimitives.ReadUInt32LittleEndian(head.AsSpan(32));
        ulong sectors = isExtended ? BinaryPrimitives.ReadUInt64LittleEndian(head.AsSpan(36)) : BinaryPrimitives.ReadUInt32LittleEndian(head.AsSpan(36));
        if (tracks == 0) throw new ImageException("Invalid image: Zero sectors per track");
        if (tracks > MaxBlockBytes / SectorBytes) throw new ImageException("Invalid image: Too big cluster");
        if (blocks > MaxBlocks) throw new ImageException("Catalog too large");
        if (sectors > (ulong)blocks * tracks) throw new ImageException("Catalog is too small for this disk size");
        if (HeaderBytes + (blocks * 4L) > file.LengthBytes) throw new ImageException("Catalog is cut off by the file's end");
        return new ReadOnlyImageNode(new ParallelsMap(file, (long)sectors * SectorBytes, (int)tracks * SectorBytes, (int)blocks, isExtended ? tracks : 1), this, null);
    }

    /// <summary>The block table: for each block its place in sectors, or in blocks; 0 for none.</summary>
    private sealed class ParallelsMap : ReadOnlyMap
    {
        private const int PageBytes = 4096, PageEntries = PageBytes / 4;

        private readonly TablePages _table;
        private readonly long _unitBytes;

        internal ParallelsMap(BlockNode file, long lengthBytes, int blockBytes, int blocks, uint unitSectors) : base(file, null, lengthBytes, blockBytes)
        {
            _unitBytes = (long)unitSectors * SectorBytes;
            _table = new TablePages(file, PageBytes, (int)((blocks + (long)PageEntries - 1) / PageEntries), static page => HeaderBytes + ((long)page * PageBytes), blocks * 4L);
        }

        /// <inheritdoc/>
        protected override bool TryFind(long offset, long lengthBytes, out MapRun run)
        {
            long block = offset / BlockBytes;
            int within = (int)(offset % BlockBytes);
            run = default;
            if (_table.Find((int)(block / PageEntries)) is not byte[] page) return false;
            long place = BinaryPrimitives.ReadUInt32LittleEndian(page.AsSpan((int)(block % PageEntries) * 4)) * _unitBytes, length = Math.Min(lengthBytes, BlockBytes - within);
            if (place >= File.LengthBytes) throw new BlockIoException($"\"{File.Filename}\": block {block} has its place outside the file.");
            run = place == 0 ? new MapRun(MapKind.Hole, length) : new MapRun(MapKind.Data, length, place + within);
            return true;
        }

        /// <inheritdoc/>
        protected override ValueTask LoadAsync(long offset, CancellationToken cancellation) => _table.LoadAsync((int)(offset / BlockBytes / PageEntries), cancellation);

        /// <inheritdoc/>
        public override void Dispose()
        {
            _table.Dispose();
            base.Dispose();
        }
    }
}
