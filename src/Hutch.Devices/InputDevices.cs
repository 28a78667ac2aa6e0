using System.Collections.Generic;

namespace Hutch.Devices;

/// <summary>What a machine has to type on and to point with. Its devices add themselves while it is built.</summary>
public sealed class InputDevices
{
    /// <summary>Keyboards; a later one is preferred while the guest uses it.</summary>
    public List<IKeyboard> Keyboards { get; } = [];

    /// <summary>Pointing devices that tell of motion; a later one is preferred while the guest uses it.</summary>
    public List<IPointer> Pointers { get; } = [];

    /// <summary>Pointing devices that tell places; one that the guest uses is preferred to the others.</summary>
    public List<IAbsolutePointer> Tablets { get; } = [];
}
