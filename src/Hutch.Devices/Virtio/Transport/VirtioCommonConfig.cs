using System;
using System.Buffers.Binary;
using System.Threading;
using Hutch.Core.State;
using Hutch.Devices.Pci;
using Hutch.Devices.Virtio.Queue;
using static Hutch.Devices.Virtio.Transport.VirtioPciRegisters;

namespace Hutch.Devices.Virtio.Transport;

/// <summary>
/// The common configuration structure (virtio 1.2 §4.1.4.3) and the device status machine (§2.1, §3.1):
/// <code>
///   0 -> ACKNOWLEDGE -> DRIVER -> (features) -> FEATURES_OK -> (queues) -> DRIVER_OK        any -> write 0 -> 0
///                                     refused: the bit stays clear       any broken rule -> + NEEDS_RESET
/// </code>
/// Register accesses are serialised by <see cref="VirtioPci"/>. Status and vectors are also read by the device's worker, and
/// NEEDS_RESET is set by it, so that these use interlocked accesses.
/// </summary>
internal sealed class VirtioCommonConfig
{
    private readonly VirtioDevice _device;
    private readonly Msix _msix;
    private readonly ulong _offered;
    private readonly int[] _queueVectors;
    private int _configVector = NoVector;
    private int _status;
    private uint _deviceFeatureSelect, _driverFeatureSelect;
    private ulong _driverFeatures;
    private bool _impossibleFeature;
    private ushort _queueSelect;
    private int _generation;

    internal VirtioCommonConfig(VirtioDevice device, Msix msix)
    {
        _device = device;
        _msix = msix;
        _offered = device.DeviceFeatures | VirtioFeatures.Transport;
        _queueVectors = new int[device.Queues.Length];
        Array.Fill(_queueVectors, NoVector);
    }

    /// <summary>The device status field. Any thread.</summary>
    internal int Status => Volatile.Read(ref _status);

    /// <summary>MSI-X vector of configuration changes, or <see cref="NoVector"/>. Any thread.</summary>
    internal int ConfigVector => Volatile.Read(ref _configVector);

    /// <summary>MSI-X vector of a queue, or <see cref="NoVector"/>. Any thread.</summary>
    internal int QueueVector(int queue) => Volatile.Read(ref _queueVectors[queue]);

    /// <summary>Sets NEEDS_RESET. True when it was not set before and the driver was active, so that it must be told. Any thread.</summary>
    internal bool MarkNeedsReset()
    {
        int before = Interlocked.Or(ref _status, VirtioStatus.NeedsReset);
        return (before & (VirtioStatus.NeedsReset | VirtioStatus.DriverOk)) == VirtioStatus.DriverOk;
    }

    /// <summary>Device configuration space changed: a driver that reads it in pieces must see another generation. Any thread.</summary>
    internal void NextGeneration() => Interlocked.Increment(ref _generation);

    /// <summary>Reset by the driver or of the machine.</summary>
    internal void Reset(bool machineReset)
    {
        _device.Deactivate(machineReset);
        for (int i = 0; i < _queueVectors.Length; i++) Volatile.Write(ref _queueVectors[i], NoVector);
        Volatile.Write(ref _configVector, NoVector);
        _deviceFeatureSelect = _driverFeatureSelect = 0;
        _driverFeatures = 0;
        _impossibleFeature = false;
        _queueSelect = 0;
        // Last: a driver waits until the status reads 0 before it touches the device again.
        Interlocked.Exchange(ref _status, 0);
    }

