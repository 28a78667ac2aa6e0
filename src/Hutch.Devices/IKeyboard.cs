namespace Hutch.Devices;

/// <summary>A keyboard of the machine, for whoever types on it.</summary>
public interface IKeyboard
{
    /// <summary>The guest has a driver for it, or it needs none. Any thread.</summary>
    bool IsUsed { get; }

    /// <summary>The light of caps lock is on.</summary>
    bool HasCapsLock { get; }

    /// <summary>A key goes down or comes up. Any thread; what the guest has no room for is dropped.</summary>
    /// <param name="key">Its code in scan code set 1, with 0x80 added for keys whose code comes behind 0xe0; Pause is 0xc6.</param>
    /// <param name="down">Pressed, which may repeat, or released.</param>
    void Press(byte key, bool down);
}
