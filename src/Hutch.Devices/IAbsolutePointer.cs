namespace Hutch.Devices;

/// <summary>A pointing device of the machine that tells places.</summary>
public interface IAbsolutePointer
{
    /// <summary>The largest coordinate: the right and the lower edge of the screen.</summary>
    const int Range = 0x7fff;

    /// <summary>The guest has a driver for it. Any thread.</summary>
    bool IsUsed { get; }

    /// <summary>The pointer is somewhere, its wheel turned, or its buttons are others than before. Any thread; of several places the guest sees at least the last.</summary>
    /// <param name="x">0 to <see cref="Range"/> from the left.</param>
    /// <param name="y">0 to <see cref="Range"/> from above.</param>
    /// <param name="wheel">Steps of the wheel towards the user, negative away.</param>
    /// <param name="buttons">The buttons that are down now.</param>
    void Place(int x, int y, int wheel, PointerButtons buttons);
}
