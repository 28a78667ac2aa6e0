using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Vhdx;

/// <summary>Both headers of a file: one is current, the other takes the next change (MS-VHDX §2.2.2.1).</summary>
internal sealed class VhdxHeaders
{
    private readonly BlockNode _file;
    private bool _firstIsCurrent;

    private VhdxHeaders(BlockNode file, VhdxHeader current, bool firstIsCurrent)
    {
        _file = file;
        Current = current;
        _firstIsCurrent = firstIsCurrent;
    }

    /// <summary>The current one.</summary>
    internal VhdxHeader Current { get; private set; }

    /// <summary>Reads both. Throws <see cref="ImageException"/> where none is valid, or they contradict each other.</summary>
    internal static async ValueTask<VhdxHeaders> ReadAsync(BlockNode file, CancellationToken cancellation)
    {
        byte[] one = new byte[VhdxHeader.Bytes], two = new byte[VhdxHeader.Bytes];
        await file.ReadBytesAsync(VhdxHeader.FirstOffset, one, cancellation).ConfigureAwait(false);
        await file.ReadBytesAsync(VhdxHeader.SecondOffset, two, cancellation).ConfigureAwait(false);
        VhdxHeader? first = VhdxHeader.Parse(one), second = VhdxHeader.Parse(two);
        if (first is null && second is null) throw new ImageException("No valid VHDX header found");
        if (first is not null && second is not null && first.Sequence == second.Sequence && first != second) throw new ImageException("No valid VHDX header found");
        bool firstIsCurrent = second is null || (first is not null && first.Sequence >= second.Sequence);
        return new VhdxHeaders(file, firstIsCurrent ? first! : second!, firstIsCurrent);
    }

    /// <summary>Writes a changed header over the one that is not current, durably; then it is.</summary>
    internal async ValueTask UpdateAsync(VhdxHeader changed, CancellationToken cancellation)
    {
        changed = changed with { Sequence = checked(Current.Sequence + 1) };
        await _file.WriteBytesAsync(_firstIsCurrent ? VhdxHeader.SecondOffset : VhdxHeader.FirstOffset, changed.ToBytes(), WriteFlags.None, cancellation).ConfigureAwait(false);
        await _file.FlushAsync(cancellation).ConfigureAwait(false);
        Current = changed;
        _firstIsCurrent = !_firstIsCurrent;
    }
}
