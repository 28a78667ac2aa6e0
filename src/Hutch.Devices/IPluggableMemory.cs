using Hutch.Model.Control;

namespace Hutch.Devices;

/// <summary>Memory that is plugged in while the guest runs, as the machine's owner sees it besides its device. Any thread.</summary>
public interface IPluggableMemory
{
    /// <summary>The guest's driver is active.</summary>
    bool HasDriver { get; }

    /// <summary>How much of it the guest is to have, has, and can have.</summary>
    PluggableMemoryInfo Look();

    /// <summary>Asks the guest to have so many bytes of it, rounded up to what it is plugged in by.</summary>
    void SetTarget(ulong bytes);
}
