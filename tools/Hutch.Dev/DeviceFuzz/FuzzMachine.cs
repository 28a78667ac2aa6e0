using System;
using System.Collections.Generic;
using System.IO;
using Hutch.Core.Bus;
using Hutch.Core.Interrupts;
using Hutch.Core.Memory;
using Hutch.Core.State;
using Hutch.Devices;
using Hutch.Host.Events;
using Hutch.Host.Linux;
using Hutch.Host.Vfio;
using Hutch.Model.Machine;

namespace Hutch.Dev.DeviceFuzz;

/// <summary>The chipset and one device, without vCPUs: whoever uses it is the guest, on one thread.</summary>
internal sealed class FuzzMachine : IDisposable, IPlatformEvents, IInterruptRouter
{
    /// <summary>Where configuration space is, and the part of memory that rings, at its beginning, and buffers are in.</summary>
    internal const ulong Ecam = 0xb000_0000, Arena = 0x10_0000, ArenaBytes = 0x10_0000, RingBytes = 0x4_0000;

    private const ulong MemoryBytes = 16 << 20, PluggableBytes = 128 << 20;

    private readonly string _folder = Directory.CreateTempSubdirectory("hutch-fuzz-").FullName;
    private readonly List<IDevice> _devices = [];
    private readonly FuzzReach _reach;
    private readonly bool _cannotBeSaved;
    private readonly FakeVfio? _vfio;
    private volatile bool _isResetWanted, _isMade;

    /// <summary>Makes it, at power-on and running. Its disks' luck is of the seed; how far the guest came is added up.</summary>
    internal FuzzMachine(FuzzedDevice kind, int seed, FuzzReach reach)
    {
        (_reach, Channel, Network) = (reach, new FuzzChannel(reach), new FuzzNetwork(reach));
        DeviceConfig config = kind.Config(_folder);
        if (config is VfioPciConfig) _vfio = new FakeVfio(_folder, reach: reach);
        Services = new MachineServices
        {
            HostDevices = new VfioHost(_vfio ?? (IDeviceCalls)new DeviceCalls(), _folder),
            Memory = Memory, Cpus = new CpuTopology(1, 2, 1), AbsentVcpus = 2, Ports = new AddressBus("ports"), Mmio = new AddressBus("mmio"), Interrupts = this, Timers = Time, Platform = this,
            OpenDisk = _ => new FuzzDisk(seed, reach, () => _isMade), OpenChannel = _ => Channel, OpenNetwork = _ => Network, Streams = new FuzzStreams(seed, reach), OpenTpm = _ => new FuzzTpm(seed, reach),
        };
        _cannotBeSaved = config.KeepsStateElsewhere;
        if (config is not PlatformConfig) _devices.Add(DeviceFactories.Create(new PlatformConfig("platform", kind.Machine), Services));
        HashSet<BusRegion> others = [.. Services.Ports.Regions, .. Services.Mmio.Regions];
        _devices.Add(DeviceFactories.Create(config, Services));
        if (Services.Firmware is { } firmware)
        {
            firmware.Describe(DefinitionOf(config), GuestMemory.HighMemoryStart * 8, 1UL << 35);
            firmware.Load();
        }
        else
        {
            Services.Pci!.AssignResources(GuestMemory.HighMemoryStart * 8, 1UL << 35);
        }
        foreach (BusRegion region in (IEnumerable<BusRegion>)[.. Services.Ports.Regions, .. Services.Mmio.Regions])
            if (!others.Contains(region)) Own.Add(region);
        foreach (IDevice device in _devices) device.Reset();
        _isMade = true;
        Start();
    }

    /// <summary>Guest RAM.</summary>
    internal GuestMemory Memory { get; } = GuestMemory.Create(MemoryBytes, PluggableBytes, hugePages: false);

    /// <summary>What the devices see of the machine.</summary>
    internal MachineServices Services { get; }

    /// <summary>The device of the host that it has; null: none.</summary>
    internal FakeVfio? Vfio => _vfio;

    /// <summary>The machine's time.</summary>
    internal FuzzTime Time { get; } = new();

    /// <summary>The other ends of the devices.</summary>
    internal FuzzChannel Channel { get; }

    /// <inheritdoc cref="Channel"/>
    internal FuzzNetwork Network { get; }

    /// <summary>What its screens show.</summary>
    internal ScreenFrame Picture { get; } = new();

    /// <summary>The ranges of the device that is fuzzed, wherever they are now.</summary>
    internal HashSet<BusRegion> Own { get; } = [];

    /// <summary>Reads a register in memory.</summary>
    internal ulong Load(ulong address, int width) => Access(Services.Mmio, address, width);

    /// <summary>Writes a register in memory.</summary>
    internal void Store(ulong address, ulong value, int width) => Services.Mmio.Write(address, BitConverter.GetBytes(value).AsSpan(0, width));