    /// <summary>Saves or restores the registers, not the queues. A state whose driver took a feature that is not offered here is refused.</summary>
    internal void Exchange(StateFields fields)
    {
        int status = Status, configVector = ConfigVector, generation = Volatile.Read(ref _generation) & 0xff;
        ulong[] vectors = new ulong[_queueVectors.Length];
        for (int i = 0; i < vectors.Length; i++) vectors[i] = (ulong)_queueVectors[i];
        fields.Value("status", ref status, 0, 0xff);
        fields.Value("config-vector", ref configVector, 0, NoVector);
        fields.Numbers("queue-vectors", vectors);
        fields.Value("generation", ref generation, 0, 0xff);
        fields.Value("device-feature-select", ref _deviceFeatureSelect);
        fields.Value("driver-feature-select", ref _driverFeatureSelect);
        fields.Value("driver-features", ref _driverFeatures);
        fields.Value("impossible-feature", ref _impossibleFeature);
        fields.Value("queue-select", ref _queueSelect);
        if (!fields.IsRestoring) return;
        if ((status & VirtioStatus.FeaturesOk) != 0 && (_driverFeatures & ~_offered) != 0)
            throw new StateException($"The guest's driver uses features 0x{_driverFeatures & ~_offered:x} of {_device.Name}, which this machine's does not offer; restore with the same back end.");
        Volatile.Write(ref _status, status);
        Volatile.Write(ref _configVector, CheckVector((ushort)configVector));
        for (int i = 0; i < vectors.Length; i++) Volatile.Write(ref _queueVectors[i], CheckVector((ushort)Math.Min(vectors[i], NoVector)));
        Volatile.Write(ref _generation, generation);
    }

    /// <summary>Reads a field, or the low or high half of a 64-bit one. Anything else reads as zero.</summary>
    internal void Read(int offset, Span<byte> data)
    {
        data.Clear();
        int field = offset >= QueueDescriptor ? offset & ~7 : offset;
        ulong value = ReadField(field, out int width) >> (8 * (offset - field));
        // A narrower read of a field gets its low bytes; a wider one gets zeros behind it.
        for (int i = 0; i < Math.Min(data.Length, width - (offset - field)); i++) data[i] = (byte)(value >> (8 * i));
    }

    /// <summary>Writes a field at its width; 64-bit fields also by halves. Other widths are dropped (§4.1.3.1).</summary>
    internal void Write(int offset, ReadOnlySpan<byte> data)
    {
        if (offset >= QueueDescriptor)
        {
            WriteAddress(offset, data);
            return;
        }
        switch (offset, data.Length)
        {
            case (DeviceFeatureSelect, 4): _deviceFeatureSelect = Read32(data); break;
            case (DriverFeatureSelect, 4): _driverFeatureSelect = Read32(data); break;
            case (DriverFeature, 4): SetDriverFeature(Read32(data)); break;
            case (ConfigMsixVector, 2): Volatile.Write(ref _configVector, CheckVector(Read16(data))); break;
            case (DeviceStatus, 1): SetStatus(data[0]); break;
            case (QueueSelect, 2): _queueSelect = Read16(data); break;
            case (QueueSize, 2): if (ConfigurableQueue is VirtQueue sized) sized.Size = Read16(data); break;
            case (QueueMsixVector, 2):
                if (_queueSelect < _queueVectors.Length) Volatile.Write(ref _queueVectors[_queueSelect], CheckVector(Read16(data)));
                break;
            // Only 1 means something: a queue is disabled by a reset of the device (§4.1.4.3.2).
            case (QueueEnable, 2): if (Read16(data) == 1 && ConfigurableQueue is VirtQueue enabled) enabled.IsEnabled = true; break;
        }
    }

    private VirtQueue? SelectedQueue => _queueSelect < _device.Queues.Length ? _device.Queues[_queueSelect] : null;

    // An enabled queue belongs to the device: its size and addresses no longer change.
    private VirtQueue? ConfigurableQueue => SelectedQueue is { IsEnabled: false } queue && (Status & VirtioStatus.DriverOk) == 0 ? queue : null;

