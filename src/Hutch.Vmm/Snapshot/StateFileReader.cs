using System;
using System.Buffers.Binary;
using System.IO;
using Hutch.Core.Memory;
using Hutch.Core.State;
using Hutch.Host.Files;
using Hutch.Host.Linux;

namespace Hutch.Vmm.Snapshot;

/// <summary>
/// An open state file whose header, sections and page index have been checked. The file may be anybody's: what is wrong with it is a
/// <see cref="StateException"/> with one sentence, before anything of it is used.
/// </summary>
internal sealed class StateFileReader : IDisposable
{
    private readonly DiskFile _file;
    private readonly StateFileHeader _header;
    private readonly byte[] _index;

    private StateFileReader(DiskFile file)
    {
        _file = file;
        if (file.Kind != DiskFileKind.Regular) throw Unusable("it is no regular file");
        byte[] first = new byte[StateFileLayout.HeaderBytes];
        file.Read(0, first);
        _header = StateFileHeader.Read(first, out string reason) ?? throw Unusable(reason);
        if (file.GetLengthBytes() < _header.RamOffset + _header.RamBytes) throw Unusable("it is cut off");
        byte[] body = new byte[_header.SectionBytes];
        file.Read(StateFileLayout.HeaderBytes, body);
        if (StateFileLayout.Checksum(body) != _header.SectionChecksum) throw Unusable("its sections are damaged");
        _index = new byte[_header.IndexBytes];
        file.Read(_header.IndexOffset, _index);
        if (StateFileLayout.Checksum(_index) != _header.IndexChecksum) throw Unusable("its page index is damaged");
        Sections = StateSections.Read(body);
    }

    /// <summary>The sections.</summary>
    internal StateSections Sections { get; }

    /// <summary>Guest RAM in bytes.</summary>
    internal ulong RamBytes => (ulong)_header.RamBytes;

    /// <summary>Opens a file and checks all of it but RAM.</summary>
    internal static StateFileReader Open(string path)
    {
        DiskFile? file = null;
        try
        {
            file = DiskFile.Open(path, readOnly: true);
            return new StateFileReader(file);
        }
        catch (Exception refused) when (refused is IOException or LinuxException)
        {
            file?.Dispose();
            throw new StateException($"The state file {path} cannot be read: {refused.Message}", refused);
        }
        catch (StateException)
        {
            file?.Dispose();
            throw;
        }
    }

    /// <summary>Checks RAM and gives it to the guest.</summary>
    /// <param name="memory">RAM of <see cref="RamBytes"/>, all zero.</param>
    /// <param name="byMapping">The guest reads pages from the file as it touches them; else they are copied now.</param>
    internal void Load(GuestMemory memory, bool byMapping)
    {
        if (memory.LengthBytes != RamBytes) throw Unusable($"it holds {RamBytes} bytes of memory and its definition says {memory.LengthBytes}");
        byte[] chunk = new byte[StateFileLayout.ChunkBytes];
        for (long number = 0; number < _header.Chunks; number++)
        {
            long start = number * StateFileLayout.ChunkBytes;
            Span<byte> bytes = chunk.AsSpan(0, (int)Math.Min(StateFileLayout.ChunkBytes, _header.RamBytes - start));
            if (!IsSound(number, start, bytes)) throw Unusable($"its memory is damaged between {start} and {start + bytes.Length}");
            if (!byMapping && bytes.ContainsAnyExcept((byte)0)) memory.CopyIn((ulong)start, bytes);
        }
        if (byMapping) memory.ShowFile(_file, _header.RamOffset);
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    // Marked pages have the chunk's checksum, others are zero. A hole is not read: it can hold nothing.
    private bool IsSound(long number, long start, Span<byte> bytes)
    {
        long offset = _header.RamOffset + start;
        (bool hasData, long end) = _file.FindExtent(offset, _header.RamOffset + _header.RamBytes);
        bool isHole = !hasData && end >= offset + bytes.Length;
        if (isHole) bytes.Clear();
        else _file.Read(offset, bytes);
        uint sum = 0;
        for (int at = 0; at < bytes.Length; at += StateFileLayout.PageBytes)
        {
            ReadOnlySpan<byte> page = bytes.Slice(at, StateFileLayout.PageBytes);
            long index = (start + at) / StateFileLayout.PageBytes;
            if ((_index[index / 8] >> (int)(index % 8) & 1) != 0) sum = StateFileLayout.Checksum(page, sum);
            else if (!isHole && page.ContainsAnyExcept((byte)0)) return false;
        }
        return sum == BinaryPrimitives.ReadUInt32LittleEndian(_index.AsSpan((int)(_header.BitmapBytes + (number * sizeof(uint)))));
    }

    private StateException Unusable(string reason) => new($"The state file {_file.Path} cannot be used: {reason}.");
}
