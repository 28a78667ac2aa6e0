namespace Hutch.Devices.Virtio.Transport;

/// <summary>What a virtio device asks of its transport. Any thread.</summary>
internal interface IVirtioTransport
{
    /// <summary>Used buffer notification (virtio 1.2 §2.3): the queue's used ring moved and the driver wants to know.</summary>
    void InterruptQueue(int queue);

    /// <summary>Configuration change notification: device configuration space changed.</summary>
    void InterruptConfig();

    /// <summary>The driver broke a rule: DEVICE_NEEDS_RESET (virtio 1.2 §2.1.2) until it resets the device.</summary>
    void NeedsReset();
}
