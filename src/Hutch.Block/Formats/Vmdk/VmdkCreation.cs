using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Vmdk;

/// <summary>Makes new VMDK images.</summary>
internal sealed class VmdkCreation
{
    private const int SectorBytes = 512, DescriptorOffset = 1, DescriptorSectors = 20, GrainSectors = 128, TableSectors = VmdkSparseHeader.TableEntries * 4 / SectorBytes;
    private const long SplitBytes = 2L << 30, MaxDiskBytes = 64L << 40;

    private readonly ImageCreateRequest _request;
    private readonly string _subformat;
    private readonly bool _zeroGrains;
    private readonly uint _parentCid;

    private VmdkCreation(ImageCreateRequest request, uint parentCid)
    {
        _request = request;
        _subformat = Option("subformat") ?? "monolithicSparse";
        _zeroGrains = OptionText.IsOn(request.Options, "zeroed_grain", false);
        _parentCid = parentCid;
    }

    private bool IsFlat => _subformat is "monolithicFlat" or "twoGbMaxExtentFlat";

    private bool IsSplit => _subformat is "twoGbMaxExtentSparse" or "twoGbMaxExtentFlat";

    private bool IsCompressed => _subformat == "streamOptimized";

    /// <summary>Writes a new image; extents apart from <paramref name="file"/> through <see cref="ImageCreateRequest.Files"/>.</summary>
    internal static async ValueTask CreateAsync(BlockNode file, ImageCreateRequest request, CancellationToken cancellation)
    {
        VmdkCreation creation = new(request, VmdkDescriptor.NoParent);
        creation.Check();
        uint parent = await FindParentCidAsync(file, request, cancellation).ConfigureAwait(false);
        await new VmdkCreation(request, parent).WriteAsync(file, cancellation).ConfigureAwait(false);
    }

    private void Check()
    {
        if (_subformat is not ("monolithicSparse" or "monolithicFlat" or "twoGbMaxExtentSparse" or "twoGbMaxExtentFlat" or "streamOptimized"))
            throw new ImageException($"invalid parameter value: {_subformat}");
        if (Option("adapter_type") is string adapter && adapter is not ("ide" or "lsilogic" or "buslogic" or "legacyESX")) throw new ImageException($"invalid parameter value: {adapter}");
        if (OptionText.IsOn(_request.Options, "compat6", false) && Option("hwversion") is not (null or "undefined")) throw new ImageException("compat6 cannot be enabled with hwversion set");
        if (IsFlat && _zeroGrains) throw new ImageException("Flat image can't enable zeroed grain");
        if (IsFlat && Option("backing_file") is not null) throw new ImageException("Flat image can't have backing file");
        if (Option("backing_fmt") is string format and not "vmdk") throw new ImageException($"Invalid backing file format: {format}. Must be vmdk");
        if (_request.LengthBytes > MaxDiskBytes) throw new ImageException("The image size is too large for file format 'vmdk'");
    }

    private static async ValueTask<uint> FindParentCidAsync(BlockNode file, ImageCreateRequest request, CancellationToken cancellation)
    {
        if (!request.Options.TryGetValue("backing_file", out string? name)) return VmdkDescriptor.NoParent;
        if (request.References is null) throw new ImageException("Failed to read parent CID");
        ImageReference reference = new(ImageReferenceKind.Backing, name, request.Options.GetValueOrDefault("backing_fmt"));
        BlockNode? parent = await request.References.OpenAsync(reference, file, readOnly: true, cancellation).ConfigureAwait(false);
        if (parent is null) throw new ImageException("Failed to read parent CID");
        await using (parent.ConfigureAwait(false)) return parent is VmdkNode node ? node.Cid : throw new ImageException("backing_file must be a vmdk image");
    }

    private async ValueTask WriteAsync(BlockNode file, CancellationToken cancellation)
    {
        string name = Path.GetFileName(file.Filename);
        if (!IsFlat && !IsSplit)
        {
            await WriteSparseAsync(file, _request.LengthBytes, cancellation).ConfigureAwait(false);
            byte[] embedded = Describe([ExtentLine(_request.LengthBytes, name)]);
            if (embedded.Length > DescriptorSectors * SectorBytes) throw new ImageException("VMDK description file too big");
            await file.WriteBytesAsync(DescriptorOffset * SectorBytes, embedded, WriteFlags.None, cancellation).ConfigureAwait(false);
            return;
        }
        if (_request.Files is null) throw new ImageException($"Subformat '{_subformat}' needs other files beside the image");
        List<string> lines = [];
        int index = 1;
        for (long done = 0; done < _request.LengthBytes || lines.Count == 0; index++)
        {
            long length = IsSplit ? Math.Min(SplitBytes, _request.LengthBytes - done) : _request.LengthBytes;
            string extent = ExtentName(name, index);
            string path = Path.Combine(Path.GetDirectoryName(file.Filename) ?? "", extent);
            BlockNode part = await _request.Files.CreateAsync(path, IsFlat ? length : 0, Preallocation.Off, cancellation).ConfigureAwait(false);
            await using (part.ConfigureAwait(false))
                if (!IsFlat) await WriteSparseAsync(part, length, cancellation).ConfigureAwait(false);
            lines.Add(ExtentLine(length, extent));
            done += length;
        }
        await file.WriteBytesAsync(0, Describe(lines), WriteFlags.None, cancellation).ConfigureAwait(false);
    }

