namespace Hutch.Devices.Virtio;

/// <summary>Feature bits that belong to no device type (virtio 1.2 §6).</summary>
internal static class VirtioFeatures
{
    internal const ulong RingIndirectDescriptors = 1UL << 28;
    internal const ulong RingEventIndex = 1UL << 29;
    internal const ulong Version1 = 1UL << 32;

    /// <summary>What every device of ours offers.</summary>
    internal const ulong Transport = RingIndirectDescriptors | RingEventIndex | Version1;
}
