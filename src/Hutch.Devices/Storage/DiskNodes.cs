using System;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Block.Jobs;
using Hutch.Core.State;

namespace Hutch.Devices.Storage;

/// <summary>What every controller does with a disk's node while the machine stands: waiting costs nobody anything then.</summary>
internal static class DiskNodes
{
    /// <summary>An exception by which storage refuses or fails a request.</summary>
    internal static bool IsFailure(Exception e) => e is BlockIoException or ImageException;

    /// <summary>What the guest believes to be on the disk must be there before the state that believes it. Throws <see cref="StateException"/>.</summary>
    internal static void FlushForState(BlockNode node, string disk)
    {
        try
        {
            Blocking.Wait(node.FlushAsync(default));
        }
        catch (Exception refused) when (IsFailure(refused))
        {
            throw new StateException($"The disk {disk} cannot be flushed: {refused.Message}", refused);
        }
    }

    /// <summary>Saves how long the disk is, or throws <see cref="StateException"/> where it was another when the state was saved.</summary>
    internal static void ExchangeSectors(StateFields fields, string disk, ulong sectors)
    {
        ulong saved = sectors;
        fields.Value("sectors", ref saved);
        if (saved != sectors)
            throw new StateException($"The disk {disk} had {saved} sectors when the state was saved and has {sectors} now; restore with the image of that time.");
    }

    /// <summary>Makes a disk longer, and it alone: its device tells the guest. Throws <see cref="ConfigException"/>.</summary>
    internal static void Grow(BlockNode node, string disk, long lengthBytes)
    {
        if (node.Limits.IsReadOnly) throw new ConfigException($"The disk {disk} is read-only and keeps its size.");
        try
        {
            Blocking.Wait(node.ResizeAsync(lengthBytes, Preallocation.Off, default));
        }
        catch (Exception refused) when (IsFailure(refused))
        {
            throw new ConfigException($"The disk {disk} cannot be resized: {refused.Message.TrimEnd('.')}.", refused);
        }
    }

    /// <summary>Flushes and closes.</summary>
    internal static void Close(BlockNode node)
    {
        try
        {
            Blocking.Wait(node.FlushAsync(default));
        }
        catch (Exception refused) when (IsFailure(refused))
        {
            // The guest was never told that these writes are durable, and nobody is left to tell.
        }
        Blocking.Wait(node.DisposeAsync());
    }
}
