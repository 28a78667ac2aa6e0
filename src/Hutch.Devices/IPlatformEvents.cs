namespace Hutch.Devices;

/// <summary>What a guest can do to the whole machine. Called on any thread; takes effect soon after, never re-enters the device.</summary>
public interface IPlatformEvents
{
    /// <summary>ACPI S5: the guest switched itself off.</summary>
    void PowerOff();

    /// <summary>Platform reset (i8042 0xfe, port 0xcf9, ACPI reset register).</summary>
    void Reset();

    /// <summary>The guest asked the process to end with this status (debug-exit).</summary>
    void Exit(int status);
}
