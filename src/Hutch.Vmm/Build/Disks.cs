using Hutch.Block;
using Hutch.Block.Graph;
using Hutch.Devices;
using Hutch.Model.Machine;

namespace Hutch.Vmm.Build;

/// <summary>Opens the block graph of a disk.</summary>
internal static class Disks
{
    /// <summary>Opens one. Throws <see cref="ConfigException"/> where that is not possible.</summary>
    internal static BlockNode Open(DiskConfig disk)
    {
        try
        {
            return DiskOpener.Open(disk);
        }
        catch (DiskOpenException refused)
        {
            throw new ConfigException(refused.Message, refused);
        }
    }
}
