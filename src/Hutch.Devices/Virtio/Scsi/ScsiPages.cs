using System;
using System.Buffers.Binary;
using System.Numerics;
using System.Text;

namespace Hutch.Devices.Virtio.Scsi;

/// <summary>What a disk says of itself: INQUIRY data, vital product data, mode pages, capacity (SPC-4 §6.4, §7.5, §7.8; SBC-3 §5.15, §6.5). Any worker.</summary>
internal sealed class ScsiPages(ScsiDisk disk)
{
    /// <summary>Mode pages.</summary>
    internal const int CachingPage = 0x08, AllPages = 0x3f;

    /// <summary>Bytes of standard INQUIRY data.</summary>
    internal const int InquiryBytes = 36;

    private const byte SupportedPages = 0x00, SerialNumber = 0x80, Identification = 0x83, BlockLimits = 0xb0, Characteristics = 0xb1, Provisioning = 0xb2;
    private const int PageHeader = 4, LongPageBytes = 0x3c, VendorBytes = 8, ProductBytes = 16, RevisionBytes = 4;
    private const string Vendor = "HUTCH", Product = "Hutch disk", Revision = "1.0";

    private static ReadOnlySpan<byte> Pages => [SupportedPages, SerialNumber, Identification, BlockLimits, Characteristics, Provisioning];

    /// <summary>Standard INQUIRY data. Returns its length.</summary>
    internal static int WriteInquiry(Span<byte> answer, bool isThere)
    {
        answer[..InquiryBytes].Clear();
        answer[0] = (byte)(isThere ? 0x00 : 0x7f);              // a disk; nothing, and nothing can be
        answer[2] = 6;                                          // SPC-4
        answer[3] = 0x12;                                       // numbers of logical units in their levels, this format
        answer[4] = InquiryBytes - 5;
        answer[7] = 2;                                          // queued commands
        Text(answer.Slice(8, VendorBytes), Vendor);
        Text(answer.Slice(16, ProductBytes), Product);
        Text(answer.Slice(32, RevisionBytes), Revision);
        return InquiryBytes;
    }

    /// <summary>A page of vital product data, into cleared bytes. Returns its length; 0: there is no such page.</summary>
    internal int Write(byte page, Span<byte> answer)
    {
        answer[1] = page;
        Span<byte> body = answer[PageHeader..];
        int length = page switch
        {
            SupportedPages => Copy(Pages, body),
            SerialNumber => Encoding.ASCII.GetBytes(disk.Serial, body),
            Identification => WriteIdentification(body),
            BlockLimits => WriteLimits(body),
            Characteristics => WriteCharacteristics(body),
            Provisioning => WriteProvisioning(body),
            _ => -PageHeader,
        };
        answer[3] = (byte)Math.Max(0, length);
        return PageHeader + length;
    }

    /// <summary>Mode parameters with the caching page, which is the only one, into cleared bytes. Returns their length.</summary>
    /// <param name="answer">Where to.</param>
    /// <param name="isLong">For MODE SENSE (10).</param>
    /// <param name="hasBlocks">With a block descriptor.</param>
    /// <param name="showsChangeable">Which bits can be changed: none.</param>
    internal int WriteMode(Span<byte> answer, bool isLong, bool hasBlocks, bool showsChangeable)
    {
        const int blockDescriptor = 8, cachingBytes = 0x12;
        int header = isLong ? 8 : 4, at = header;
        if (hasBlocks)
        {
            Put32(answer[at..], (uint)Math.Min(disk.Blocks, uint.MaxValue));
            Put32(answer[(at + 4)..], (uint)disk.BlockBytes);
            at += blockDescriptor;
        }
        answer[at] = CachingPage;
        answer[at + 1] = cachingBytes;
        // What is written may wait in a cache until it is flushed.
        if (!showsChangeable) answer[at + 2] = 0x04;
        at += 2 + cachingBytes;
        byte flags = (byte)(0x10 | (disk.Node.Limits.IsReadOnly ? 0x80 : 0));   // FUA is understood; protected
        byte descriptors = (byte)(hasBlocks ? blockDescriptor : 0);
        if (isLong)
        {
            answer[1] = (byte)(at - 2);
            (answer[3], answer[7]) = (flags, descriptors);
        }
        else
        {
            answer[0] = (byte)(at - 1);
            (answer[2], answer[3]) = (flags, descriptors);
        }
        return at;
    }

    /// <summary>READ CAPACITY data, into cleared bytes. Returns its length.</summary>
    internal int WriteCapacity(Span<byte> answer, bool isLong)
    {
        ulong last = disk.Blocks == 0 ? 0 : disk.Blocks - 1;
        if (!isLong)
        {
            Put32(answer, (uint)Math.Min(last, uint.MaxValue));
            Put32(answer[4..], (uint)disk.BlockBytes);
            return 8;
        }
        BinaryPrimitives.WriteUInt64BigEndian(answer, last);
        Put32(answer[8..], (uint)disk.BlockBytes);
        answer[13] = (byte)BitOperations.Log2((uint)Math.Max(1, disk.Node.Limits.PhysicalBlockBytes / disk.BlockBytes));
        if (disk.CanUnmap) answer[14] = 0x80;                   // space can be given back
        return 32;
    }

    private static int Copy(ReadOnlySpan<byte> source, Span<byte> body)
    {
        source.CopyTo(body);
        return source.Length;
    }

    // One designator: the vendor and the serial number (SPC-4 §7.8.6.4).
    private int WriteIdentification(Span<byte> body)
    {
        (body[0], body[1]) = (2, 1);                            // ASCII; by vendor, of the logical unit
        Text(body.Slice(4, VendorBytes), Vendor);
        int length = VendorBytes + Encoding.ASCII.GetBytes(disk.Serial, body[(4 + VendorBytes)..]);
        body[3] = (byte)length;
        return 4 + length;
    }

    private int WriteLimits(Span<byte> body)
    {
        body[0] = 1;                                            // WRITE SAME of no blocks is refused
        BinaryPrimitives.WriteUInt64BigEndian(body[32..], disk.MostRangeBlocks);
        if (!disk.CanUnmap) return LongPageBytes;
        Put32(body[16..], disk.MostRangeBlocks);
        Put32(body[20..], ScsiRequest.MostRanges);
        Put32(body[24..], (uint)Math.Max(1, disk.Node.Limits.DiscardAlignmentBytes / disk.BlockBytes));
        Put32(body[28..], 0x8000_0000);                         // from the first block on
        return LongPageBytes;
    }

    private static int WriteCharacteristics(Span<byte> body)
    {
        body[1] = 1;                                            // nothing rotates
        return LongPageBytes;
    }

    private int WriteProvisioning(Span<byte> body)
    {
        if (disk.CanUnmap) (body[1], body[2]) = (0xe0, 2);      // UNMAP, WRITE SAME (16) and (10) give back; thin
        return 4;
    }

    private static void Text(Span<byte> field, string text)
    {
        field.Fill((byte)' ');
        Encoding.ASCII.GetBytes(text, field);
    }

    private static void Put32(Span<byte> at, uint value) => BinaryPrimitives.WriteUInt32BigEndian(at, value);
}