    /// <summary>Reads a port.</summary>
    internal uint In(ushort port, int width) => (uint)Access(Services.Ports, port, width);

    /// <summary>Writes a port.</summary>
    internal void Out(ushort port, uint value, int width) => Services.Ports.Write(port, BitConverter.GetBytes(value).AsSpan(0, width));

    /// <summary>Carries out what the guest asked of the whole machine.</summary>
    internal void Settle()
    {
        if (!_isResetWanted) return;
        Stop();
        Reset();
        Start();
    }

    /// <summary>Lets all workers end what they are at.</summary>
    internal void Pause()
    {
        Stop();
        Start();
    }

    /// <summary>Presses the button of a drive, changes what lies in it, or takes it out.</summary>
    internal void ChangeMedia(Random random)
    {
        Stop();
        foreach (IMediumDrive drive in Services.MediumDrives)
        {
            if (drive.IsLocked && random.Next(2) == 0) drive.PressEject();
            else drive.Change(random.Next(3) == 0 ? null : new DiskConfig("/none", "raw", ReadOnly: true));
        }
        Start();
    }

    /// <summary>As the power button, or the guest, resets a machine.</summary>
    internal void ResetAll()
    {
        _isResetWanted = true;
        Settle();
    }

    /// <summary>Saves twice, restores and saves again: all three must be the same. A machine that cannot be saved stays as it is. Throws <see cref="FuzzDefect"/>.</summary>
    internal void SaveAndRestore()
    {
        if (_cannotBeSaved) return;
        Stop();
        byte[][] first = Save();
        Compare(first, Save(), "saved again");
        Reset();
        for (int i = 0; i < _devices.Count; i++) _devices[i].Exchange(new StateReader(_devices[i].Name, first[i]));
        Compare(first, Save(), "restored and saved");
        Start();
    }

    /// <inheritdoc/>
    public void PowerOff() => _isResetWanted = true;

    /// <inheritdoc/>
    void IPlatformEvents.Reset() => _isResetWanted = true;

    /// <inheritdoc/>
    public void Exit(int status) => _isResetWanted = true;

    /// <inheritdoc/>
    public void StorageFailed(string sentence, bool pause) { }

    /// <inheritdoc/>
    public void SignalMsi(MsiMessage message) => _reach.Interrupt();

    /// <inheritdoc/>
    public IMsiVector? CreateVector(EventFd? existing = null) => new HeldVector();

    /// <inheritdoc/>
    public void SetExternalInterrupt(bool asserted) => _reach.Interrupt();

    /// <inheritdoc/>
    public void Dispose()
    {
        Stop();
        for (int i = _devices.Count - 1; i >= 0; i--) _devices[i].Dispose();
        Memory.Dispose();
        _vfio?.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private static MachineDefinition DefinitionOf(DeviceConfig config) => new()
    {
        Name = "fuzz", MemoryBytes = MemoryBytes, Cpus = new CpuTopology(1, 2, 1), Cpu = CpuModel.Max, Engine = EngineChoice.Software, Boot = null, Devices = [new PlatformConfig("platform"), config],
    };

    private static ulong Access(AddressBus bus, ulong address, int width)
    {
        Span<byte> data = stackalloc byte[8];
        data.Clear();
        bus.Read(address, data[..width]);
        return BitConverter.ToUInt64(data);
    }

    private void Start()
    {
        foreach (IDevice device in _devices) device.Start();
    }

    private void Stop()
    {
        for (int i = _devices.Count - 1; i >= 0; i--) _devices[i].Stop();
    }

    private void Reset()
    {
        _isResetWanted = false;
        for (int i = _devices.Count - 1; i >= 0; i--) _devices[i].Reset();
    }

    private byte[][] Save()
    {
        byte[][] states = new byte[_devices.Count][];
        for (int i = 0; i < states.Length; i++)
        {
            StateWriter writer = new(_devices[i].Name);
            _devices[i].Exchange(writer);
            states[i] = writer.Body.ToArray();
        }
        return states;
    }

    private void Compare(byte[][] before, byte[][] after, string how)
    {
        for (int i = 0; i < before.Length; i++)
        {
            int same = before[i].AsSpan().CommonPrefixLength(after[i]);
            if (same == before[i].Length && same == after[i].Length) continue;
            string context = System.Text.Encoding.Latin1.GetString(before[i], Math.Max(0, same - 60), Math.Min(60, same));
            throw new FuzzDefect($"The state of {_devices[i].Name} is another when it was {how}: at byte {same}, behind \"{context}\", "
                + $"{Convert.ToHexString(before[i].AsSpan(same, Math.Min(16, before[i].Length - same)))} became {Convert.ToHexString(after[i].AsSpan(same, Math.Min(16, after[i].Length - same)))}");
        }
    }
}
