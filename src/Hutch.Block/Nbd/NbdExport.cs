using System;
using System.Collections.Generic;
using Hutch.Block.Formats;
using Hutch.Block.Graph;

namespace Hutch.Block.Nbd;

/// <summary>A node that a server offers.</summary>
public sealed class NbdExport
{
    /// <summary>Name; the empty one is what clients ask for that name none.</summary>
    public required string Name { get; init; }

    /// <summary>A line for people; empty for none.</summary>
    public string Description { get; init; } = "";

    /// <summary>The node. It stays the caller's, and open for longer than the server.</summary>
    public required BlockNode Node { get; init; }

    /// <summary>Clients may only read.</summary>
    public bool ReadOnly { get; init; }

    /// <summary>Dirty bitmaps that clients may ask for (qemu:dirty-bitmap:NAME); the node must be an image that has them.</summary>
    public IReadOnlyList<string> Bitmaps { get; init; } = [];

    /// <summary>Clients may ask which layer of the image holds what (qemu:allocation-depth).</summary>
    public bool ShowsAllocationDepth { get; init; }

    /// <summary>Whether clients may write.</summary>
    internal bool IsWritable => !ReadOnly && !Node.Limits.IsReadOnly;

    /// <summary>Contexts of block status by their ids.</summary>
    internal IReadOnlyList<string> Contexts
    {
        get
        {
            List<string> contexts = [NbdProtocol.BaseAllocation];
            if (ShowsAllocationDepth) contexts.Add(NbdProtocol.AllocationDepth);
            foreach (string bitmap in Bitmaps) contexts.Add(NbdProtocol.DirtyBitmapPrefix + bitmap);
            return contexts;
        }
    }

    /// <summary>What the export can, for a client with or without structured replies.</summary>
    internal NbdExportFlags FlagsFor(bool structured)
    {
        NbdExportFlags flags = NbdExportFlags.HasFlags | NbdExportFlags.SendFlush | NbdExportFlags.SendFua | NbdExportFlags.SendCache | NbdExportFlags.CanMultiConnect;
        // A flush of one connection covers what was written over all: they use the same node.
        if (structured) flags |= NbdExportFlags.SendDontFragment;
        if (!IsWritable) return flags | NbdExportFlags.ReadOnly;
        return flags | NbdExportFlags.SendTrim | NbdExportFlags.SendWriteZeroes | NbdExportFlags.SendFastZero;
    }

    /// <summary>State and length of the run at <paramref name="offset"/> in a context.</summary>
    internal async System.Threading.Tasks.ValueTask<NbdExtent> GetStateAsync(string context, long offset, long lengthBytes, System.Threading.CancellationToken cancellation)
    {
        if (context.StartsWith(NbdProtocol.DirtyBitmapPrefix, StringComparison.Ordinal))
        {
            IImageBitmaps bitmaps = (IImageBitmaps)Node;
            (bool isDirty, long length) = await bitmaps.GetDirtyExtentAsync(context[NbdProtocol.DirtyBitmapPrefix.Length..], offset, cancellation).ConfigureAwait(false);
            return new NbdExtent(Math.Clamp(length, 1, lengthBytes), isDirty ? NbdProtocol.StateDirty : 0);
        }
        NbdLayer layer = await NbdLayer.FindAsync(Node, offset, lengthBytes, cancellation).ConfigureAwait(false);
        if (context == NbdProtocol.AllocationDepth) return new NbdExtent(layer.LengthBytes, layer.IsAllocated ? layer.Depth : 0);
        return new NbdExtent(layer.LengthBytes, layer.IsZero ? NbdProtocol.StateHole | NbdProtocol.StateZero : 0);
    }
}
