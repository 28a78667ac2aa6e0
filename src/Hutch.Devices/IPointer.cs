using System;

namespace Hutch.Devices;

/// <summary>A pointing device of the machine that tells of motion, not of places.</summary>
public interface IPointer
{
    /// <summary>The guest has a driver for it, or it needs none. Any thread.</summary>
    bool IsUsed { get; }

    /// <summary>It was moved, its wheel turned, or its buttons are others than before. Any thread; motion gathers until the guest takes it.</summary>
    /// <param name="right">Steps to the right, negative to the left.</param>
    /// <param name="down">Steps down, negative up.</param>
    /// <param name="wheel">Steps of the wheel towards the user, negative away.</param>
    /// <param name="buttons">The buttons that are down now.</param>
    void Update(int right, int down, int wheel, PointerButtons buttons);
}

/// <summary>Buttons of an <see cref="IPointer"/>.</summary>
[Flags]
public enum PointerButtons
{
    /// <summary>No button.</summary>
    None = 0,

    /// <summary>The left one.</summary>
    Left = 1,

    /// <summary>The right one.</summary>
    Right = 2,

    /// <summary>The middle one.</summary>
    Middle = 4,

    /// <summary>The one that goes back.</summary>
    Back = 8,

    /// <summary>The one that goes forward.</summary>
    Forward = 16,
}
