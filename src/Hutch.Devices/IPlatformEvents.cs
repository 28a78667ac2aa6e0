using Hutch.Model.Machine;

namespace Hutch.Devices;

/// <summary>What a guest, or what lies under a device, can do to the whole machine. Called on any thread; takes effect soon after, never re-enters the device.</summary>
public interface IPlatformEvents
{
    /// <summary>ACPI S5: the guest switched itself off.</summary>
    void PowerOff();

    /// <summary>Platform reset (i8042 0xfe, port 0xcf9, ACPI reset register).</summary>
    void Reset();

    /// <summary>The guest asked the process to end with this status (debug-exit).</summary>
    void Exit(int status);

    /// <summary>The guest gave a device or a vCPU up: see <see cref="IHotplug.TakeEjected"/> and <see cref="ICpuHotplug.TakeEjected"/>.</summary>
    void Ejected() { }

    /// <summary>The guest is in trouble: it panicked, or did not stop its watchdog.</summary>
    /// <param name="sentence">What to tell the operator, without a full stop.</param>
    /// <param name="action">What becomes of the machine.</param>
    void Alarm(string sentence, AlarmAction action) { }

    /// <summary>A disk's storage failed.</summary>
    /// <param name="sentence">What to tell the operator.</param>
    /// <param name="pause">The machine is to be paused; the disk makes the request again when it goes on.</param>
    void StorageFailed(string sentence, bool pause);
}
