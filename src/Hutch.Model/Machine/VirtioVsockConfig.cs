namespace Hutch.Model.Machine;

/// <summary>Sockets between guest and host (virtio 1.2 §5.10) that the host has as UNIX sockets.</summary>
/// <param name="Id">Device name.</param>
/// <param name="Cid">The guest's context id, <see cref="LeastCid"/> to <see cref="MostCid"/>.</param>
/// <param name="Path">The socket by which the host connects to the guest's ports; the guest connects to the host's port P by PATH_P.</param>
public sealed record VirtioVsockConfig(string Id, uint Cid, string Path) : DeviceConfig(Id)
{
    /// <summary>The least context id of a guest; those below have other meanings.</summary>
    public const uint LeastCid = 3;

    /// <summary>The largest one; that above means any.</summary>
    public const uint MostCid = uint.MaxValue - 1;
}
