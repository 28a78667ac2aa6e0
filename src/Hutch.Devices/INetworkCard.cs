namespace Hutch.Devices;

/// <summary>A network card, as the machine's owner sees it besides its device. Any thread.</summary>
public interface INetworkCard
{
    /// <summary>The device's name.</summary>
    string Name { get; }

    /// <summary>Plugs the cable in or pulls it, and tells the guest.</summary>
    void SetLink(bool up);
}