    // disk.vmdk: disk-flat.vmdk, disk-f001.vmdk, disk-s001.vmdk.
    private string ExtentName(string name, int index)
    {
        string stem = name.EndsWith(".vmdk", StringComparison.Ordinal) ? name[..^5] : name, end = name[stem.Length..];
        return IsSplit ? string.Create(CultureInfo.InvariantCulture, $"{stem}-{(IsFlat ? 'f' : 's')}{index:d3}{end}") : $"{stem}-flat{end}";
    }

    private string ExtentLine(long lengthBytes, string name) =>
        string.Create(CultureInfo.InvariantCulture, $"RW {(lengthBytes + SectorBytes - 1) / SectorBytes} {(IsFlat ? "FLAT" : "SPARSE")} \"{name}\"{(IsFlat ? " 0" : "")}\n");

    private byte[] Describe(List<string> extents)
    {
        string adapter = Option("adapter_type") ?? "ide";
        int heads = adapter == "ide" ? 16 : 255;
        string version = Option("hwversion") is string asked and not "undefined" ? asked : OptionText.IsOn(_request.Options, "compat6", false) ? "6" : "4";
        string parent = Option("backing_file") is string name ? $"parentFileNameHint=\"{name}\"\n" : "";
        string text = string.Create(CultureInfo.InvariantCulture, $"""
            # Disk DescriptorFile
            version=1
            CID={VmdkDescriptorText.NewCid():x8}
            parentCID={_parentCid:x8}
            createType="{_subformat}"
            {parent}
            # Extent description
            {string.Concat(extents)}
            # The Disk Data Base
            #DDB

            ddb.virtualHWVersion = "{version}"
            ddb.geometry.cylinders = "{_request.LengthBytes / (63L * heads * SectorBytes)}"
            ddb.geometry.heads = "{heads}"
            ddb.geometry.sectors = "63"
            ddb.adapterType = "{adapter}"
            ddb.toolsVersion = "{Option("toolsversion") ?? "2147483647"}"

            """);
        return Encoding.UTF8.GetBytes(text);
    }

    // Header, room for a descriptor, both directories with their tables, and grains from a grain's boundary on.
    private async ValueTask WriteSparseAsync(BlockNode file, long lengthBytes, CancellationToken cancellation)
    {
        long capacity = (lengthBytes + SectorBytes - 1) / SectorBytes;
        long grains = (capacity + GrainSectors - 1) / GrainSectors;
        int tables = (int)((grains + VmdkSparseHeader.TableEntries - 1) / VmdkSparseHeader.TableEntries);
        long directorySectors = ((tables * 4L) + SectorBytes - 1) / SectorBytes, all = directorySectors + ((long)tables * TableSectors);
        long redundant = DescriptorOffset + DescriptorSectors, directory = redundant + all, overhead = (directory + all + GrainSectors - 1) / GrainSectors * GrainSectors;
        VmdkSparseHeader header = new()
        {
            Version = IsCompressed ? 3u : _zeroGrains ? 2u : 1,
            Flags = VmdkSparseHeader.FlagsOf(IsCompressed, _zeroGrains),
            CapacitySectors = capacity,
            GrainBytes = GrainSectors * SectorBytes,
            DescriptorOffset = DescriptorOffset,
            DescriptorSectors = DescriptorSectors,
            RedundantOffset = redundant,
            DirectoryOffset = directory,
            OverheadSectors = overhead,
        };
        await file.ResizeAsync(overhead * SectorBytes, Preallocation.Off, cancellation).ConfigureAwait(false);
        await file.WriteBytesAsync(0, header.ToBytes(), WriteFlags.None, cancellation).ConfigureAwait(false);
        foreach (long start in (long[])[redundant, directory])
        {
            byte[] entries = new byte[tables * 4];
            for (int i = 0; i < tables; i++) BinaryPrimitives.WriteUInt32LittleEndian(entries.AsSpan(i * 4), (uint)(start + directorySectors + ((long)i * TableSectors)));
            await file.WriteBytesAsync(start * SectorBytes, entries, WriteFlags.None, cancellation).ConfigureAwait(false);
        }
    }

    private string? Option(string name) => _request.Options.GetValueOrDefault(name);
}