    private ulong ReadField(int field, out int width)
    {
        VirtQueue? queue = SelectedQueue;
        (width, ulong value) = field switch
        {
            DeviceFeatureSelect => (4, _deviceFeatureSelect),
            DeviceFeature => (4, _deviceFeatureSelect < 2 ? (uint)(_offered >> (32 * (int)_deviceFeatureSelect)) : 0UL),
            DriverFeatureSelect => (4, _driverFeatureSelect),
            DriverFeature => (4, _driverFeatureSelect < 2 ? (uint)(_driverFeatures >> (32 * (int)_driverFeatureSelect)) : 0UL),
            ConfigMsixVector => (2, (ulong)ConfigVector),
            QueueCount => (2, (ulong)_device.Queues.Length),
            DeviceStatus => (1, (ulong)Status),
            ConfigGeneration => (1, (ulong)(byte)Volatile.Read(ref _generation)),
            QueueSelect => (2, _queueSelect),
            // Size 0 says that there is no such queue.
            QueueSize => (2, (ulong)(queue?.Size ?? 0)),
            QueueMsixVector => (2, queue is null ? NoVector : (ulong)QueueVector(_queueSelect)),
            QueueEnable => (2, queue is { IsEnabled: true } ? 1UL : 0),
            QueueNotifyOffset => (2, queue is null ? 0UL : _queueSelect),
            QueueDescriptor => (8, queue?.DescriptorTable ?? 0),
            QueueDriver => (8, queue?.AvailableRing ?? 0),
            QueueDevice => (8, queue?.UsedRing ?? 0),
            _ => (8, 0UL),
        };
        return value;
    }

    private void WriteAddress(int offset, ReadOnlySpan<byte> data)
    {
        int half = offset & 7;
        if (ConfigurableQueue is not VirtQueue queue || !(data.Length == 8 && half == 0) && !(data.Length == 4 && half is 0 or 4)) return;
        switch (offset & ~7)
        {
            case QueueDescriptor: queue.DescriptorTable = Merge(queue.DescriptorTable, half, data); break;
            case QueueDriver: queue.AvailableRing = Merge(queue.AvailableRing, half, data); break;
            case QueueDevice: queue.UsedRing = Merge(queue.UsedRing, half, data); break;
        }
    }

    private static ulong Merge(ulong old, int half, ReadOnlySpan<byte> data) => (data.Length, half) switch
    {
        (8, _) => BinaryPrimitives.ReadUInt64LittleEndian(data),
        (_, 0) => (old & ~0xffff_ffffUL) | Read32(data),
        _ => (old & 0xffff_ffffUL) | ((ulong)Read32(data) << 32),
    };

    private void SetDriverFeature(uint value)
    {
        if ((Status & VirtioStatus.FeaturesOk) != 0) return;
        if (_driverFeatureSelect < 2)
        {
            int shift = 32 * (int)_driverFeatureSelect;
            _driverFeatures = (_driverFeatures & ~(0xffff_ffffUL << shift)) | ((ulong)value << shift);
        }
        else if (value != 0)
        {
            _impossibleFeature = true;
        }
    }

    private int CheckVector(ushort vector) => vector < _msix.VectorCount ? vector : NoVector;

    private void SetStatus(int value)
    {
        if (value == 0)
        {
            Reset(machineReset: false);
            return;
        }
        int old = Status;
        int added = value & VirtioStatus.DriverBits & ~old;         // a driver must not clear bits (§2.1.1)
        if ((added & VirtioStatus.FeaturesOk) != 0
            && (_impossibleFeature || (_driverFeatures & ~_offered) != 0 || (_driverFeatures & VirtioFeatures.Version1) == 0))
            added &= ~VirtioStatus.FeaturesOk;
        bool starts = (added & VirtioStatus.DriverOk) != 0;
        Interlocked.Or(ref _status, added);
        if (starts) Begin(old | added);
    }

    private void Begin(int status)
    {
        bool sound = (status & VirtioStatus.FeaturesOk) != 0;
        if (sound)
        {
            bool eventIndex = (_driverFeatures & VirtioFeatures.RingEventIndex) != 0;
            bool indirect = (_driverFeatures & VirtioFeatures.RingIndirectDescriptors) != 0;
            foreach (VirtQueue queue in _device.Queues)
                if (queue.IsEnabled) sound &= queue.Activate(eventIndex, indirect);
        }
        if (sound) _device.Activate(_driverFeatures);
        else _device.Transport.NeedsReset();
    }

    private static ushort Read16(ReadOnlySpan<byte> data) => BinaryPrimitives.ReadUInt16LittleEndian(data);

    private static uint Read32(ReadOnlySpan<byte> data) => BinaryPrimitives.ReadUInt32LittleEndian(data);
}
