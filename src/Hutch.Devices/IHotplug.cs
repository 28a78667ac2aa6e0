namespace Hutch.Devices;

/// <summary>Plugging of devices while the guest runs, as the machine's owner sees it. Called by the owner alone, but for <see cref="SlotOf"/>: any thread.</summary>
public interface IHotplug
{
    /// <summary>The PCI slot of a device that can be pulled out; null: there is none of that name.</summary>
    int? SlotOf(string device);

    /// <summary>Tells the guest that the device is there.</summary>
    void Announce(string device);

    /// <summary>Asks the guest to give the device up. When it has done so, <see cref="IPlatformEvents.Ejected"/> follows.</summary>
    void AskFor(string device);

    /// <summary>The next device that the guest has given up; null: there is none. It is then to be disposed.</summary>
    string? TakeEjected();
}
